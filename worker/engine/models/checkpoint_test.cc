#include "worker/engine/models/checkpoint.h"

#include <filesystem>
#include <fstream>

#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/messages/message_catalogue.h"
#include "base/testing/temp_folder.h"
#include "worker/engine/models/model_testing.h"

namespace quantlab::engine {
namespace {

using ::testing::AllOf;
using testing::FormulaModel;
using ::testing::HasSubstr;
using testing::SmallConfig;

std::string ConfigError(const std::string& json) {
  const auto config = ParseModelConfig(json, "config.json");
  return config.ok() ? "no error" : std::string(config.status().message());
}

TEST(EncoderConfigTest, NamesTheKeyThatIsWrong) {
  EXPECT_EQ(ConfigError("{}"), "no error");
  EXPECT_THAT(ConfigError("{"), AllOf(HasSubstr("config.json"), HasSubstr("not JSON")));
  EXPECT_THAT(ConfigError("[]"), HasSubstr("not a JSON object"));
  EXPECT_THAT(ConfigError(R"({"hidden_size": "big"})"), AllOf(HasSubstr("hidden_size"), HasSubstr("big")));
  EXPECT_THAT(ConfigError(R"({"hidden_size": 0})"), HasSubstr("hidden_size"));
  EXPECT_THAT(ConfigError(R"({"vocab_size": 18446744073709551615})"), HasSubstr("vocab_size"));
  EXPECT_THAT(ConfigError(R"({"hidden_size": 770})"), HasSubstr("does not divide"));
  EXPECT_THAT(ConfigError(R"({"hidden_act": "prelu"})"), AllOf(HasSubstr("prelu"), HasSubstr("gelu_new")));
  EXPECT_THAT(ConfigError(R"({"hidden_act": 3})"), HasSubstr("hidden_act"));
  EXPECT_THAT(ConfigError(R"({"layer_norm_eps": -1})"), HasSubstr("layer_norm_eps"));
  EXPECT_THAT(ConfigError(R"({"hidden_dropout_prob": 2})"), HasSubstr("hidden_dropout_prob"));
  EXPECT_THAT(ConfigError(R"({"position_embedding_type": "relative_key"})"), HasSubstr("relative_key"));
  EXPECT_THAT(ConfigError(R"({"is_decoder": true})"), HasSubstr("is_decoder"));
  EXPECT_THAT(ConfigError(R"({"id2label": {"0": "a", "x": "b"}})"),
              HasSubstr("id2label is with the key \"x\""));
  EXPECT_THAT(ConfigError(R"({"id2label": {"0": "a", "100000": "b"}})"), HasSubstr("allowed: 0 to 99999"));
  EXPECT_THAT(ConfigError(R"({"id2label": {"0": [5]}})"), HasSubstr("id2label"));
  EXPECT_THAT(ConfigError(R"({"id2label": ["a", "b"]})"), HasSubstr("id2label"));
  EXPECT_THAT(ConfigError(R"({"id2label": {"0": "a"}, "num_labels": 3})"), HasSubstr("num_labels"));
}

TEST(EncoderConfigTest, NamesOfClassesMayBeNumbersOrNull) {
  const auto config = ParseModelConfig(R"({"id2label": {"0": 5, "1": null, "2": "c"}})", "config.json");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->labels, ::testing::ElementsAre("5", "LABEL_1", "c"));
}

TEST(EncoderConfigTest, FillsInWhatDependsOnOtherKeys) {
  const auto config = ParseModelConfig(
      R"({"num_labels": 3, "hidden_dropout_prob": 0.3, "classifier_dropout": null, "pad_token_id": null})",
      "c");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->num_labels(), 3);
  EXPECT_EQ(config->labels[2], "LABEL_2");
  EXPECT_EQ(config->classifier_dropout, 0.3);
  EXPECT_EQ(config->pad_token_id, -1);
}

TEST(EncoderConfigTest, WritesWhatItReadsAndKeepsUnknownKeys) {
  auto config = ParseModelConfig(
      R"({"hidden_act": "gelu_new", "hidden_size": 24, "num_attention_heads": 3, "layer_norm_eps": 1e-7,
          "num_labels": 2, "transformers_version": "4.8.2", "torch_dtype": "float16"})",
      "c");
  ASSERT_TRUE(config.ok());
  config->labels = {"neg", "neutral", "pos"};
  const std::string text = ModelConfigToJson(*config);
  const auto again = ParseModelConfig(text, "c");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->labels, config->labels);
  EXPECT_EQ(again->hidden_size, 24);
  EXPECT_EQ(again->layer_norm_eps, 1e-7);
  EXPECT_EQ(again->hidden_act, Activation::kGeluTanh);
  const auto json = nlohmann::json::parse(text);
  EXPECT_EQ(json["transformers_version"], "4.8.2");
  EXPECT_EQ(json["hidden_act"], "gelu_new");
  EXPECT_EQ(json["torch_dtype"], "float32");
  EXPECT_EQ(json["label2id"]["pos"], 2);
  EXPECT_EQ(ModelConfigToJson(*again), text);
}

TEST(CheckpointTest, LoadedEqualsSavedBitForBit) {
  TempFolder folder;
  std::ofstream(folder / "vocab.txt") << "[PAD]\n";
  const std::string saved = folder / "deep/saved";
  const auto model = FormulaModel(SmallConfig());
  ASSERT_TRUE(SaveCheckpoint(*model, folder.path(), saved).ok());
  EXPECT_TRUE(std::filesystem::exists(saved + "/vocab.txt"));
  const auto loaded = LoadCheckpoint(saved);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ((*loaded)->config().labels, model->config().labels);
  EXPECT_TRUE((*loaded)->initialized_layers().empty());
  const TensorMap before = model->StateTensors(), after = (*loaded)->StateTensors();
  ASSERT_EQ(before.size(), after.size());
  for (const auto& [name, tensor] : before) EXPECT_TRUE(at::equal(tensor, after.at(name))) << name;
  const at::Tensor ids = testing::ToLongs(nlohmann::json::parse("[[1,5,9,2],[3,4,4,1]]"));
  EXPECT_TRUE(at::equal(*model->Forward(ids, {}), *(*loaded)->Forward(ids, {})));
}

TEST(CheckpointTest, LabelsOfTheDatasetMustFitTheClassifier) {
  TempFolder folder;
  ASSERT_TRUE(SaveCheckpoint(*FormulaModel(SmallConfig()), folder.path(), folder / "m").ok());
  CheckpointOptions options;
  options.labels = {"x", "y", "z"};
  const auto renamed = LoadCheckpoint(folder / "m", options);
  ASSERT_TRUE(renamed.ok());
  EXPECT_EQ((*renamed)->config().labels, options.labels);
  options.build.initialize_missing_head = false;
  EXPECT_THAT(std::string(LoadCheckpoint(folder / "m", options).status().message()),
              AllOf(HasSubstr("the model's classes are a, b, c; those of the dataset are x, y, z"),
                    HasSubstr("dataset.label_map: {a: x|y|z, b: x|y|z, c: x|y|z}")));
  options.label_map = {"a: x", "b: y", "c: z"};
  const auto mapped = LoadCheckpoint(folder / "m", options);
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  EXPECT_THAT((*mapped)->config().labels, ::testing::ElementsAre("a", "b", "c"))
      << "the model's own names stay";
  options.label_map.clear();
  options.labels = {"A", " b", "C"};
  const auto respelled = LoadCheckpoint(folder / "m", options);
  ASSERT_TRUE(respelled.ok()) << respelled.status();
  EXPECT_THAT((*respelled)->config().labels, ::testing::ElementsAre("a", "b", "c"))
      << "the model's own names stay";
  options.labels = {"x", "y"};
  EXPECT_THAT(std::string(LoadCheckpoint(folder / "m", options).status().message()),
              AllOf(HasSubstr("3 classes"), HasSubstr("x, y")));
  options.labels = {"b", "a", "c"};
  EXPECT_THAT(std::string(LoadCheckpoint(folder / "m", options).status().message()), HasSubstr("order"));
}

TEST(CheckpointTest, AClassifierThatDoesNotFitIsReplacedWhereOneMayBeDrawn) {
  TempFolder folder;
  ASSERT_TRUE(SaveCheckpoint(*FormulaModel(SmallConfig()), folder.path(), folder / "m").ok());
  const std::vector<std::vector<std::string>> cases = {{"x", "y"}, {"b", "a", "c"}};
  for (const std::vector<std::string>& labels : cases) {
    CheckpointOptions options;
    Message new_head;
    options.labels = labels;
    options.new_head = &new_head;
    const auto loaded = LoadCheckpoint(folder / "m", options);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ((*loaded)->config().labels, labels);
    EXPECT_FALSE((*loaded)->initialized_layers().empty());
    EXPECT_THAT(English(new_head), HasSubstr(labels.size() == 2 ? "has 3 classes" : "in the order a, b, c"));
  }
}

TEST(CheckpointTest, ShardsAreReadByTheirIndex) {
  TempFolder folder;
  const auto model = FormulaModel(SmallConfig());
  const TensorMap all = model->StateTensors();
  TensorMap parts[2];
  std::string map;
  for (const auto& [name, tensor] : all) {
    const size_t part = map.size() % 2;
    parts[part][name] = tensor;
    map += (map.empty() ? "\"" : ",\"") + name + "\":\"model-" + std::to_string(part) + ".safetensors\"";
  }
  ASSERT_TRUE(SaveModelConfig(model->config(), folder / "m").ok());
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(WriteSafetensors(folder / ("m/model-" + std::to_string(i) + ".safetensors"), parts[i]).ok());
  }
  folder.Write("m/model.safetensors.index.json", "{\"weight_map\":{" + map + "}}");
  const auto loaded = LoadCheckpoint(folder / "m");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const TensorMap after = (*loaded)->StateTensors();
  for (const auto& [name, tensor] : all) EXPECT_TRUE(at::equal(tensor, after.at(name))) << name;
  parts[0]["more"] = at::ones({1});
  ASSERT_TRUE(WriteSafetensors(folder / "m/model-0.safetensors", parts[0]).ok());
  EXPECT_THAT(std::string(LoadCheckpoint(folder / "m").status().message()),
              HasSubstr("holds tensor more, which model.safetensors.index.json does not name"));
}

TEST(CheckpointTest, AnEncoderGetsAClassifierForTheDataset) {
  TempFolder folder;
  const auto model = FormulaModel(SmallConfig());
  TensorMap tensors = model->StateTensors();
  tensors.erase("classifier.weight");
  tensors.erase("classifier.bias");
  ASSERT_TRUE(SaveModelConfig(model->config(), folder / "m").ok());
  ASSERT_TRUE(WriteSafetensors(folder / "m/model.safetensors", tensors).ok());
  CheckpointOptions options;
  options.labels = {"p", "q", "r", "s", "t"};
  const auto loaded = LoadCheckpoint(folder / "m", options);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ((*loaded)->config().num_labels(), 5);
  options.build.initialize_missing_head = false;
  EXPECT_THAT(std::string(LoadCheckpoint(folder / "m", options).status().message()),
              AllOf(HasSubstr("classifier.weight"), HasSubstr("missing")));
}

TEST(CheckpointTest, ShapesThatDisagreeWithTheConfigAreNamed) {
  TempFolder folder;
  ASSERT_TRUE(SaveCheckpoint(*FormulaModel(SmallConfig()), folder.path(), folder / "m").ok());
  EncoderConfig other = SmallConfig();
  other.intermediate_size = 96;
  ASSERT_TRUE(SaveModelConfig(other, folder / "m").ok());
  const absl::Status status = LoadCheckpoint(folder / "m").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("bert.encoder.layer.0.intermediate.dense.weight"), HasSubstr("[128, 64]"),
                    HasSubstr("[96, 64]")));
}

TEST(CheckpointTest, MissingFilesAreNamed) {
  TempFolder folder;
  EXPECT_EQ(LoadCheckpoint(folder.path()).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(SaveModelConfig(SmallConfig(), folder.path()).ok());
  const absl::Status status = LoadCheckpoint(folder.path()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("model.safetensors"));
}

}  // namespace
}  // namespace quantlab::engine
