#include <cmath>
#include <limits>
#include <string>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "worker/engine/kernels/bf16_tile.h"
#include "worker/engine/models/checkpoint.h"
#include "worker/engine/models/model_testing.h"
#include "worker/engine/tasks/task.h"
#include "worker/engine/train/adamw.h"
#include "worker/engine/train/evaluate.h"
#include "worker/engine/train/trainer.h"

namespace quantlab::engine {
namespace {

using ::testing::AllOf;
using testing::FormulaModel;
using ::testing::HasSubstr;
using testing::SmallConfig;
using testing::SplitMix64;

// Texts of two kinds that a model can tell apart by their tokens.
LabelledTexts TwoKinds(int count) {
  LabelledTexts data;
  for (int t = 0; t < count; ++t) {
    TokenizedText text;
    const uint64_t seed = static_cast<uint64_t>(t) * 1000;
    const int32_t kind = t % 2;
    text.ids.push_back(1);
    for (uint64_t i = 0; i < 3 + SplitMix64(seed) % 10; ++i) {
      text.ids.push_back(static_cast<int32_t>(2 + SplitMix64(seed + i + 1) % 60) + 30 * kind);
    }
    data.texts.push_back(text);
    data.labels.push_back(kind);
  }
  return data;
}

TrainingOptions Options(double learning_rate) {
  TrainingOptions options;
  options.config.learning_rate = learning_rate;
  options.config.epochs = 3;
  options.config.batch_size = 8;
  options.seed = 7;
  return options;
}

absl::StatusOr<TrainingSummary> TrainOn(Encoder& model, const LabelledTexts& data,
                                        const TrainingOptions& options) {
  return Train(model, data, MakeTrainingSchedule(data, options.config, options.seed), options);
}

TEST(TrainerTest, LearnsAndLeavesTheModelReadyForInference) {
  const testing::ThreadsScope threads(1);
  const auto model = FormulaModel(SmallConfig());
  const LabelledTexts data = TwoKinds(96);
  int64_t steps = 0;
  TrainingOptions options = Options(1e-3);
  options.config.epochs = 8;
  options.on_step = [&](const TrainingStep& step) {
    EXPECT_EQ(step.step, ++steps);
    EXPECT_EQ(step.steps, 96);
    return true;
  };
  const auto summary = TrainOn(*model, data, options);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->steps, 96);
  ASSERT_EQ(summary->epoch_losses.size(), 8u);
  EXPECT_LT(summary->epoch_losses.back(), 0.5 * summary->epoch_losses.front());
  EXPECT_FALSE(model->training());
  for (const auto& parameter : model->Parameters()) EXPECT_FALSE(parameter.tensor.requires_grad());
  const auto logits = PredictLogits(*model, data.texts, 16);
  ASSERT_TRUE(logits.ok());
  int right = 0;
  for (size_t i = 0; i < data.texts.size(); ++i) right += Argmax((*logits)[i]) == data.labels[i];
  EXPECT_GT(right, 90);
}

TensorMap TrainedWeights(uint64_t seed, const std::string& dtype) {
  const auto model = FormulaModel(SmallConfig());
  TrainingOptions options = Options(1e-3);
  options.seed = seed;
  options.config.dtype = dtype;
  EXPECT_TRUE(TrainOn(*model, TwoKinds(48), options).ok());
  return model->StateTensors();
}

TEST(TrainerTest, EqualSeedsGiveEqualWeightsBitForBit) {
  const testing::ThreadsScope threads(1);
  for (const std::string dtype : {"fp32", "bf16"}) {
    const TensorMap first = TrainedWeights(5, dtype), second = TrainedWeights(5, dtype);
    for (const auto& [name, tensor] : first) EXPECT_TRUE(at::equal(tensor, second.at(name))) << name;
    EXPECT_FALSE(at::equal(first.at("classifier.weight"), TrainedWeights(6, dtype).at("classifier.weight")));
  }
}

TEST(TrainerTest, AutoTrainsInTheDtypeOfTheDevice) {
  const testing::ThreadsScope threads(1);
  const std::string chosen = TrainingDtype("auto", at::kCPU);
  EXPECT_EQ(chosen, HasBf16Products() ? "bf16" : "fp32");
  EXPECT_EQ(TrainingDtype("auto", at::kCUDA), "bf16");
  EXPECT_EQ(TrainingDtype("fp32", at::kCUDA), "fp32");
  const TensorMap first = TrainedWeights(5, "auto"), second = TrainedWeights(5, chosen);
  for (const auto& [name, tensor] : first) EXPECT_TRUE(at::equal(tensor, second.at(name))) << name;
  const auto model = FormulaModel(SmallConfig());
  TrainingOptions options = Options(1e-3);
  options.config.dtype = "auto";
  const auto summary = TrainOn(*model, TwoKinds(8), options);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->dtype, chosen);
}

TensorMap CloneAll(const TensorMap& tensors) {
  TensorMap copy;
  for (const auto& [name, tensor] : tensors) copy[name] = tensor.clone();
  return copy;
}

TEST(TrainerTest, WeightDecaySparesBiasesAndLayerNorms) {
  // Without gradients only the decay changes anything.
  const auto model = FormulaModel(SmallConfig());
  const TensorMap before = CloneAll(model->StateTensors());
  AdamW optimizer(model->Parameters(), {0.9, 0.999, 1e-8, /*weight_decay=*/0.5});
  for (const auto& parameter : model->Parameters()) {
    parameter.tensor.mutable_grad() = at::zeros_like(parameter.tensor);
  }
  optimizer.Step(0.1);
  for (const auto& [name, tensor] : model->StateTensors()) {
    const bool spared = absl::EndsWith(name, ".bias") || absl::StrContains(name, "LayerNorm");
    EXPECT_EQ(at::equal(tensor, before.at(name)), spared) << name;
  }
}

TEST(TrainerTest, LearningRateRisesAndFallsLinearly) {
  EXPECT_EQ(LearningRateFactor(0, 100, 0.1), 0);
  EXPECT_DOUBLE_EQ(LearningRateFactor(5, 100, 0.1), 0.5);
  EXPECT_DOUBLE_EQ(LearningRateFactor(10, 100, 0.1), 1);
  EXPECT_DOUBLE_EQ(LearningRateFactor(55, 100, 0.1), 0.5);
  EXPECT_EQ(LearningRateFactor(100, 100, 0.1), 0);
  EXPECT_EQ(LearningRateFactor(0, 3, 0), 1);
  EXPECT_DOUBLE_EQ(LearningRateFactor(2, 4, 1), 2.0 / 3);
}

TEST(LearningRateTest, EvenASingleStepTrains) {
  EXPECT_EQ(LearningRateFactor(0, 1, 0.1), 1);
  EXPECT_EQ(LearningRateFactor(1, 2, 1), 1);
}

TEST(TrainerTest, CancelledTrainingSaysSo) {
  const testing::ThreadsScope threads(1);
  const auto model = FormulaModel(SmallConfig());
  TrainingOptions options = Options(1e-3);
  options.on_step = [](const TrainingStep& step) { return step.step < 2; };
  const absl::Status status = TrainOn(*model, TwoKinds(32), options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(std::string(status.message()), HasSubstr("step 2"));
  EXPECT_FALSE(model->training());
}

TEST(TrainerTest, DivergenceIsAnErrorWithARemedy) {
  const testing::ThreadsScope threads(1);
  const auto model = FormulaModel(SmallConfig());
  TrainingOptions options = Options(1e-3);
  model->Parameters().back().tensor.fill_(std::numeric_limits<float>::quiet_NaN());
  const absl::Status status = TrainOn(*model, TwoKinds(32), options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("step 1"), HasSubstr("smaller learning_rate")));
}

TEST(TrainerTest, WrongInputIsNamed) {
  const testing::ThreadsScope threads(1);
  const auto model = FormulaModel(SmallConfig());
  const auto error = [&](const LabelledTexts& data, const std::vector<std::vector<Batch>>& schedule,
                         const TrainingOptions& options) {
    return std::string(Train(*model, data, schedule, options).status().message());
  };
  LabelledTexts data = TwoKinds(4);
  EXPECT_THAT(error(data, {}, Options(1e-3)), HasSubstr("nothing to train on"));
  EXPECT_THAT(error(data, {{{{0, 4}, 0}}}, Options(1e-3)), HasSubstr("text 4"));
  EXPECT_THAT(error(data, {{{{}, 0}}}, Options(1e-3)), HasSubstr("empty"));
  EXPECT_THAT(error(data, {{{{0}, 0}}}, Options(std::nan(""))), HasSubstr("learning_rate"));
  TrainingOptions half = Options(1e-3);
  half.config.dtype = "fp16";
  EXPECT_THAT(error(data, {{{{0}, 0}}}, half), AllOf(HasSubstr("fp16"), HasSubstr("bf16")));
  data.labels[2] = 3;
  EXPECT_THAT(error(data, {{{{0}, 0}}}, Options(1e-3)), AllOf(HasSubstr("text 2"), HasSubstr("label 3")));
  data.labels.pop_back();
  EXPECT_THAT(error(data, {{{{0}, 0}}}, Options(1e-3)), HasSubstr("3 labels"));
}

TEST(EvaluateTest, LogitsComeInTheOrderOfTheTexts) {
  const testing::ThreadsScope threads(1);
  const auto model = FormulaModel(SmallConfig());
  const LabelledTexts data = TwoKinds(23);
  int64_t last = 0;
  const auto logits = PredictLogits(*model, data.texts, 5, [&](int64_t done, int64_t total) {
    EXPECT_GT(done, last);
    EXPECT_EQ(total, 23);
    last = done;
    return true;
  });
  ASSERT_TRUE(logits.ok()) << logits.status();
  EXPECT_EQ(last, 23);
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < data.texts.size(); ++i) {
    const TokenizedText* text = &data.texts[i];
    const at::Tensor alone = *model->Forward(*PackTexts(model->config(), {text}));
    for (int64_t j = 0; j < 3; ++j) {
      EXPECT_NEAR((*logits)[i][static_cast<size_t>(j)], alone[0][j].item<float>(), 1e-5);
    }
  }
  EXPECT_EQ(PredictLogits(*model, data.texts, 5, [](int64_t, int64_t) { return false; }).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_TRUE(PredictLogits(*model, {}, 5)->empty());
}

// As tests/golden/make_bert_golden.py makes it.
void AddGoldenText(uint64_t seed, uint64_t index, LabelledTexts& data) {
  const auto draw = [&](uint64_t i) { return SplitMix64(seed + index * 1000 + i); };
  const uint64_t kind = index % 2;
  TokenizedText text;
  text.ids.push_back(101);
  for (uint64_t i = 0; i < 6 + draw(0) % 16; ++i) {
    text.ids.push_back(static_cast<int32_t>(2000 + draw(2 + i) % 12000 + 8000 * kind));
  }
  text.ids.push_back(102);
  data.texts.push_back(text);
  data.labels.push_back(static_cast<int>(kind ^ (draw(1) % 4 == 0 ? 1 : 0)));
}

LabelledTexts GoldenTexts(const nlohmann::json& golden) {
  LabelledTexts data;
  for (uint64_t i = 0; i < golden["texts"].get<uint64_t>(); ++i) AddGoldenText(golden["seed"], i, data);
  return data;
}

// As tests/golden/make_families_golden.py makes it.
LabelledTexts FamilyTexts(const nlohmann::json& golden, int64_t vocab_size) {
  LabelledTexts data;
  for (uint64_t index = 0; index < golden["texts"].get<uint64_t>(); ++index) {
    const auto draw = [&](uint64_t i) {
      return SplitMix64(golden["seed"].get<uint64_t>() + index * 1000 + i);
    };
    const uint64_t kind = index % 2, half = static_cast<uint64_t>(vocab_size - 2) / 2;
    TokenizedText text;
    for (uint64_t i = 0; i < 5 + draw(0) % 10; ++i) {
      text.ids.push_back(static_cast<int32_t>(2 + draw(2 + i) % half + half * kind));
    }
    data.texts.push_back(text);
    data.labels.push_back(static_cast<int>(kind ^ (draw(1) % 4 == 0 ? 1 : 0)));
  }
  return data;
}

// What the reference trains with, but for the number of steps; batches go round the texts.
struct Reference {
  explicit Reference(const nlohmann::json& golden) : batches(golden["steps"].get<size_t>()) {
    const uint64_t texts = golden["texts"], batch_size = golden["batch_size"];
    for (size_t step = 0; step < batches.size(); ++step) {
      for (uint64_t i = 0; i < batch_size; ++i) {
        batches[step].indices.push_back(static_cast<int64_t>((step * batch_size + i) % texts));
      }
    }
    options.config.dropout = false;
    options.config.learning_rate = golden["learning_rate"];
    options.config.weight_decay = golden["weight_decay"];
    options.config.warmup_ratio = golden["warmup_ratio"];
    options.config.max_grad_norm = golden["max_grad_norm"];
  }

  std::vector<Batch> batches;
  TrainingOptions options;
};

TEST(TrainerTest, LossFollowsTransformersForEveryFamily) {
  const testing::ThreadsScope threads(1);
  const nlohmann::json golden = testing::ReadFamiliesGolden()["training"];
  ASSERT_GE(golden["cases"].size(), 5u);
  for (const nlohmann::json& c : golden["cases"]) {
    SCOPED_TRACE(c["family"]);
    const auto config = ParseModelConfig(c["config"].dump(), "golden");
    ASSERT_TRUE(config.ok()) << config.status();
    Reference reference(golden);
    reference.options.on_step = [&](const TrainingStep& step) {
      const double loss = c["losses"][static_cast<size_t>(step.step - 1)];
      EXPECT_LT(std::abs(step.loss - loss) / loss, 1e-3) << "step " << step.step;
      return true;
    };
    const auto model = FormulaModel(*config);
    const auto summary =
        Train(*model, FamilyTexts(golden, config->vocab_size), {reference.batches}, reference.options);
    ASSERT_TRUE(summary.ok()) << summary.status();
  }
}

TEST(TrainerTest, TheRealEncoderTrainsToEqualBitsFromEqualSeeds) {
  QL_REQUIRE_MINILM(folder);
  const testing::ThreadsScope threads(2);
  const LabelledTexts data = GoldenTexts(testing::ReadBertGolden()["training"]);
  TrainingOptions options = Options(1e-4);
  std::vector<std::vector<Batch>> schedule = MakeTrainingSchedule(data, options.config, options.seed);
  schedule.resize(1);
  schedule[0].resize(8);
  std::vector<TensorMap> results;
  for (int i = 0; i < 2; ++i) {
    CheckpointOptions load;
    load.build.seed = 3;
    const auto model = LoadCheckpoint(folder, load);
    ASSERT_TRUE(model.ok()) << model.status();
    ASSERT_TRUE(Train(**model, data, schedule, options).ok());
    results.push_back((*model)->StateTensors());
  }
  for (const auto& [name, tensor] : results[0]) EXPECT_TRUE(at::equal(tensor, results[1].at(name))) << name;
}

TEST(TrainerTest, LossFollowsPyTorchOver100Steps) {
  QL_REQUIRE_MINILM(folder);
  const nlohmann::json golden = testing::ReadBertGolden()["training"];
  const LabelledTexts data = GoldenTexts(golden);
  Reference reference(golden);
  const std::vector<Batch>& batches = reference.batches;
  TrainingOptions& options = reference.options;
  double worst = 0;
  options.on_step = [&](const TrainingStep& step) {
    const double reference = golden["losses"][static_cast<size_t>(step.step - 1)];
    const double error = std::abs(step.loss - reference) / reference;
    EXPECT_LT(error, 1e-3) << "step " << step.step;
    worst = std::max(worst, error);
    return true;
  };
  const testing::ThreadsScope threads(1);
  const auto model = testing::LoadGoldenMiniLm(folder);
  ASSERT_TRUE(model.ok()) << model.status();
  const auto summary = Train(**model, data, {batches}, options);
  ASSERT_TRUE(summary.ok()) << summary.status();
  RecordProperty("worst_relative_error", std::to_string(worst));
  printf("worst relative error of the loss over %zu steps: %g\n", batches.size(), worst);
}

}  // namespace
}  // namespace quantlab::engine
