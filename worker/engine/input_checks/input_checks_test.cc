#include "worker/engine/input_checks/input_checks.h"

#include <functional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/testing/temp_folder.h"
#include "worker/engine/input_checks/testing/small_model.h"

namespace quantlab::engine {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

struct World {
  TempFolder folder;
  Json config = SmallModelConfig();
  int64_t classifier_rows = 2;
  std::function<void(ShapesByName&)> change;
  RunConfig run;
  Dataset dataset;

  World() {
    config["max_position_embeddings"] = 32;
    config["id2label"] = {{"0", "POS"}, {"1", "NEG"}};
    run.training.enabled = false;
    run.dataset.max_length = 16;
    dataset.labels = {"neg", "pos"};
  }
  absl::Status Check() {
    WriteSmallModel(folder, "m", config, classifier_rows);
    if (change) folder.Write("m/model.safetensors", SafetensorsOf(Changed()));
    const auto model = CheckModel(folder / "m");
    return model.ok() ? CheckTogether(run, *model, dataset) : model.status();
  }
  ShapesByName Changed() const {
    ShapesByName tensors = TensorsOf(config, classifier_rows);
    change(tensors);
    return tensors;
  }
  std::string Why() { return std::string(Check().message()); }
};

TEST(InputChecksTest, WhatARunWouldTakePasses) {
  World world;
  EXPECT_TRUE(world.Check().ok()) << world.Why();
  world.classifier_rows = 0;
  world.run.training.enabled = true;
  EXPECT_TRUE(world.Check().ok()) << "a classifier is drawn";
}

TEST(InputChecksTest, AnArchitectureThatIsNotSupportedIsRefused) {
  World world;
  world.config["model_type"] = "gpt2";
  EXPECT_THAT(world.Why(), HasSubstr("model_type is \"gpt2\"; supported: bert, distilbert, roberta"));
  world.config["model_type"] = "roberta";
  EXPECT_THAT(world.Why(), HasSubstr("a model of the family bert, but"));
  world.config["model_type"] = "bert";
  world.config["num_attention_heads"] = 3;
  EXPECT_THAT(world.Why(), HasSubstr("does not divide"));
}

TEST(InputChecksTest, TokenizerAndLengthMustFitTheModel) {
  World world;
  world.config["vocab_size"] = 4;
  EXPECT_THAT(world.Why(), HasSubstr("the tokenizer has 5 ids, but config.json says vocab_size 4"));
  world.config["vocab_size"] = 5;
  world.run.dataset.max_length = 33;
  EXPECT_THAT(world.Why(), HasSubstr("max_length is 33, but the model has 32 positions"));
}

TEST(InputChecksTest, AModelThatIsNotTrainedMustHaveTheDatasetsClasses) {
  World world;
  world.classifier_rows = 0;
  EXPECT_THAT(world.Why(), HasSubstr("the checkpoint must be a fine-tuned classifier"));
  world.classifier_rows = 3;
  EXPECT_THAT(world.Why(), HasSubstr("has 3 classes, but the dataset has 2"));
  world.classifier_rows = 2;
  world.dataset.labels = {"negative", "positive"};
  EXPECT_THAT(world.Why(), HasSubstr("dataset.label_map: {POS: positive, NEG: negative}"));
  world.run.dataset.label_map = {"POS: positive", "NEG: negative"};
  EXPECT_TRUE(world.Check().ok()) << world.Why();
}

TEST(InputChecksTest, PairsNeedTokenTypesSpaceAndAModelThatReadsThem) {
  World world;
  world.dataset.pairs = true;
  EXPECT_TRUE(world.Check().ok()) << world.Why();
  world.run.dataset.max_length = 4;
  EXPECT_THAT(world.Why(), HasSubstr("max_length is 4, but a pair of texts needs 5 at least"));
  world.run.dataset.max_length = 5;
  EXPECT_TRUE(world.Check().ok()) << world.Why();
  world.config["type_vocab_size"] = 1;
  EXPECT_THAT(world.Why(), HasSubstr("by token types up to 1, but the model knows 1"));
  world.config["type_vocab_size"] = 2;
  world.config["text_pairs"] = true;
  EXPECT_TRUE(world.Check().ok()) << world.Why();
  world.dataset.pairs = false;
  EXPECT_THAT(world.Why(), HasSubstr("was fine-tuned on pairs of texts"));
  world.config["text_pairs"] = "yes";
  EXPECT_THAT(world.Why(), HasSubstr("text_pairs is \"yes\"; allowed: true, false"));
}

TEST(InputChecksTest, WeightsMustBeThoseThatTheConfigDescribes) {
  const std::string query = "bert.encoder.layer.0.attention.self.query.weight";
  World world;
  world.change = [&](ShapesByName& tensors) { tensors.erase(query); };
  EXPECT_THAT(world.Why(),
              HasSubstr("the weights do not fit config.json: tensor " + query + " [2, 2] is missing"));
  world.change = [&](ShapesByName& tensors) { tensors[query] = {2, 4}; };
  EXPECT_THAT(world.Why(), HasSubstr(query + " has the shape [2, 4], but config.json makes it [2, 2]"));
  world.change = [&](ShapesByName& tensors) { tensors["bert.encoder.layer.7.x"] = {1}; };
  EXPECT_THAT(world.Why(), HasSubstr("1 tensor belongs to no layer of the model: bert.encoder.layer.7.x"));
  world.change = [&](ShapesByName& tensors) { tensors.clear(); };
  EXPECT_THAT(world.Why(), HasSubstr("and 15 more; use files of one model"));
  world.change = [&](ShapesByName& tensors) { tensors.erase("bert.pooler.dense.bias"); };
  EXPECT_THAT(world.Why(), HasSubstr("bert.pooler.dense.bias [2] is missing"));
  world.change = [&](ShapesByName& tensors) {
    tensors.erase("bert.pooler.dense.bias");
    tensors.erase("bert.pooler.dense.weight");
  };
  EXPECT_THAT(world.Why(), HasSubstr("the checkpoint must be a fine-tuned classifier"));
  world.run.training.enabled = true;
  EXPECT_TRUE(world.Check().ok()) << world.Why();
}

TEST(InputChecksTest, WeightsMayHaveOldNamesAndMoreThanAClassifierNeeds) {
  World world;
  world.change = [](ShapesByName& tensors) {
    ShapesByName old = {{"cls.predictions.bias", {5}}, {"embeddings.position_ids", {1, 32}}};
    for (const auto& [name, shape] : tensors) {
      std::string renamed = name.substr(0, 5) == "bert." ? name.substr(5) : name;
      const size_t at = renamed.find("LayerNorm.weight");
      if (at != std::string::npos) renamed = renamed.substr(0, at) + "LayerNorm.gamma";
      old[renamed] = shape;
    }
    tensors = old;
  };
  world.dataset.labels = {"pos", "neg"};
  EXPECT_TRUE(world.Check().ok()) << world.Why();
}

TEST(InputChecksTest, TensorsOfEveryFamilyAreKnown) {
  for (const ModelFamily& family : AllModelFamilies()) {
    World world;
    EncoderConfig config = family.defaults;
    config.family = family.name;
    config.vocab_size = 5;
    config.num_hidden_layers = 2;
    config.hidden_size = config.intermediate_size = 4;
    config.num_attention_heads = 2;
    config.max_position_embeddings = 34;
    config.labels = {"POS", "NEG"};
    if (config.embedding_size != 0) config.embedding_size = 3;
    world.config = Json::parse(ModelConfigToJson(config));
    world.folder.Write("m/tokenizer_config.json", R"({"tokenizer_class":"BertTokenizer"})");
    EXPECT_TRUE(world.Check().ok()) << world.Why();
  }
}

}  // namespace
}  // namespace quantlab::engine
