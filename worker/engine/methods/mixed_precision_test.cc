// What mixed precision promises beyond the conformance suite: pins, budgets, and a front that was measured.
#include <map>

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/engine/layers/half_linear.h"
#include "worker/engine/methods/method.h"
#include "worker/engine/models/random_encoder.h"

namespace quantlab::engine {
namespace {

using ::testing::HasSubstr;

class MixedPrecisionTest : public ::testing::Test {
 protected:
  MixedPrecisionTest() : threads_(at::get_num_threads()) {
    at::set_num_threads(1);  // texts this small are slower on two threads
    model_ = MakeRandomEncoder(SmallEncoderConfig(), 1).value();
    train_ = Labelled(12, 3);
    validation_ = Labelled(20, 4);
    context_.train = &train_;
    context_.validation = &validation_;
    context_.layer_seconds = [](const Linear& layer, int64_t rows) {
      const double work = static_cast<double>(layer.in_features() * layer.out_features() * rows);
      return work * (layer.kind() == "int8_static" ? 1 : layer.kind() == LinearFp32::kKind ? 4 : 2);
    };
    context_.record = [this](Metric metric) { metrics_.push_back(std::move(metric)); };
    context_.warn = [this](const std::string& code, const Message&) { warnings_.push_back(code); };
    context_.write_file = [this](const std::string& name, const std::string& content) {
      files_[name] = content;
      return absl::OkStatus();
    };
  }
  ~MixedPrecisionTest() override { at::set_num_threads(threads_); }

  LabelledTexts Labelled(int count, uint64_t seed) {
    LabelledTexts labelled{RandomTexts(SmallEncoderConfig(), count, 20, seed), {}, {}};
    const at::Tensor classes = LogitsOf(*model_, labelled.texts).argmax(1);
    for (int i = 0; i < count; ++i) labelled.labels.push_back(classes[i].item<int>());
    return labelled;
  }

  absl::StatusOr<QuantizationResult> Apply(Params params) {
    params["calibration_texts"] = int64_t{12};
    params["sensitivity_texts"] = int64_t{6};
    return MakeQuantizationMethod("mixed_precision").value()->Apply(*model_, params, context_);
  }

  std::map<std::string, int> Kinds(const QuantizationPlan& plan) {
    std::map<std::string, int> kinds;
    for (const LayerPlan& layer : plan.layers) ++kinds[layer.kind];
    return kinds;
  }

  int threads_;
  std::unique_ptr<Encoder> model_;
  LabelledTexts train_, validation_;
  QuantizationContext context_;
  std::vector<Metric> metrics_;
  std::vector<std::string> warnings_;
  std::map<std::string, std::string> files_;
};

TEST_F(MixedPrecisionTest, PinnedLayersAreWhatTheUserSaid) {
  const auto result = Apply({{"pin", std::string("classifier=fp32, *.output.dense=fp32, *.key=int8")}});
  ASSERT_TRUE(result.ok()) << result.status();
  for (const LayerPlan& layer : result->plan.layers) {
    const bool fp32 = layer.name == "classifier" || layer.name.ends_with(".output.dense");
    const bool int8 = layer.name.ends_with(".key");
    EXPECT_TRUE(!fp32 || layer.kind == "fp32") << layer.name << " is " << layer.kind;
    EXPECT_TRUE(!int8 || layer.kind == "int8_static") << layer.name << " is " << layer.kind;
  }
}

TEST_F(MixedPrecisionTest, APinThatMatchesNothingIsNamed) {
  const auto result = Apply({{"pin", std::string("no.such.layer=int8")}});
  EXPECT_TRUE(absl::IsInvalidArgument(result.status()));
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("no.such.layer"));
}

TEST_F(MixedPrecisionTest, APinHasNoMeaningForTheWholeModel) {
  const auto result = Apply({{"mode", std::string("whole")}, {"pin", std::string("classifier=fp32")}});
  EXPECT_TRUE(absl::IsInvalidArgument(result.status()));
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("use mode: per_layer"));
}

TEST_F(MixedPrecisionTest, APrecisionThatIsNotOfferedIsNamed) {
  const auto result = Apply({{"half", std::string("none")}, {"pin", std::string("classifier=bf16")}});
  EXPECT_TRUE(absl::IsInvalidArgument(result.status()));
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("classifier"));
}

TEST_F(MixedPrecisionTest, WithAllTheAccuracyToLoseEverythingIsInt8) {
  const auto result = Apply({{"max_accuracy_drop", 1.0}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Kinds(result->plan)["int8_static"], 20);
}

TEST_F(MixedPrecisionTest, ASmallerBudgetOfBytesMakesASmallerModel) {
  const auto bytes = [&](double budget) {
    model_ = MakeRandomEncoder(SmallEncoderConfig(), 1).value();
    const auto result = Apply({{"objective", std::string("size")}, {"size_budget", budget}});
    EXPECT_TRUE(result.ok()) << result.status();
    int64_t total = 0;
    std::as_const(*model_).ForEachLinear([&](const LayerInfo&, const Linear& layer) {
      for (const auto& [role, tensor] : layer.tensors()) total += static_cast<int64_t>(tensor.nbytes());
    });
    return total;
  };
  int64_t fp32 = 0;
  std::as_const(*model_).ForEachLinear([&](const LayerInfo&, const Linear& layer) {
    fp32 += 4 * layer.out_features() * (layer.in_features() + 1);
  });
  const int64_t half = bytes(0.5), most = bytes(1.0);
  EXPECT_LE(half, fp32 / 2);
  EXPECT_LE(most, fp32);
  EXPECT_LT(half, most);
  // A CPU without BF16 has one more to tell.
  EXPECT_THAT(warnings_, ::testing::Each("fallback"));
  bytes(0.01);
  EXPECT_THAT(warnings_, ::testing::Contains("size_budget_missed"));
}

TEST_F(MixedPrecisionTest, TellsSensitivityCostAndTheFront) {
  ASSERT_TRUE(Apply({}).ok());
  std::map<std::string, int> counts;
  int chosen = 0;
  for (const Metric& metric : metrics_) {
    ++counts[metric.name];
    if (metric.name == "front_accuracy" && metric.labels.at("chosen") == "true") ++chosen;
    if (metric.name == "layer_sensitivity" && metric.labels.at("measure") == "divergence") {
      EXPECT_GE(metric.value, 0);
    }
  }
  const int precisions = WhyNotHalf(at::kBFloat16, at::kCPU).empty() ? 2 : 1;  // besides FP32
  EXPECT_EQ(counts["layer_sensitivity"], 20 * precisions * 3);
  EXPECT_EQ(counts["layer_time"], 20 * (precisions + 1));
  EXPECT_GE(counts["front_accuracy"], 1);
  EXPECT_EQ(chosen, 1);
  EXPECT_THAT(files_["pareto.csv"], HasSubstr(",true,"));
  EXPECT_THAT(files_["calibration.csv"], HasSubstr("classifier,"));
}

TEST_F(MixedPrecisionTest, TheWholeModelInHalfPrecisionTakesHalfTheBytes) {
  const auto result = Apply({{"mode", std::string("whole")}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Kinds(result->plan)["bf16"], 20);
  for (const EmbeddingPlan& table : result->plan.embeddings) EXPECT_EQ(table.kind, "bf16");
}

}  // namespace
}  // namespace quantlab::engine
