#include "report/compare.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab::report {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kFingerprint[] = "44863b03e9909b7100e05b02526909a346fd7455183f6619e0fe6198c89981e0";
constexpr char kOther[] = "0123456789abcdef00e05b02526909a346fd7455183f6619e0fe6198c89981e0";

Metric Accuracy(double value) {
  return {"accuracy", value, "1", {{"split", "test"}}, 0, value - 0.01, value + 0.01, 1000};
}

Metric Time(const std::string& variant, double seconds) {
  return {"inference_time", seconds, "s", {{"variant", variant}, {"batch_size", "1"}}, 0, {}, {}, 30};
}

RunReport MakeRun(const std::string& name, const std::string& variant, RunKind kind, uint64_t seed) {
  RunReport report;
  report.run.name = name;
  report.run.id = "e-1/" + name;
  report.run.kind = report.config.kind = kind;
  report.run.state = RunState::kSucceeded;
  report.config.variant = variant;
  report.run.seed = report.config.seed = seed;
  AttemptRecord attempt;
  attempt.worker_id = "w-1";
  attempt.worker_hostname = "bench";
  attempt.worker_fingerprint = kFingerprint;
  report.attempt = attempt;
  report.environment.fingerprint = kFingerprint;
  return report;
}

RunReport Measured(RunReport report, std::vector<Metric> metrics) {
  report.metrics = std::move(metrics);
  return report;
}

// A baseline with one accuracy per seed, and a comparison that timed it.
ReportData MakeData(const std::string& id, const std::vector<double>& accuracies, double seconds) {
  ReportData data;
  data.experiment.id = id;
  data.experiment.state = ExperimentState::kSucceeded;
  for (size_t i = 0; i < accuracies.size(); ++i) {
    const std::string name = accuracies.size() == 1 ? "baseline" : "baseline_s" + std::to_string(i + 1);
    data.runs.push_back(
        Measured(MakeRun(name, "baseline", RunKind::kBaseline, i + 1), {Accuracy(accuracies[i])}));
  }
  data.runs.push_back(
      Measured(MakeRun("comparison", "comparison", RunKind::kComparison, 1), {Time("baseline", seconds)}));
  return data;
}

const ResultRow* Find(const Comparison& comparison, const std::string& metric) {
  for (const ResultRow& row : comparison.results) {
    if (row.metric == metric) return &row;
  }
  return nullptr;
}

std::vector<std::string> Keys(const Comparison& comparison) {
  std::vector<std::string> keys;
  for (const SettingRow& row : comparison.settings) {
    keys.push_back(row.variant.empty() ? row.key : row.variant + "/" + row.key);
  }
  return keys;
}

TEST(CompareTest, SeedsBecomeMeanAndDeviationOverNMinusOne) {
  const Comparison comparison =
      CompareExperiments({MakeData("a", {0.8, 0.9, 0.85}, 0.01), MakeData("b", {0.9}, 0.01)}, {});
  const ResultRow* row = Find(comparison, "accuracy");
  ASSERT_NE(row, nullptr);
  const Spread& three = *row->values[0];
  EXPECT_EQ(three.count, 3);
  EXPECT_DOUBLE_EQ(three.mean, 0.85);
  EXPECT_NEAR(*three.deviation, 0.05, 1e-12);
  EXPECT_EQ(three.min, 0.8);
  EXPECT_EQ(three.max, 0.9);
  EXPECT_FALSE(three.low.has_value());
  const Spread& one = *row->values[1];
  EXPECT_EQ(one.count, 1);
  EXPECT_FALSE(one.deviation.has_value());
  EXPECT_DOUBLE_EQ(*one.low, 0.89);
  EXPECT_EQ(row->changes[1]->kind, Change::Kind::kDifference);
  EXPECT_NEAR(row->changes[1]->value, 0.05, 1e-12);
  EXPECT_FALSE(row->changes[0].has_value());
}

TEST(CompareTest, TimingsOfOneMachineGiveARatio) {
  const Comparison comparison =
      CompareExperiments({MakeData("a", {0.8}, 0.02), MakeData("b", {0.8}, 0.01)}, {});
  const ResultRow* row = Find(comparison, "inference_time");
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->variant, "baseline");
  EXPECT_TRUE(row->timing);
  ASSERT_TRUE(row->changes[1].has_value());
  EXPECT_EQ(row->changes[1]->kind, Change::Kind::kRatio);
  EXPECT_DOUBLE_EQ(row->changes[1]->value, 0.5);
  EXPECT_THAT(comparison.notes, IsEmpty());
}

TEST(CompareTest, TimingsOfDifferentFingerprintsAreNotDividedAndTheReasonIsSaid) {
  ReportData other = MakeData("b", {0.8}, 0.01);
  for (RunReport& run : other.runs) run.environment.fingerprint = kOther;
  const Comparison comparison = CompareExperiments({MakeData("a", {0.8}, 0.02), other}, {});
  const ResultRow* row = Find(comparison, "inference_time");
  ASSERT_TRUE(row->changes[1].has_value());
  EXPECT_EQ(row->changes[1]->kind, Change::Kind::kRefused);
  EXPECT_THAT(row->changes[1]->reason, HasSubstr("bench (w-1, fingerprint 44863b03e990)"));
  EXPECT_THAT(row->changes[1]->reason, HasSubstr("bench (w-1, fingerprint 0123456789ab)"));
  EXPECT_EQ(Find(comparison, "accuracy")->changes[1]->kind, Change::Kind::kDifference);
  EXPECT_THAT(
      comparison.notes,
      ElementsAre(HasSubstr("no ratio of timings for b: timings of one machine under different conditions")));
}

TEST(CompareTest, AnotherWorkerWithTheSameFingerprintIsAnotherMachine) {
  ReportData other = MakeData("b", {0.8}, 0.01);
  for (RunReport& run : other.runs) run.attempt->worker_id = "w-2";
  for (RunReport& run : other.runs) run.attempt->worker_hostname = "other";
  const Comparison comparison = CompareExperiments({MakeData("a", {0.8}, 0.02), other}, {});
  EXPECT_EQ(Find(comparison, "inference_time")->changes[1]->kind, Change::Kind::kRefused);
  EXPECT_THAT(Find(comparison, "inference_time")->changes[1]->reason,
              HasSubstr("timings of different machines: "));
}

TEST(CompareTest, AMachineThatIsNotKnownIsNoMachine) {
  ReportData a = MakeData("a", {0.8}, 0.02), b = MakeData("b", {0.8}, 0.01);
  for (ReportData* data : {&a, &b}) {
    for (RunReport& run : data->runs) {
      run.environment.fingerprint.clear();
      run.attempt.reset();
    }
  }
  const Comparison comparison = CompareExperiments({a, b}, {});
  EXPECT_EQ(Find(comparison, "inference_time")->changes[1]->kind, Change::Kind::kRefused);
  EXPECT_THAT(Find(comparison, "inference_time")->changes[1]->reason, HasSubstr("not known"));
}

TEST(CompareTest, SpeedupsOfDifferentMachinesAreNotDividedEither) {
  ReportData a = MakeData("a", {0.8}, 0.02), b = MakeData("b", {0.8}, 0.01);
  const Metric speedup = {"speedup", 2, "1", {{"variant", "baseline"}}, 0, 1.9, 2.1, 30};
  a.runs.back().metrics.push_back(speedup);
  b.runs.back().metrics.push_back(speedup);
  b.runs.back().environment.fingerprint = kOther;
  EXPECT_EQ(Find(CompareExperiments({a, b}, {}), "speedup")->changes[1]->kind, Change::Kind::kRefused);
}

// The same experiment on another dataset.
ReportData OnDataset(ReportData data, const std::string& name, const std::string& digest) {
  for (RunReport& run : data.runs) {
    run.config.dataset.asset.name = name;
    run.config.dataset.asset.digest = digest;
  }
  return data;
}

TEST(CompareTest, AccuraciesOnDifferentDatasetsAreNotSubtractedAndTheReasonIsSaid) {
  const Comparison comparison =
      CompareExperiments({OnDataset(MakeData("a", {0.8}, 0.02), "imdb", kFingerprint),
                          OnDataset(MakeData("b", {0.9}, 0.01), "amazon", kOther)},
                         {});
  const ResultRow* row = Find(comparison, "accuracy");
  ASSERT_NE(row, nullptr);
  ASSERT_TRUE(row->changes[1].has_value());
  EXPECT_EQ(row->changes[1]->kind, Change::Kind::kRefused);
  EXPECT_THAT(
      comparison.notes,
      ElementsAre("no difference of accuracies and the like for b: measured on different datasets: 'imdb' "
                  "(digest 44863b03e990) and 'amazon' (digest 0123456789ab); compare how far each variant is "
                  "from its own baseline"));
  // How long a text takes is no matter of what it says.
  EXPECT_EQ(Find(comparison, "inference_time")->changes[1]->kind, Change::Kind::kRatio);
}

TEST(CompareTest, TheDigestDecidesAndNotTheName) {
  const Comparison comparison =
      CompareExperiments({OnDataset(MakeData("a", {0.8}, 0.02), "imdb", kFingerprint),
                          OnDataset(MakeData("b", {0.9}, 0.01), "imdb", kOther)},
                         {});
  EXPECT_EQ(Find(comparison, "accuracy")->changes[1]->kind, Change::Kind::kRefused);
}

TEST(CompareTest, AnotherSplitOfTheSameDatasetIsWarnedOf) {
  ReportData other = MakeData("b", {0.9}, 0.01);
  for (RunReport& run : other.runs) run.config.dataset.split_seed = 99;
  const Comparison comparison = CompareExperiments({MakeData("a", {0.8}, 0.02), other}, {});
  EXPECT_EQ(Find(comparison, "accuracy")->changes[1]->kind, Change::Kind::kDifference);
  ASSERT_EQ(comparison.notes.size(), 1u);
  EXPECT_THAT(comparison.notes[0], HasSubstr("b splits the dataset otherwise than a (split_seed 99, "));
  EXPECT_THAT(comparison.notes[0],
              HasSubstr("the test examples may differ, and differences of accuracies with them"));
}

TEST(CompareTest, OnlyDifferentLeavesOutWhatIsEqual) {
  ReportData a = MakeData("a", {0.8}, 0.02), b = MakeData("b", {0.8}, 0.01);
  for (RunReport& run : b.runs) run.config.training.learning_rate = 1e-4;
  const Comparison all = CompareExperiments({a, b}, {});
  EXPECT_THAT(Keys(all), ::testing::Contains("training.epochs"));
  const Comparison different = CompareExperiments({a, b}, {.only_different = true});
  EXPECT_THAT(Keys(different), ElementsAre("training.learning_rate"));
  EXPECT_THAT(different.settings[0].values, ElementsAre("2e-05", "1e-04"));
  ASSERT_EQ(different.results.size(), 1u);
  EXPECT_EQ(different.results[0].metric, "inference_time");
}

TEST(CompareTest, ParametersOfAMethodAreOfItsVariant) {
  ReportData a = MakeData("a", {0.8}, 0.02), b = MakeData("b", {0.8}, 0.02);
  RunReport dynamic = MakeRun("dynamic_quantization", "dynamic_quantization", RunKind::kQuantization, 1);
  dynamic.config.method = {"dynamic_quantization", 1, {{"granularity", std::string("per_token")}}};
  a.runs.push_back(dynamic);
  dynamic.config.method.params["granularity"] = std::string("per_tensor");
  b.runs.push_back(dynamic);
  const Comparison comparison = CompareExperiments({a, b}, {.only_different = true});
  EXPECT_THAT(Keys(comparison), ElementsAre("dynamic_quantization/method.granularity"));
}

TEST(CompareTest, OfAVariantThatOneExperimentLacksOnlyItsMethodIsDifferent) {
  ReportData a = MakeData("a", {0.8}, 0.02), b = MakeData("b", {0.8}, 0.02);
  RunReport dynamic = MakeRun("dynamic_quantization", "dynamic_quantization", RunKind::kQuantization, 1);
  dynamic.config.method = {"dynamic_quantization", 1, {{"granularity", std::string("per_token")}}};
  b.runs.push_back(dynamic);
  const Comparison comparison = CompareExperiments({a, b}, {.only_different = true});
  EXPECT_THAT(Keys(comparison), ElementsAre("dynamic_quantization/method.name"));
  EXPECT_THAT(comparison.settings[0].values, ElementsAre(std::nullopt, "dynamic_quantization"));
}

TEST(CompareTest, WhatOneExperimentLacksIsDifferentAndHasNoChange) {
  ReportData a = MakeData("a", {0.8}, 0.02), b = MakeData("b", {0.8}, 0.02);
  b.runs.back().metrics.clear();
  const Comparison comparison = CompareExperiments({a, b}, {.only_different = true});
  ASSERT_EQ(comparison.results.size(), 1u);
  EXPECT_TRUE(comparison.results[0].values[0].has_value());
  EXPECT_FALSE(comparison.results[0].values[1].has_value());
  EXPECT_FALSE(comparison.results[0].changes[1].has_value());
}

TEST(CompareTest, WhatFailedIsNotedAndItsNumbersAreNoResults) {
  ReportData a = MakeData("a", {0.8}, 0.02), b = MakeData("b", {0.8}, 0.02);
  b.runs[0].run.state = RunState::kFailed;
  b.runs[0].run.message = "out of memory";
  b.runs[1].caveats.push_back({"aa_check_failed", "the timings are unreliable"});
  const Comparison comparison = CompareExperiments({a, b}, {});
  EXPECT_FALSE(Find(comparison, "accuracy")->values[1].has_value());
  EXPECT_THAT(comparison.notes,
              ElementsAre("b: baseline is FAILED: out of memory", "b: the timings are unreliable"));
}

TEST(CompareTest, PointsOfCurvesAreNoResults) {
  ReportData a = MakeData("a", {0.8}, 0.02);
  a.runs[0].metrics.push_back({"train_loss", 0.5, "1", {}, 3, {}, {}, 0});
  EXPECT_EQ(Find(CompareExperiments({a, a}, {}), "train_loss"), nullptr);
}

TEST(CompareTest, NumbersThatAreNoneAreShownAndNeverDivided) {
  ReportData a = MakeData("a", {std::nan("")}, 0), b = MakeData("b", {std::nan("")}, 0.02);
  const Comparison comparison = CompareExperiments({a, b}, {.only_different = true});
  EXPECT_EQ(Find(comparison, "accuracy"), nullptr) << "equal: both are NaN";
  EXPECT_FALSE(Find(comparison, "inference_time")->changes[1].has_value());
}

TEST(CompareTest, TextsSayCountIntervalAndRange) {
  Spread spread{.count = 3,
                .mean = 0.0123,
                .deviation = 0.0004,
                .min = 0.0119,
                .max = 0.0127,
                .low = {},
                .high = {},
                .machines = {},
                .datasets = {}};
  EXPECT_EQ(SpreadText(spread, "s", false), "12.3 ms ± 400 µs (n = 3)");
  EXPECT_EQ(SpreadText(spread, "s", true), "12.3 ms ± 400 µs (n = 3), 11.9 ms to 12.7 ms");
  spread = {.count = 1,
            .mean = 0.856,
            .deviation = {},
            .min = 0.856,
            .max = 0.856,
            .low = 0.8329,
            .high = 0.8764,
            .machines = {},
            .datasets = {}};
  EXPECT_EQ(SpreadText(spread, "1", true), "0.8560 [0.8329, 0.8764]");
  EXPECT_EQ(ChangeText({Change::Kind::kRatio, 1.25, ""}, "s"), "1.25×");
  EXPECT_EQ(ChangeText({Change::Kind::kDifference, -0.003, ""}, "1"), "-0.003000");
  EXPECT_EQ(ChangeText({Change::Kind::kDifference, 0.003, ""}, "1"), "+0.003000");
  EXPECT_EQ(ChangeText({Change::Kind::kRefused, 0, "why"}, "s"), "refused");
}

}  // namespace
}  // namespace quantlab::report
