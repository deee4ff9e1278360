#include "worker/engine/models/encoder.h"

#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/engine/layers/activation.h"
#include "worker/engine/models/model_testing.h"

namespace quantlab::engine {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::FormulaModel;
using testing::FormulaWeights;
using ::testing::HasSubstr;
using testing::MaxDifference;
using testing::SmallConfig;
using Json = nlohmann::json;

at::Tensor LogitsOf(const Encoder& model, const Json& golden) {
  at::NoGradGuard no_grad;
  const auto logits =
      model.Forward(testing::ToLongs(golden["input_ids"]), testing::ToLongs(golden["attention_mask"]),
                    testing::ToLongs(golden["token_type_ids"]));
  EXPECT_TRUE(logits.ok()) << logits.status();
  return logits.ok() ? *logits : at::Tensor();
}

// Texts of lengths 1 to `count`, tokens by formula.
std::vector<TokenizedText> MakeTexts(int count, int vocab) {
  std::vector<TokenizedText> texts(static_cast<size_t>(count));
  for (size_t t = 0; t < texts.size(); ++t) {
    for (size_t i = 0; i <= t; ++i) {
      texts[t].ids.push_back(static_cast<int32_t>(testing::SplitMix64(t * 100 + i) % vocab));
    }
  }
  return texts;
}

at::Tensor LogitsOf(const Encoder& model, const std::vector<const TokenizedText*>& texts) {
  at::NoGradGuard no_grad;
  return *model.Forward(*PackTexts(model.config(), texts));
}

TEST(EncoderTest, LogitsEqualTransformersForEveryShape) {
  const testing::ThreadsScope threads(1);
  const Json golden = testing::ReadBertGolden();
  ASSERT_GE(golden["shapes"].size(), 3u);
  for (const Json& shape : golden["shapes"]) {
    SCOPED_TRACE(shape["name"].get<std::string>());
    const auto config = ParseModelConfig(shape["config"].dump(), "golden");
    ASSERT_TRUE(config.ok()) << config.status();
    const at::Tensor logits = LogitsOf(*FormulaModel(*config), shape);
    EXPECT_LT(MaxDifference(logits, testing::ToFloats(shape["logits"])), 1e-4);
  }
}

TEST(EncoderTest, LogitsEqualTransformersForTheRealEncoder) {
  QL_REQUIRE_MINILM(folder);
  const Json golden = testing::ReadBertGolden()["minilm"];
  const auto model = testing::LoadGoldenMiniLm(folder);
  ASSERT_TRUE(model.ok()) << model.status();
  const double difference = MaxDifference(LogitsOf(**model, golden), testing::ToFloats(golden["logits"]));
  RecordProperty("max_difference", std::to_string(difference));
  EXPECT_LT(difference, 1e-4);
}

TEST(ActivationTest, EveryActivationEqualsTransformers) {
  const Json golden = testing::ReadBertGolden()["activations"];
  const at::Tensor x = testing::ToFloats(Json::array({golden["x"]}));
  for (const auto& [name, values] : golden["y"].items()) {
    const auto config = ParseModelConfig(Json{{"hidden_act", name}}.dump(), "golden");
    ASSERT_TRUE(config.ok()) << config.status();
    const at::Tensor y = testing::ToFloats(Json::array({values}));
    EXPECT_LT(MaxDifference(Activate(config->hidden_act, x), y), 2e-6) << name;
    const at::NoGradGuard no_grad;
    EXPECT_LT(MaxDifference(Activate(config->hidden_act, x), y), 2e-6) << name;
  }
}

TEST(ActivationTest, ARowsBitsDoNotDependOnTheOtherRows) {
  const at::NoGradGuard no_grad;
  for (const int64_t width : {33, 64}) {
    const at::Tensor x = testing::FormulaWeight("rows", {2000, width}).mul(40);
    const at::Tensor together = Activate(Activation::kGelu, x);
    for (int64_t row = 0; row < x.size(0); row += 97) {
      EXPECT_TRUE(at::equal(Activate(Activation::kGelu, x.narrow(0, row, 1)), together.narrow(0, row, 1)));
    }
  }
}

TEST(EncoderTest, ATextsLogitsDoNotDependOnItsBatchOrOrder) {
  const testing::ThreadsScope threads(1);
  const auto model = FormulaModel(SmallConfig());
  const std::vector<TokenizedText> texts = MakeTexts(40, 100);
  std::vector<const TokenizedText*> all, backwards;
  for (const TokenizedText& text : texts) {
    all.push_back(&text);
    backwards.insert(backwards.begin(), &text);
  }
  const at::Tensor together = LogitsOf(*model, all);
  EXPECT_LT(MaxDifference(LogitsOf(*model, backwards).flip(0), together), 1e-5);
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_LT(MaxDifference(LogitsOf(*model, {&texts[i]})[0], together[static_cast<int64_t>(i)]), 1e-5) << i;
  }
}

TEST(EncoderTest, PaddingChangesNothing) {
  const auto model = FormulaModel(SmallConfig());
  const at::Tensor ids = testing::ToLongs(Json::parse("[[2,5,7,3],[2,9,3,0]]"));
  const at::Tensor mask = testing::ToLongs(Json::parse("[[1,1,1,1],[1,1,1,0]]"));
  const at::Tensor wide_ids = testing::ToLongs(Json::parse("[[2,5,7,3,0,0,0],[2,9,3,0,0,0,0]]"));
  const at::Tensor wide_mask = testing::ToLongs(Json::parse("[[1,1,1,1,0,0,0],[1,1,1,0,0,0,0]]"));
  EXPECT_TRUE(at::equal(*model->Forward(ids, mask), *model->Forward(wide_ids, wide_mask)));
}

TEST(EncoderTest, NamesLayersAsTransformersDoes) {
  EncoderConfig config = SmallConfig();
  config.num_hidden_layers = 1;
  const auto model = FormulaModel(config);
  std::vector<std::string> names;
  model->ForEachLinear([&](const LayerInfo& info, const Linear&) { names.push_back(info.name); });
  EXPECT_THAT(
      names,
      ElementsAre("bert.encoder.layer.0.attention.self.query", "bert.encoder.layer.0.attention.self.key",
                  "bert.encoder.layer.0.attention.self.value", "bert.encoder.layer.0.attention.output.dense",
                  "bert.encoder.layer.0.intermediate.dense", "bert.encoder.layer.0.output.dense",
                  "bert.pooler.dense", "classifier"));
}

TEST(EncoderTest, AReplacedLayerIsTheOneThatRuns) {
  class Zero : public LinearFp32 {
   public:
    using LinearFp32::LinearFp32;
    at::Tensor Forward(const at::Tensor& x) const override { return LinearFp32::Forward(x).zero_(); }
  };
  const auto model = FormulaModel(SmallConfig());
  model->ForEachLinear([&](const LayerInfo& info, std::unique_ptr<Linear>& slot) {
    const auto tensors = slot->tensors();
    if (info.name == "classifier") slot = std::make_unique<Zero>(tensors.at("weight"), tensors.at("bias"));
  });
  const std::vector<TokenizedText> texts = MakeTexts(2, 100);
  EXPECT_EQ(LogitsOf(*model, {&texts[0], &texts[1]}).abs().max().item<float>(), 0);
}

TEST(EncoderTest, DropoutActsOnlyInTraining) {
  const auto model = FormulaModel(SmallConfig());
  const std::vector<TokenizedText> texts = MakeTexts(20, 100);
  const std::vector<const TokenizedText*> batch = {&texts[19], &texts[4]};
  const at::Tensor calm = LogitsOf(*model, batch);
  model->SetTraining(true);
  EXPECT_FALSE(at::equal(LogitsOf(*model, batch), calm));
  model->SetTraining(false);
  EXPECT_TRUE(at::equal(LogitsOf(*model, batch), calm));
}

TEST(EncoderTest, MissingHeadsAreDrawnFromTheSeedAndReported) {
  TensorMap tensors = FormulaWeights(SmallConfig());
  for (const char* name : {"classifier", "bert.pooler.dense"}) {
    tensors.erase(std::string(name) + ".weight");
    tensors.erase(std::string(name) + ".bias");
  }
  const auto build = [&](uint64_t seed) {
    EncoderBuildOptions options;
    options.seed = seed;
    return *MakeEncoder(SmallConfig(), Weights(tensors, "t"), options);
  };
  const auto model = build(1), same = build(1), other = build(2);
  EXPECT_THAT(model->initialized_layers(), ElementsAre("bert.pooler.dense", "classifier"));
  const at::Tensor weight = model->StateTensors()["classifier.weight"];
  EXPECT_TRUE(at::equal(weight, same->StateTensors()["classifier.weight"]));
  EXPECT_FALSE(at::equal(weight, other->StateTensors()["classifier.weight"]));
  EXPECT_NEAR(weight.std().item<double>(), 0.02, 0.005);
  EXPECT_EQ(model->StateTensors()["classifier.bias"].abs().max().item<float>(), 0);
}

TEST(EncoderTest, ReadsBothKeyStylesAndOldLayerNormNames) {
  TensorMap old_style;
  for (const auto& [name, tensor] : FormulaWeights(SmallConfig())) {
    std::string key = name;
    if (key.rfind("bert.", 0) == 0) key = key.substr(5);
    const size_t at = key.find("LayerNorm.");
    if (at != std::string::npos) {
      key = key.substr(0, at) + (key.back() == 't' ? "LayerNorm.gamma" : "LayerNorm.beta");
    }
    old_style[key] = tensor;
  }
  old_style["embeddings.position_ids"] = testing::ToLongs(Json::parse("[[0,1,2]]"));
  const auto model = MakeEncoder(SmallConfig(), Weights(old_style, "old"));
  ASSERT_TRUE(model.ok()) << model.status();
  const std::vector<TokenizedText> texts = MakeTexts(3, 100);
  EXPECT_TRUE(at::equal(LogitsOf(**model, {&texts[2]}), LogitsOf(*FormulaModel(SmallConfig()), {&texts[2]})));
}

absl::Status BuildError(const TensorMap& tensors) {
  return MakeEncoder(SmallConfig(), Weights(tensors, "f.safetensors")).status();
}

TEST(EncoderTest, NamesEveryTensorThatIsWrong) {
  TensorMap tensors = FormulaWeights(SmallConfig());
  tensors.erase("bert.encoder.layer.1.output.dense.weight");
  tensors["bert.embeddings.LayerNorm.bias"] = testing::FormulaWeight("x", {65});
  tensors["bert.encoder.layer.2.output.dense.bias"] = testing::FormulaWeight("y", {64});
  const absl::Status status = BuildError(tensors);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("f.safetensors"), HasSubstr("bert.encoder.layer.1.output.dense.weight"),
                    HasSubstr("is missing"), HasSubstr("[65]"), HasSubstr("[64]"),
                    HasSubstr("bert.encoder.layer.2.output.dense.bias")));
}

TEST(EncoderTest, RefusesIntegerWeights) {
  TensorMap tensors = FormulaWeights(SmallConfig());
  tensors["classifier.weight"] = tensors["classifier.weight"].to(at::kChar);
  EXPECT_EQ(BuildError(tensors).code(), absl::StatusCode::kInvalidArgument);
}

TEST(EncoderTest, ReadsHalfPrecisionWeightsAsFp32) {
  TensorMap tensors = FormulaWeights(SmallConfig());
  for (auto& [name, tensor] : tensors) tensor = tensor.to(name.size() % 2 == 0 ? at::kHalf : at::kBFloat16);
  const auto model = MakeEncoder(SmallConfig(), Weights(tensors, "f"));
  ASSERT_TRUE(model.ok()) << model.status();
  for (const auto& [name, tensor] : (*model)->StateTensors()) EXPECT_EQ(tensor.scalar_type(), at::kFloat);
}

TEST(PackedBatchTest, PacksWithoutPaddingLongestFirst) {
  const std::vector<TokenizedText> texts = {{{5, 6}, {}}, {{7, 8, 9}, {0, 0, 1}}, {{1, 2}, {}}};
  const auto batch =
      PackTexts(SmallConfig(), std::vector<const TokenizedText*>{&texts[0], &texts[1], &texts[2]});
  ASSERT_TRUE(batch.ok());
  EXPECT_TRUE(at::equal(batch->ids, testing::ToLongs(Json::parse("[[7,8,9,5,6,1,2]]"))[0]));
  EXPECT_TRUE(at::equal(batch->positions, testing::ToLongs(Json::parse("[[0,1,2,0,1,0,1]]"))[0]));
  EXPECT_TRUE(at::equal(batch->token_types, testing::ToLongs(Json::parse("[[0,0,1,0,0,0,0]]"))[0]));
  EXPECT_TRUE(at::equal(batch->first_token, testing::ToLongs(Json::parse("[[0,3,5]]"))[0]));
  EXPECT_TRUE(at::equal(batch->place, testing::ToLongs(Json::parse("[[1,0,2]]"))[0]));
  ASSERT_EQ(batch->groups.size(), 2u);
  EXPECT_EQ(batch->groups[1].texts, 2);
  EXPECT_EQ(batch->groups[1].length, 2);
}

TEST(PackedBatchTest, SaysWhichTextIsWrong) {
  const auto error = [](std::vector<TokenizedText> texts) {
    std::vector<const TokenizedText*> pointers;
    for (const TokenizedText& text : texts) pointers.push_back(&text);
    return std::string(PackTexts(SmallConfig(), pointers).status().message());
  };
  EXPECT_THAT(error({}), HasSubstr("no texts"));
  EXPECT_THAT(error({{{1}, {}}, {{}, {}}}), AllOf(HasSubstr("text 1"), HasSubstr("no tokens")));
  EXPECT_THAT(error({{{1, 100}, {}}}), AllOf(HasSubstr("100"), HasSubstr("vocabulary")));
  EXPECT_THAT(error({{{-1}, {}}}), HasSubstr("-1"));
  EXPECT_THAT(error({{{1}, {2}}}), HasSubstr("token type 2"));
  EXPECT_THAT(error({{{1, 2}, {0}}}), HasSubstr("1 token types for 2 tokens"));
  EXPECT_THAT(error({{std::vector<int32_t>(49, 1), {}}}), HasSubstr("max_position_embeddings"));
  const at::Tensor ids = testing::ToLongs(Json::parse("[[1,2]]"));
  const at::Tensor left_padded = testing::ToLongs(Json::parse("[[0,1]]"));
  EXPECT_THAT(std::string(PackPadded(SmallConfig(), ids, left_padded, {}).status().message()),
              HasSubstr("pad on the right"));
  EXPECT_FALSE(PackPadded(SmallConfig(), ids, ids.t(), {}).ok());
  EXPECT_FALSE(PackPadded(SmallConfig(), {}, {}, {}).ok());
}

}  // namespace
}  // namespace quantlab::engine
