// Every family is held to what transformers computes, and to what the seam promises.
#include "worker/engine/families/families.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/engine/families/encoder_tensors.h"
#include "worker/engine/models/model_testing.h"

namespace quantlab::engine {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using testing::FormulaModel;
using testing::FormulaWeights;
using ::testing::HasSubstr;
using testing::MaxDifference;
using Json = nlohmann::json;

EncoderConfig SmallConfigOf(const ModelFamily& family) {
  EncoderConfig config = family.defaults;
  config.family = family.name;
  config.vocab_size = 50;
  config.hidden_size = 24;
  if (config.embedding_size != 0) config.embedding_size = 16;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 3;
  config.intermediate_size = 40;
  config.max_position_embeddings = 20 + config.first_position();
  return config;
}

at::Tensor LogitsOf(const Encoder& model) {
  const TokenizedText text{{2, 9, 4, 30, 7}, {}};
  const at::NoGradGuard no_grad;
  return *model.Forward(*PackTexts(model.config(), {&text}));
}

TEST(FamiliesTest, LogitsEqualTransformers) {
  const testing::ThreadsScope threads(1);
  const Json golden = testing::ReadFamiliesGolden();
  std::set<std::string> seen = {"bert"};  // encoder_test.cc
  for (const Json& c : golden["cases"]) {
    SCOPED_TRACE(c["config"].dump());
    const auto config = ParseModelConfig(c["config"].dump(), "golden");
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->family, c["family"].get<std::string>());
    seen.insert(config->family);
    const auto model = FormulaModel(*config);
    const at::NoGradGuard no_grad;
    const auto logits =
        model->Forward(testing::ToLongs(c["input_ids"]), testing::ToLongs(c["attention_mask"]),
                       testing::ToLongs(c["token_type_ids"]));
    ASSERT_TRUE(logits.ok()) << logits.status();
    EXPECT_LT(MaxDifference(*logits, testing::ToFloats(c["logits"])), 1e-4);
    std::vector<std::string> names;
    for (const auto& [name, tensor] : model->StateTensors()) names.push_back(name);
    EXPECT_THAT(names, ElementsAreArray(c["names"].get<std::vector<std::string>>()));
  }
  for (const ModelFamily& family : AllModelFamilies()) EXPECT_EQ(seen.count(family.name), 1u) << family.name;
}

// What is checked before a run must be what a run takes.
TEST(FamiliesTest, EncoderTensorsAreThoseOfTheModel) {
  for (const ModelFamily& family : AllModelFamilies()) {
    SCOPED_TRACE(family.name);
    const EncoderConfig config = SmallConfigOf(family);
    std::map<std::string, std::vector<int64_t>> listed, own;
    for (const TensorSpec& tensor : EncoderTensors(config, family.layout)) listed[tensor.name] = tensor.shape;
    const EncoderLayout::Head& head = family.layout.head;
    for (const auto& [name, outputs] :
         {std::pair(head.dense, config.hidden_size), std::pair(head.output, config.num_labels())}) {
      for (const TensorSpec& tensor : LinearTensors(name, config.hidden_size, outputs))
        listed[tensor.name] = tensor.shape;
    }
    for (const auto& [name, tensor] : FormulaModel(config)->StateTensors()) own[name] = tensor.sizes().vec();
    EXPECT_EQ(listed, own);
  }
}

TEST(FamiliesTest, EveryLayerHasARoleAndItsPlace) {
  for (const ModelFamily& family : AllModelFamilies()) {
    SCOPED_TRACE(family.name);
    const EncoderConfig config = SmallConfigOf(family);
    std::map<std::string, std::vector<LayerInfo>> by_role;
    std::set<std::string> names;
    const auto model = FormulaModel(config);
    model->ForEachLinear([&](const LayerInfo& info, const Linear&) {
      by_role[info.role].push_back(info);
      EXPECT_TRUE(names.insert(info.name).second) << info.name;
    });
    for (const char* role : {layer_role::kQuery, layer_role::kKey, layer_role::kValue,
                             layer_role::kAttentionOutput, layer_role::kFfnIn, layer_role::kFfnOut}) {
      ASSERT_EQ(by_role[role].size(), 2u) << role;
      EXPECT_EQ(by_role[role][0].block, 0);
      EXPECT_EQ(by_role[role][1].block, 1);
      EXPECT_EQ(by_role[role][0].RowsPerText(7), 7);
      const bool whole = role == std::string(layer_role::kKey) || role == std::string(layer_role::kValue);
      EXPECT_EQ(by_role[role][1].RowsPerText(7), whole ? 7 : 1) << role;
    }
    ASSERT_EQ(by_role[layer_role::kClassifier].size(), 1u);
    EXPECT_EQ(by_role[layer_role::kClassifier][0].block, std::nullopt);
    EXPECT_EQ(by_role[layer_role::kPooler].size() + by_role[layer_role::kHeadDense].size(), 1u);
    EXPECT_EQ(by_role[layer_role::kEmbeddingProjection].size(), config.embedding_size == 0 ? 0u : 1u);
  }
}

TEST(FamiliesTest, ReadsAnEncoderWithoutItsPrefixAndDrawsTheHead) {
  for (const ModelFamily& family : AllModelFamilies()) {
    SCOPED_TRACE(family.name);
    const EncoderConfig config = SmallConfigOf(family);
    const TensorMap whole = FormulaWeights(config);
    TensorMap encoder;
    for (const auto& [name, tensor] : whole) {
      if (name.rfind(family.prefix + ".", 0) != 0) continue;
      const bool of_head = name.rfind(family.layout.head.dense, 0) == 0;
      if (!of_head) encoder[name.substr(family.prefix.size() + 1)] = tensor;
    }
    // What pre-training leaves beside the encoder.
    for (std::string name : family.layout.ignored) {
      if (name.rfind(family.prefix + ".", 0) == 0) name = name.substr(family.prefix.size() + 1);
      encoder[name + "bias"] = at::ones({3});
    }
    const auto model = MakeEncoder(config, Weights(encoder, "file"));
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_THAT((*model)->initialized_layers(),
                ElementsAre(family.layout.head.dense, family.layout.head.output));
    const TensorMap state = (*model)->StateTensors();
    for (const auto& [name, tensor] : encoder) {
      const auto it = state.find(family.prefix + "." + name);
      EXPECT_TRUE(it == state.end() || at::equal(it->second, tensor)) << name;
    }
    EXPECT_EQ(state.size(), whole.size());
    EncoderBuildOptions strict;
    strict.initialize_missing_head = false;
    EXPECT_FALSE(MakeEncoder(config, Weights(encoder, "file"), strict).ok());
  }
}

TEST(FamiliesTest, ConfigsSurviveBeingWritten) {
  for (const ModelFamily& family : AllModelFamilies()) {
    SCOPED_TRACE(family.name);
    EncoderConfig config = SmallConfigOf(family);
    config.labels = {"no", "yes", "perhaps"};
    config.hidden_dropout_prob = 0.25;
    config.attention_probs_dropout_prob = 0.5;
    config.classifier_dropout = 0.125;
    config.hidden_act = Activation::kGeluTanh;
    const std::string text = ModelConfigToJson(config);
    const auto read = ParseModelConfig(text, "again");
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(ModelConfigToJson(*read), text);
    EXPECT_EQ(read->family, family.name);
    EXPECT_EQ(read->embedding_width(), config.embedding_width());
    EXPECT_EQ(read->max_tokens(), 20);
    EXPECT_EQ(read->intermediate_size, 40);
    EXPECT_EQ(read->classifier_dropout, 0.125);
    EXPECT_EQ(read->hidden_act, Activation::kGeluTanh);
    EXPECT_EQ(Json::parse(text)["architectures"], Json::array({family.architecture()}));
    TensorMap weights = FormulaWeights(config);
    const auto model = MakeEncoder(*read, Weights(weights, "file"));
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_TRUE(at::equal(LogitsOf(**model), LogitsOf(*FormulaModel(config))));
  }
}

std::string ConfigError(const Json& json) {
  const auto config = ParseModelConfig(json.dump(), "config.json");
  return config.ok() ? "no error, family " + config->family : std::string(config.status().message());
}

TEST(FamiliesTest, TheFamilyIsWhatTypeAndArchitecturesSay) {
  EXPECT_EQ(ConfigError(Json::object()), "no error, family bert");
  EXPECT_EQ(ConfigError({{"model_type", "electra"}}), "no error, family electra");
  EXPECT_EQ(ConfigError({{"architectures", {"DistilBertForMaskedLM"}}}), "no error, family distilbert");
  EXPECT_EQ(ConfigError({{"architectures", {"XLMRobertaModel"}}, {"model_type", "xlm-roberta"}}),
            "no error, family xlm-roberta");
  EXPECT_EQ(ConfigError({{"architectures", nullptr}, {"model_type", "camembert"}}),
            "no error, family camembert");
  EXPECT_THAT(ConfigError({{"model_type", "gpt2"}}),
              AllOf(HasSubstr("config.json: model_type is \"gpt2\""),
                    HasSubstr("supported: bert, distilbert, roberta"), HasSubstr("electra")));
  EXPECT_THAT(ConfigError({{"model_type", 3}}), HasSubstr("model_type is 3"));
  EXPECT_THAT(ConfigError({{"architectures", {"T5ForConditionalGeneration"}}}),
              AllOf(HasSubstr("T5ForConditionalGeneration"), HasSubstr("electra")));
  EXPECT_THAT(ConfigError({{"architectures", {"BertGenerationDecoder"}}}),
              HasSubstr("BertGenerationDecoder"));
  EXPECT_THAT(ConfigError({{"architectures", "BertModel"}}), HasSubstr("a list"));
  EXPECT_THAT(ConfigError({{"architectures", {"RobertaModel"}}, {"model_type", "bert"}}),
              AllOf(HasSubstr("RobertaModel"), HasSubstr("the family roberta"), HasSubstr("says bert")));
  EXPECT_THAT(ConfigError({{"architectures", {"BertModel", "ElectraModel"}}}),
              HasSubstr("the family electra"));
}

TEST(FamiliesTest, SettingsThatComputeSomethingElseAreRefused) {
  EXPECT_THAT(ConfigError({{"model_type", "distilbert"}, {"sinusoidal_pos_embds", true}}),
              HasSubstr("sinusoidal_pos_embds is true; only false is supported"));
  EXPECT_THAT(ConfigError({{"model_type", "electra"}, {"position_embedding_type", "relative_key"}}),
              HasSubstr("only \"absolute\" is supported"));
  EXPECT_THAT(ConfigError({{"model_type", "roberta"}, {"pad_token_id", nullptr}}),
              HasSubstr("count from it"));
  EXPECT_THAT(ConfigError({{"model_type", "roberta"}, {"max_position_embeddings", 2}}),
              AllOf(HasSubstr("max_position_embeddings is 2"), HasSubstr("start at position 2")));
  EXPECT_THAT(ConfigError({{"model_type", "distilbert"}, {"dim", 10}, {"n_heads", 4}}),
              HasSubstr("n_heads is 4, which does not divide dim 10"));
}

TEST(FamiliesTest, PositionsFollowThePaddingOfRoberta) {
  EncoderConfig config = SmallConfigOf(*FindModelFamily("roberta"));
  const TokenizedText text{{0, 9, 1, 8}, {}};
  const auto batch = PackTexts(config, {&text});
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_TRUE(at::equal(batch->positions, testing::ToLongs(Json::parse("[[2,3,1,4]]"))[0]));
  const TokenizedText long_text{std::vector<int32_t>(21, 5), {}};
  EXPECT_THAT(std::string(PackTexts(config, {&long_text}).status().message()),
              AllOf(HasSubstr("21 tokens"), HasSubstr("20 at most")));
}

TEST(FamiliesTest, AnUnknownFamilyIsAnErrorAndNamesAreUnique) {
  EncoderConfig config;
  config.family = "none";
  EXPECT_THAT(std::string(MakeEncoder(config, Weights(TensorMap(), "f")).status().message()),
              HasSubstr("none"));
  std::set<std::string> names, prefixes;
  for (const ModelFamily& family : AllModelFamilies()) {
    EXPECT_TRUE(names.insert(family.name).second) << family.name;
    EXPECT_TRUE(prefixes.insert(family.class_prefix).second) << family.class_prefix;
    EXPECT_EQ(FindFamilyOfArchitecture(family.architecture()), &family);
  }
}

}  // namespace
}  // namespace quantlab::engine
