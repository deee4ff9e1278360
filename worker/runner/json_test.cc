// Reading job.json. tests/contract holds both to protobuf's own mapping.
#include <cmath>
#include <cstdlib>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/statistics/numbers.h"
#include "worker/runner/job_json.h"

namespace quantlab::runner {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

json QuantizationJob() {
  return json::parse(R"({
    "version": 1, "attempt": "3", "datasetFolder": "/data", "outputFolder": "/out",
    "inputs": [{"run": "baseline", "variant": "baseline", "folder": "/in/baseline"}],
    "config": {
      "experimentId": "quick-1", "runName": "dynamic_quantization", "variant": "dynamic_quantization",
      "kind": "RUN_KIND_QUANTIZATION", "seed": "18446744073709551615", "device": "cpu", "threads": 2,
      "dataset": {"format": "csv", "labels": ["neg", "pos"], "splitSeed": "7", "trainSize": "2000", "maxLength": 192,
                  "asset": {"name": "imdb", "catalog": {"package": "p", "files": [{"path": "a.csv", "size": "12"}]}}},
      "training": {"enabled": true, "learningRate": 1e-4},
      "method": {"name": "dynamic_quantization", "version": 1,
                 "params": {"granularity": {"stringValue": "per_token"}, "reduce_range": {"boolValue": false}}},
      "evaluation": {"metrics": ["accuracy"], "batchSize": 32, "latencyBatchSizes": [1, 8]}}})");
}

Job Parsed(const json& text) {
  const auto job = ParseJob(text.dump());
  EXPECT_TRUE(job.ok()) << job.status();
  return job.value();
}

TEST(ParseJobTest, ReadsAWholeJob) {
  const Job job = Parsed(QuantizationJob());
  EXPECT_EQ(job.attempt, 3);
  EXPECT_EQ(job.config.kind, RunKind::kQuantization);
  EXPECT_EQ(job.config.seed, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(job.config.dataset.train_size, 2000);
  EXPECT_EQ(job.config.dataset.asset.catalog->files[0].size, 12);
  EXPECT_EQ(job.config.method.params.at("granularity"), ParamValue(std::string("per_token")));
  EXPECT_EQ(job.config.method.params.at("reduce_range"), ParamValue(false));
  EXPECT_THAT(job.config.evaluation.latency_batch_sizes, ::testing::ElementsAre(1, 8));
  EXPECT_EQ(job.inputs[0].folder, "/in/baseline");
  EXPECT_TRUE(CheckJob(job).ok()) << CheckJob(job);
}

TEST(ParseJobTest, AnAbsentFieldIsZeroAsInProtobuf) {
  const Job job = Parsed(QuantizationJob());
  EXPECT_FALSE(job.config.training.dropout);
  EXPECT_EQ(job.config.training.epochs, 0);
  EXPECT_EQ(job.config.evaluation.min_samples, 0);
  EXPECT_EQ(job.config.dataset.text_column, "");
}

TEST(ParseJobTest, TakesBothNamesAndEveryFormOfANumber) {
  json text = QuantizationJob();
  text["config"].erase("seed");
  text["config"]["dataset"].erase("splitSeed");
  text["config"]["seed"] = 12;
  text["config"]["dataset"]["split_seed"] = 9;
  text["config"]["dataset"]["trainSize"] = 2e3;
  text["config"]["kind"] = 2;
  text["config"]["training"]["learningRate"] = "Infinity";
  text["config"]["training"]["weightDecay"] = "0.5";
  text["config"]["training"]["adamBeta1"] = "NaN";
  text["config"]["training"]["adamBeta2"] = nullptr;
  text["config"]["somethingNew"] = {{"a", 1}};
  const Job job = Parsed(text);
  EXPECT_EQ(job.config.seed, 12u);
  EXPECT_EQ(job.config.dataset.split_seed, 9u);
  EXPECT_EQ(job.config.dataset.train_size, 2000);
  EXPECT_EQ(job.config.kind, RunKind::kQuantization);
  EXPECT_TRUE(std::isinf(job.config.training.learning_rate));
  EXPECT_EQ(job.config.training.weight_decay, 0.5);
  EXPECT_TRUE(std::isnan(job.config.training.adam_beta1));
  EXPECT_EQ(job.config.training.adam_beta2, 0);
}

TEST(ParseJobTest, NamesTheFieldThatIsWrong) {
  const struct {
    const char *pointer, *value, *message;
  } cases[] = {
      {"/config/seed", "-1", "config.seed must be an unsigned"},
      {"/config/threads", "\"3000000000\"", "config.threads must be a 32-bit"},
      {"/config/threads", "1.5", "config.threads must be a 64-bit"},
      {"/config/kind", "\"RUN_KIND_MAGIC\"", "config.kind must be one of"},
      {"/config/kind", "0", "config.kind must say"},
      {"/config/dataset", "[]", "config.dataset must be an object"},
      {"/config/dataset/labels", "[1]", "config.dataset.labels must hold strings"},
      {"/config/dataset/asset/catalog/files/0/size", "\"x\"", "config.dataset.asset.catalog.files[0].size"},
      {"/config/training/enabled", "1", "config.training.enabled must be true or false"},
      {"/config/training/learningRate", "\"fast\"", "config.training.learningRate must be a number"},
      {"/config/method/params/granularity", "{}",
       "config.method.params.granularity.value must be exactly one"},
      {"/config/evaluation/latencyBatchSizes", "[4294967296]", "32-bit"},
      {"/inputs", "{}", "inputs must be an array"},
  };
  for (const auto& c : cases) {
    json text = QuantizationJob();
    text[json::json_pointer(c.pointer)] = json::parse(c.value);
    const auto job = ParseJob(text.dump());
    EXPECT_TRUE(absl::IsInvalidArgument(job.status())) << c.pointer;
    EXPECT_THAT(std::string(job.status().message()), HasSubstr(c.message));
  }
}

TEST(ParseJobTest, RefusesEveryCutOffJob) {
  const std::string whole = QuantizationJob().dump();
  for (size_t length = 0; length < whole.size(); length += 7)
    EXPECT_FALSE(ParseJob(whole.substr(0, length)).ok());
  EXPECT_FALSE(ParseJob("null").ok());
  EXPECT_FALSE(ParseJob("[]").ok());
}

TEST(CheckJobTest, SaysWhatIsAllowed) {
  const struct {
    const char *pointer, *value, *message;
  } cases[] = {
      {"/version", "2", "version is \"2\"; allowed: 1"},
      {"/config/device", "\"tpu\"", "device is tpu; allowed: one of: cpu, cuda"},
      {"/outputFolder", "\"out\"", "absolute path"},
      {"/datasetFolder", "\"\"", "datasetFolder"},
      {"/config/dataset/maxLength", "1", "dataset.max_length is 1; allowed: an integer from 3 to 8192"},
      {"/config/evaluation/batchSize", "0", "evaluation.batch_size is 0; allowed: an integer from 1 to 4096"},
      {"/config/method/name", "\"magic\"", "quant-runner info"},
      {"/config/method/version", "7", "version 7"},
      {"/config/method/params/granularity/stringValue", "\"per_word\"", "per_tensor"},
      {"/inputs", "[]", "baseline"},
      {"/inputs/0/method", "\"x\"", "baseline comes first"},
  };
  for (const auto& c : cases) {
    json text = QuantizationJob();
    text[json::json_pointer(c.pointer)] = json::parse(c.value);
    const absl::Status status = CheckJob(Parsed(text));
    EXPECT_FALSE(status.ok()) << c.pointer;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
  }
}

TEST(CheckJobTest, HoldsTrainingAndComparisonToTheirBounds) {
  json text = QuantizationJob();
  text["config"]["kind"] = "RUN_KIND_BASELINE";
  text["modelFolder"] = "/model";
  text["config"]["training"] = {{"enabled", true},      {"epochs", 1},         {"batchSize", 8},
                                {"learningRate", 1e-4}, {"adamEpsilon", 1e-8}, {"dtype", "fp32"}};
  EXPECT_TRUE(CheckJob(Parsed(text)).ok()) << CheckJob(Parsed(text));
  text["config"]["training"]["learningRate"] = "NaN";
  EXPECT_THAT(std::string(CheckJob(Parsed(text)).message()), HasSubstr("training.learning_rate is NaN"));
  text["config"]["kind"] = "RUN_KIND_COMPARISON";
  text["config"]["evaluation"]["latencyBatchSizes"] = json::array();
  EXPECT_THAT(std::string(CheckJob(Parsed(text)).message()), HasSubstr("evaluation.latency.batch_sizes"));
}

TEST(RoundTripTest, ReadsBackToTheSameBits) {
  for (float value : {0.1f, 1e-38f, 3.4e38f, -0.0f, 1.0f / 3})
    EXPECT_EQ(std::strtof(RoundTrip(value).c_str(), nullptr), value);
  EXPECT_EQ(RoundTrip(std::numeric_limits<double>::quiet_NaN()), "NaN");
}

}  // namespace
}  // namespace quantlab::runner
