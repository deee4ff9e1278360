#include "worker/engine/measure/statistics.h"

#include <cmath>
#include <random>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab::statistics {
namespace {

// Newcombe 1998, Statistics in Medicine 17, table I, method 3 (Wilson without continuity correction).
TEST(WilsonIntervalTest, AgreesWithNewcombesTable) {
  struct Case {
    int64_t successes, total;
    double low, high;
  };
  for (const Case& c : {Case{81, 263, 0.2553, 0.3662}, Case{15, 148, 0.0624, 0.1605},
                        Case{0, 20, 0.0, 0.1611}, Case{1, 29, 0.0061, 0.1718}}) {
    const Interval interval = WilsonInterval(c.successes, c.total);
    EXPECT_NEAR(interval.low, c.low, 5e-5) << c.successes << "/" << c.total;
    EXPECT_NEAR(interval.high, c.high, 5e-5) << c.successes << "/" << c.total;
  }
  EXPECT_EQ(WilsonInterval(20, 20).high, 1.0);
}

// scipy.stats.binomtest(k, n, 0.5).pvalue
TEST(McNemarTest, ExactPValueAgreesWithScipy) {
  EXPECT_NEAR(McNemarExactPValue(5, 15), 0.04138946533203125, 1e-12);
  EXPECT_NEAR(McNemarExactPValue(0, 6), 0.03125, 1e-12);
  EXPECT_NEAR(McNemarExactPValue(86, 150), 3.715936139571442e-05, 1e-14);
  EXPECT_NEAR(McNemarExactPValue(121, 59), 4.434449263755176e-06, 1e-15);
  EXPECT_EQ(McNemarExactPValue(4, 4), 1.0);
  EXPECT_EQ(McNemarExactPValue(0, 0), 1.0);
}

TEST(McNemarTest, IsSymmetricAndFiniteForManyPairs) {
  EXPECT_EQ(McNemarExactPValue(900, 1100), McNemarExactPValue(1100, 900));
  const double p = McNemarExactPValue(1000000, 1000000);
  EXPECT_GT(p, 0.99);
  EXPECT_LE(p, 1.0);
}

TEST(McNemarTest, CountsTextsThatOnlyOneModelGetsRight) {
  const auto result = CompareModels({0, 1, 1, 0, 1}, {0, 1, 0, 1, 1}, {0, 0, 1, 1, 0});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->only_first, 2);
  EXPECT_EQ(result->only_second, 1);
  EXPECT_FALSE(CompareModels({0, 1}, {0}, {0, 1}).ok());
}

// Agresti & Min 2005, by hand: b = 86, c = 150, n = 1600: (64 - 0) / 1602 -+ 1.96 * 0.009598….
TEST(PairedDifferenceTest, FollowsAgrestiAndMin) {
  const Interval interval = PairedDifferenceInterval(86, 150, 1600);
  EXPECT_NEAR(interval.low, 0.02123, 5e-5);
  EXPECT_NEAR(interval.high, 0.05867, 5e-5);
  const Interval equal = PairedDifferenceInterval(0, 0, 1000);
  EXPECT_NEAR(equal.low, -equal.high, 1e-15);
  EXPECT_GT(equal.high, 0);
}

// The worked example of scikit-learn's classification metrics: precision_recall_fscore_support of
// y_true = 0 1 2 0 1 2, y_pred = 0 2 1 0 0 1, average='macro' is 0.2222…, 0.3333…, 0.2666….
TEST(ScoreClassificationTest, MacroScoresAgreeWithScikitLearn) {
  const auto scores = ScoreClassification({0, 1, 2, 0, 1, 2}, {0, 2, 1, 0, 0, 1}, 3);
  ASSERT_TRUE(scores.ok());
  EXPECT_NEAR(scores->macro.precision, 2.0 / 9, 1e-12);
  EXPECT_NEAR(scores->macro.recall, 1.0 / 3, 1e-12);
  EXPECT_NEAR(scores->macro.f1, 0.8 / 3, 1e-12);
  // As scikit-learn: a class that neither labels nor predictions have does not count.
  const auto with_absent = ScoreClassification({0, 1, 2, 0, 1, 2}, {0, 2, 1, 0, 0, 1}, 5);
  EXPECT_NEAR(with_absent->macro.f1, 0.8 / 3, 1e-12);
  EXPECT_FALSE(scores->binary.has_value());
}

TEST(ScoreClassificationTest, BinaryScoresAreThoseOfClassOne) {
  // 3 true positives, 1 false positive, 2 false negatives, 4 true negatives.
  const auto scores = ScoreClassification({1, 1, 1, 0, 1, 1, 0, 0, 0, 0}, {1, 1, 1, 1, 0, 0, 0, 0, 0, 0}, 2);
  ASSERT_TRUE(scores.ok());
  ASSERT_TRUE(scores->binary.has_value());
  EXPECT_NEAR(scores->binary->precision, 0.75, 1e-12);
  EXPECT_NEAR(scores->binary->recall, 0.6, 1e-12);
  EXPECT_NEAR(scores->binary->f1, 2 * 0.75 * 0.6 / 1.35, 1e-12);
  EXPECT_NEAR(scores->accuracy, 0.7, 1e-12);
  EXPECT_EQ(scores->correct, 7);
}

TEST(ScoreClassificationTest, AClassThatNeverOccursScoresZero) {
  const auto scores = ScoreClassification({0, 0}, {0, 0}, 2);
  ASSERT_TRUE(scores.ok());
  EXPECT_EQ(scores->binary->f1, 0.0);
  EXPECT_EQ(scores->accuracy, 1.0);
}

TEST(ScoreClassificationTest, RefusesWhatCannotBeScored) {
  EXPECT_FALSE(ScoreClassification({}, {}, 2).ok());
  EXPECT_FALSE(ScoreClassification({0, 1}, {0}, 2).ok());
  const auto bad = ScoreClassification({0, 2}, {0, 1}, 2);
  ASSERT_FALSE(bad.ok());
  EXPECT_THAT(std::string(bad.status().message()), ::testing::HasSubstr("label 1 is class 2"));
}

// numpy.percentile and numpy.std(ddof=1)
TEST(SummarizeTest, AgreesWithNumpy) {
  const std::vector<double> values = {3.1, 0.2, 5.5, 4.4, 2.2, 9.9, 7.1};
  EXPECT_NEAR(Quantile(values, 0.10), 1.4, 1e-12);
  EXPECT_NEAR(Quantile(values, 0.99), 9.732, 1e-12);
  EXPECT_NEAR(Quantile(values, 0), 0.2, 1e-12);
  EXPECT_NEAR(Quantile(values, 1), 9.9, 1e-12);
  const SampleSummary summary = Summarize(values);
  EXPECT_NEAR(summary.p50, 4.4, 1e-12);
  EXPECT_NEAR(summary.p90, 8.22, 1e-12);
  EXPECT_NEAR(summary.mean, 4.628571428571429, 1e-12);
  EXPECT_NEAR(summary.standard_deviation, 3.2288874687288636, 1e-12);
}

TEST(SummarizeTest, GivesP99OnlyFromAThousandSamplesOn) {
  EXPECT_FALSE(Summarize(std::vector<double>(999, 1.0)).p99.has_value());
  EXPECT_TRUE(Summarize(std::vector<double>(1000, 1.0)).p99.has_value());
  EXPECT_EQ(Summarize({2.0}).standard_deviation, 0);
}

// Ranks of scipy.stats.binom.ppf at 2.5 % and 97.5 %, one above the upper.
TEST(QuantileIntervalTest, TakesTheRanksOfTheBinomialDistribution) {
  std::vector<double> values;
  for (int i = 101; i >= 1; --i) values.push_back(i);
  const auto median = QuantileInterval(values, 0.5);
  ASSERT_TRUE(median.has_value());
  EXPECT_EQ(median->low, 41);
  EXPECT_EQ(median->high, 61);
  const auto p90 = QuantileInterval(values, 0.9);
  ASSERT_TRUE(p90.has_value());
  EXPECT_EQ(p90->low, 85);
  EXPECT_EQ(p90->high, 97);
}

// 0.9^35 = 0.0250 and 0.9^36 = 0.0225: with fewer values even the highest may lie below the quantile.
TEST(QuantileIntervalTest, NeedsEnoughValues) {
  EXPECT_FALSE(QuantileInterval(std::vector<double>(35, 1.0), 0.9).has_value());
  EXPECT_TRUE(QuantileInterval(std::vector<double>(36, 1.0), 0.9).has_value());
  EXPECT_FALSE(QuantileInterval({}, 0.9).has_value());
}

TEST(BootstrapTest, SameSeedSameInterval) {
  std::vector<double> values;
  for (int i = 0; i < 101; ++i) values.push_back(i);
  const Interval first = BootstrapMedianInterval(values, 7), again = BootstrapMedianInterval(values, 7);
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
}

// The exact distribution-free interval of the median of n = 101 ordered values is the 40th to the 61st
// of 0..100 at 95 % (Conover 1999); the bootstrap must come close.
TEST(BootstrapTest, ComesCloseToTheOrderStatisticInterval) {
  std::vector<double> values;
  for (int i = 0; i < 101; ++i) values.push_back(i);
  const Interval interval = BootstrapMedianInterval(values, 42);
  EXPECT_NEAR(interval.low, 40, 2.5);
  EXPECT_NEAR(interval.high, 60, 2.5);
}

TEST(BootstrapTest, AConstantHasNoWidth) {
  const Interval interval = BootstrapMedianInterval(std::vector<double>(30, 1.5), 1);
  EXPECT_EQ(interval.low, 1.5);
  EXPECT_EQ(interval.high, 1.5);
}

// scipy.stats.t.ppf(0.975, degrees)
TEST(StudentTest, AgreesWithScipy) {
  for (const auto& [degrees, t] : std::vector<std::pair<int64_t, double>>{{1, 12.706204736},
                                                                          {4, 2.776445105},
                                                                          {9, 2.262157163},
                                                                          {10, 2.228138852},
                                                                          {14, 2.144786688},
                                                                          {30, 2.042272456},
                                                                          {100, 1.983971519}}) {
    EXPECT_NEAR(StudentT95(degrees), t, 2e-5) << degrees;
  }
}

// numpy: exp of mean(log(medians)) -+ 4.302652730 * std(log(medians), ddof=1) / sqrt(3).
TEST(GroupedMedianRatioTest, AgreesWithNumpy) {
  const Groups groups = {{1.0, 1.1, 1.2}, {1.3, 1.1, 1.25, 1.4}, {1.05, 0.95, 1.15}};
  const Estimate estimate = GroupedMedianRatio(groups, 1);
  EXPECT_NEAR(estimate.value, 1.137707767, 1e-8);
  EXPECT_NEAR(estimate.interval.low, 0.884435933, 1e-6);
  EXPECT_NEAR(estimate.interval.high, 1.463507887, 1e-6);
}

// Noise of blocks in processes: neighbours correlate, and processes differ. Logarithms of ratios.
Groups NoisyGroups(int groups, int blocks, double correlation, double between, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  Groups all;
  for (int g = 0; g < groups; ++g) {
    const double level = between * normal(random);
    double noise = normal(random);
    std::vector<double>& values = all.emplace_back();
    for (int b = 0; b < blocks; ++b) {
      values.push_back(std::exp(level + 0.03 * noise));
      noise = correlation * noise + std::sqrt(1 - correlation * correlation) * normal(random);
    }
  }
  return all;
}

// Of 1,000 measurements, 95 % -+ 2.1 % by chance (three standard errors); benchmarks/error_rates.cc has more.
TEST(GroupedMedianRatioTest, Covers95PercentWhereNeighboursAndProcessesDiffer) {
  for (const auto& [correlation, between] : {std::pair{0.0, 0.0}, {0.4, 0.0}, {0.2, 0.01}, {0.4, 0.02}}) {
    std::mt19937_64 random(7);
    int covered = 0;
    for (int i = 0; i < 1000; ++i) {
      const Interval interval =
          GroupedMedianRatio(NoisyGroups(5, 6, correlation, between, random), 1).interval;
      covered += interval.low <= 1 && interval.high >= 1;
    }
    EXPECT_GE(covered, 929) << correlation << " " << between;
    EXPECT_LE(covered, 971) << correlation << " " << between;
  }
}

TEST(GroupedQuantileIntervalTest, CoversTheQuantileOfAllProcesses) {
  // The 90 % point of exp(N(0, 0.03^2 + 0.02^2)).
  const double truth = std::exp(1.2815515655446004 * std::sqrt(0.03 * 0.03 + 0.02 * 0.02));
  std::mt19937_64 random(7);
  int covered = 0;
  for (int i = 0; i < 300; ++i) {
    const Interval interval = GroupedQuantileInterval(NoisyGroups(8, 20, 0.3, 0.02, random), 0.9, 1, 300);
    covered += interval.low <= truth && interval.high >= truth;
  }
  EXPECT_GE(covered, 270);
}

TEST(GroupedQuantileIntervalTest, OfOneProcessNeighboursStayTogether) {
  // Two stretches of time: values taken one by one would give an interval half as wide.
  std::vector<double> values;
  for (int i = 0; i < 64; ++i) values.push_back((i / 8) % 2 == 0 ? 1 : 2);
  const Interval interval = GroupedQuantileInterval({values}, 0.5, 1);
  EXPECT_EQ(interval.low, 1);
  EXPECT_EQ(interval.high, 2);
  const std::vector<double> same(10, 3.0);
  EXPECT_EQ(GroupedQuantileInterval({same}, 0.5, 1).low, 3);
  EXPECT_EQ(GroupedMedianRatio({same}, 1).interval.high, 3);
}

}  // namespace
}  // namespace quantlab::statistics
