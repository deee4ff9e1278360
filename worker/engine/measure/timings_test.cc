#include "worker/engine/measure/timings.h"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab::engine {
namespace {

std::vector<double> Constant(size_t n, double value) {
  return std::vector<double>(n, value);
}

TEST(AnalyzeProcessesTest, SpeedupIsTheMedianOfRatiosWithinBlocks) {
  // A slow block hits both models alike: the ratio does not see it.
  std::vector<double> reference = Constant(40, 2.0), faster = Constant(40, 1.0);
  reference[3] = 20;
  faster[3] = 10;
  faster[7] = 100;  // an outlier of one model alone
  const BenchResult result = AnalyzeProcesses({"fp32", "fp32", "int8"}, {{reference, reference, faster}}, 1);
  EXPECT_EQ(result.entries[0].speedup, 2.0);
  EXPECT_EQ(result.entries[0].speedup_interval.low, 2.0);
  EXPECT_EQ(result.entries[0].speedup_interval.high, 2.0);
  EXPECT_EQ(result.entries[0].name, "int8");
  EXPECT_TRUE(result.check.reliable());
  EXPECT_EQ(result.processes, 1);
  EXPECT_EQ(result.blocks, 40);
}

TEST(AnalyzeProcessesTest, ProcessesThatDifferMakeTheIntervalWide) {
  // Each process is exact in itself: 1.9, 2.0 and 2.1 times as fast.
  std::vector<ProcessTimes> processes;
  for (const double speedup : {1.9, 2.0, 2.1}) {
    processes.push_back({Constant(20, 1), Constant(20, 1), Constant(20, 1 / speedup)});
  }
  const BenchResult result = AnalyzeProcesses({"a", "a", "b"}, processes, 1);
  // numpy: exp(mean(log)) and exp(mean(log) -+ 4.302653 * std(log, ddof=1) / sqrt(3)).
  EXPECT_NEAR(result.entries[0].speedup, 1.998331943, 1e-8);
  EXPECT_NEAR(result.entries[0].speedup_interval.low, 1.764715165, 1e-6);
  EXPECT_NEAR(result.entries[0].speedup_interval.high, 2.262875410, 1e-6);
  EXPECT_TRUE(result.check.reliable());
  EXPECT_EQ(result.blocks, 60);
}

TEST(AnalyzeProcessesTest, TheDriftIsOfTheReferencesMedians) {
  const BenchResult result = AnalyzeProcesses(
      {"a", "a"}, {{Constant(5, 0.1), Constant(5, 0.1)}, {Constant(5, 0.125), Constant(5, 0.125)}}, 1);
  EXPECT_NEAR(result.drift, 0.25, 1e-12);
  EXPECT_EQ(AnalyzeProcesses({"a", "a"}, {{{1}, {1}}}, 1).drift, 0);
}

TEST(CompareWithTest, EveryModelIsComparedWithTheOneThatWasNamed) {
  const std::vector<ProcessTimes> processes = {{Constant(5, 0.4), Constant(5, 0.4), Constant(5, 0.2)},
                                               {Constant(5, 0.6), Constant(5, 0.6), Constant(5, 0.3)}};
  const std::vector<BenchTimes> times = CompareWith(2, {"a", "a", "b"}, processes, 1);
  ASSERT_EQ(times.size(), 3u);
  EXPECT_NEAR(times[0].speedup, 0.5, 1e-12);
  EXPECT_NEAR(times[0].speedup_interval.high, 0.5, 1e-12);
  EXPECT_EQ(times[2].speedup, 1);
  EXPECT_EQ(times[2].name, "b");
  EXPECT_EQ(times[2].summary.samples, 10);
}

TEST(FastestOfTest, IsTheOneWithTheSmallestMeanOfMedians) {
  const std::vector<ProcessTimes> processes = {{Constant(5, 0.4), Constant(5, 0.1), Constant(5, 0.3)},
                                               {Constant(5, 0.4), Constant(5, 0.8), Constant(5, 0.3)}};
  EXPECT_EQ(FastestOf({0, 2}, processes), 2u);
  EXPECT_EQ(FastestOf({2, 1, 0}, processes), 1u) << "the square root of 0.08 is below 0.3";
  EXPECT_EQ(FastestOf({0}, processes), 0u);
}

TEST(CheckAaTest, WidthAndBiasAreJudgedApart) {
  EXPECT_TRUE(CheckAa(1.001, 0.995, 1.007).reliable());
  const AaCheckResult wide = CheckAa(1.0, 0.985, 1.015);
  EXPECT_FALSE(wide.narrow);
  EXPECT_TRUE(wide.unbiased);
  const AaCheckResult biased = CheckAa(1.02, 1.015, 1.025);
  EXPECT_TRUE(biased.narrow);
  EXPECT_FALSE(biased.unbiased);
  // An interval narrow enough to exclude 1 for a difference that nobody would see.
  EXPECT_TRUE(CheckAa(1.002, 1.001, 1.003).reliable());
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(CheckAa(nan, nan, nan).narrow || CheckAa(nan, nan, nan).unbiased);
}

TEST(TimesOfTest, SortsSamplesByModel) {
  const ProcessTimes times =
      TimesOf({{0, 0, 1, 100, 0.5}, {0, 1, 0, 100.5, 0.25}, {1, 0, 0, 101, 0.75}, {1, 1, 1, 102, 1}}, 2);
  EXPECT_THAT(times,
              ::testing::ElementsAre(::testing::ElementsAre(0.25, 0.75), ::testing::ElementsAre(0.5, 1)));
}

}  // namespace
}  // namespace quantlab::engine
