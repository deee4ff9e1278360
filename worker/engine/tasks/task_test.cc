#include "worker/engine/tasks/task.h"

#include <cmath>
#include <random>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/statistics/correlation.h"

namespace quantlab::engine {
namespace {

using testing::HasSubstr;

EncoderConfig ConfigOf(const std::string& task, size_t outputs) {
  EncoderConfig config;
  config.task = task;
  config.labels.assign(outputs, "LABEL");
  return config;
}

TEST(TaskTest, EveryTaskOfTheListHasItsOwn) {
  for (const TaskSpec& spec : AllTasks()) {
    EXPECT_EQ(TaskFor(spec).spec().name, spec.name);
    EXPECT_EQ(TaskOf(ConfigOf(spec.name, 1)).spec().name, spec.name);
  }
}

TEST(MeanOfTest, OneTextHasNoStandardError) {
  EXPECT_EQ(MeanOf({2}).value, 2);
  EXPECT_EQ(MeanOf({2}).standard_error, 0);
  EXPECT_NEAR(MeanOf({1, 2, 6}).standard_error, std::sqrt(7.0 / 3), 1e-12);
}

// ---- classification ----

// scipy.stats.entropy(softmax(p), softmax(q)) of each text: 0.11094, 0.02262, 0; then mean and sem.
TEST(ClassificationTest, DivergenceAgreesWithScipy) {
  const Estimate d =
      ClassificationTask().Divergence({{1, 0}, {0.5f, -0.5f}, {2, 2}}, {{0, 0}, {1, -0.5f}, {3, 3}});
  EXPECT_NEAR(d.value, 0.044522124, 1e-7);
  EXPECT_NEAR(d.standard_error, 0.033846952, 1e-7);
}

// Of 100 texts 4 are lost and 1 is gained: 3 % -+ sqrt(5 - 9 / 100) / 100.
TEST(ClassificationTest, OnlyTextsThatOneOfTheTwoGetsRightCount) {
  Logits reference, other;
  LabelledTexts texts;
  for (int i = 0; i < 100; ++i) {
    const auto row = [](bool right) { return right ? std::vector<float>{0, 1} : std::vector<float>{1, 0}; };
    reference.push_back(row(i < 80));
    other.push_back(row((i >= 4 && i < 80) || i == 90));
    texts.labels.push_back(1);
  }
  const Estimate drop = ClassificationTask().QualityDrop(reference, other, texts);
  EXPECT_NEAR(drop.value, 0.03, 1e-12);
  EXPECT_NEAR(drop.standard_error, std::sqrt(5 - 0.09) / 100, 1e-12);
  EXPECT_EQ(ClassificationTask().QualityDrop(reference, reference, texts).standard_error, 0);
  EXPECT_NEAR(ClassificationTask().Quality(reference, texts), 0.8, 1e-12);
}

// -log_softmax of the right class: log(1 + e^-1) and log(1 + e^2).
TEST(ClassificationTest, LossIsTheCrossEntropy) {
  LabelledTexts texts;
  texts.labels = {0, 1};
  const double expected = (std::log1p(std::exp(-1.0)) + std::log1p(std::exp(2.0))) / 2;
  EXPECT_NEAR(ClassificationTask().MeanLoss({{1, 0}, {2, 0}}, texts), expected, 1e-7);
  const at::Tensor logits = at::tensor({1.0f, 0.0f, 2.0f, 0.0f}).view({2, 2});
  const at::Tensor targets = ClassificationTask().Targets(texts, {0, 1});
  EXPECT_NEAR(ClassificationTask().Loss(logits, targets).item<double>(), expected, 1e-6);
}

TEST(ClassificationTest, LabelsMustBeClassesOfTheModel) {
  LabelledTexts texts;
  texts.texts.resize(2);
  texts.labels = {0, 2};
  const EncoderConfig config = ConfigOf("classification", 2);
  EXPECT_THAT(std::string(ClassificationTask().CheckLabels(texts, config).message()),
              HasSubstr("training text 1 has label 2, but the model has 2 classes"));
  texts.labels = {0};
  EXPECT_THAT(std::string(ClassificationTask().CheckLabels(texts, config).message()),
              HasSubstr("2 texts, but 1"));
}

// ---- regression ----

// (1 - 3)^2 and (2 - 1.5)^2.
TEST(RegressionTest, LossIsTheMeanSquaredError) {
  LabelledTexts texts;
  texts.values = {9, 3, 1.5};
  EXPECT_NEAR(RegressionTask().MeanLoss({{1}, {2}}, {{}, {}, {3, 1.5}}), 2.125, 1e-12);
  const at::Tensor logits = at::tensor({1.0f, 2.0f}).view({2, 1});
  const at::Tensor targets = RegressionTask().Targets(texts, {1, 2});
  EXPECT_EQ(targets.sizes(), at::IntArrayRef({2}));
  EXPECT_NEAR(RegressionTask().Loss(logits, targets).item<double>(), 2.125, 1e-6);
  EXPECT_NEAR(RegressionTask().DistillationLoss(logits, logits + 2, 5).item<double>(), 4, 1e-6);
}

// Normal distributions around 1 and 1.5 whose deviation is that of {1, 3} (1): 0.125 nats.
TEST(RegressionTest, DivergenceIsThatOfNormalDistributions) {
  const Estimate d = RegressionTask().Divergence({{1}, {3}}, {{1.5f}, {3}});
  EXPECT_NEAR(d.value, 0.125 / 2, 1e-12);
  EXPECT_NEAR(RegressionTask().Divergence({{2}, {2}}, {{3}, {3}}).value, 0.5, 1e-12) << "no deviation";
}

TEST(RegressionTest, TheDropIsOfPearsonsCorrelationWithItsJackknifeError) {
  std::mt19937_64 random(7);
  const auto noise = [&random] { return static_cast<double>(random() >> 11) / 9007199254740992.0 - 0.5; };
  Logits reference, other;
  LabelledTexts texts;
  for (int i = 0; i < 40; ++i) {
    texts.values.push_back(noise() + 100);
    reference.push_back({static_cast<float>(texts.values.back() + 0.2 * noise())});
    other.push_back({static_cast<float>(texts.values.back() + 0.8 * noise())});
  }
  const auto quality = [&](const Logits& logits, const std::vector<double>& values) {
    LabelledTexts of;
    of.values = values;
    return RegressionTask().Quality(logits, of);
  };
  const Estimate drop = RegressionTask().QualityDrop(reference, other, texts);
  EXPECT_NEAR(drop.value, quality(reference, texts.values) - quality(other, texts.values), 1e-12);
  // The jackknife by its definition.
  std::vector<double> drops;
  for (size_t out = 0; out < texts.values.size(); ++out) {
    Logits first = reference, second = other;
    std::vector<double> values = texts.values;
    first.erase(first.begin() + static_cast<std::ptrdiff_t>(out));
    second.erase(second.begin() + static_cast<std::ptrdiff_t>(out));
    values.erase(values.begin() + static_cast<std::ptrdiff_t>(out));
    drops.push_back(quality(first, values) - quality(second, values));
  }
  double mean = 0, squares = 0;
  for (const double value : drops) mean += value / 40;
  for (const double value : drops) squares += (value - mean) * (value - mean);
  EXPECT_NEAR(drop.standard_error, std::sqrt(squares * 39 / 40), 1e-9);
  EXPECT_GT(drop.standard_error, 0);
  EXPECT_EQ(RegressionTask().QualityDrop(reference, reference, texts).standard_error, 0);
}

TEST(RegressionTest, LabelsMustBeNumbersAndTheModelHaveOneOutput) {
  LabelledTexts texts;
  texts.texts.resize(2);
  texts.values = {0.5, std::nan("")};
  EXPECT_THAT(std::string(RegressionTask().CheckLabels(texts, ConfigOf("regression", 1)).message()),
              HasSubstr("training text 1 has no finite number"));
  texts.values = {0.5, 1};
  EXPECT_TRUE(RegressionTask().CheckLabels(texts, ConfigOf("regression", 1)).ok());
  EXPECT_THAT(std::string(RegressionTask().CheckLabels(texts, ConfigOf("regression", 2)).message()),
              HasSubstr("a model with one output, but this one has 2"));
}

}  // namespace
}  // namespace quantlab::engine
