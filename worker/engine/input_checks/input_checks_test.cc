#include "worker/engine/input_checks/input_checks.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/testing/temp_folder.h"

namespace quantlab::engine {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

// A safetensors file whose tensors have these shapes.
std::string Safetensors(const std::map<std::string, std::vector<int64_t>>& shapes) {
  Json header = Json::object();
  int64_t end = 0;
  for (const auto& [name, shape] : shapes) {
    int64_t bytes = 4;
    for (const int64_t side : shape) bytes *= side;
    header[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {end, end + bytes}}};
    end += bytes;
  }
  const std::string text = header.dump();
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(text.size() >> (8 * i) & 0xFF);
  return file + text + std::string(static_cast<size_t>(end), '\0');
}

struct World {
  TempFolder folder;
  Json config = {{"model_type", "bert"},
                 {"architectures", {"BertModel"}},
                 {"vocab_size", 5},
                 {"max_position_embeddings", 32},
                 {"id2label", {{"0", "POS"}, {"1", "NEG"}}}};
  int64_t classifier_rows = 2;
  RunConfig run;
  Dataset dataset;

  World() {
    run.training.enabled = false;
    run.dataset.max_length = 16;
    dataset.labels = {"neg", "pos"};
  }
  absl::Status Check() {
    folder.Write("m/config.json", config.dump());
    folder.Write("m/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n");
    std::map<std::string, std::vector<int64_t>> shapes = {{"bert.embeddings.word_embeddings.weight", {5, 2}}};
    if (classifier_rows > 0) shapes["classifier.weight"] = {classifier_rows, 2};
    folder.Write("m/model.safetensors", Safetensors(shapes));
    const auto model = CheckModel(folder / "m");
    return model.ok() ? CheckTogether(run, *model, dataset) : model.status();
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
  world.config["hidden_size"] = 7;
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

}  // namespace
}  // namespace quantlab::engine
