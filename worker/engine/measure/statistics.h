// The arithmetic behind every number of a report: quality scores, intervals, tests, percentiles.
//
// Pure functions without LibTorch; checked against published worked examples and SciPy.
#ifndef QUANTLAB_WORKER_ENGINE_MEASURE_STATISTICS_H_
#define QUANTLAB_WORKER_ENGINE_MEASURE_STATISTICS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"

namespace quantlab::statistics {

struct Interval {
  double low = 0;
  double high = 0;
};

// Precision, recall and their harmonic mean; a ratio without a denominator is 0 (scikit-learn's rule).
struct ClassScores {
  double precision = 0;
  double recall = 0;
  double f1 = 0;
};

struct Classification {
  int64_t total = 0;
  int64_t correct = 0;
  double accuracy = 0;
  std::vector<ClassScores> per_class;
  ClassScores macro;                  // unweighted mean over the classes
  std::optional<ClassScores> binary;  // of class 1, where there are exactly two
};

// labels, predicted: class indices in [0, classes), of one length.
// Errors: INVALID_ARGUMENT nothing to score, lengths that differ, an index out of range.
absl::StatusOr<Classification> ScoreClassification(const std::vector<int>& labels,
                                                   const std::vector<int>& predicted, int classes);

// Wilson's score interval of a proportion. `z` defaults to two-sided 95 %. Needs 0 <= successes <= total
// and total > 0. Source: Wilson 1927; Newcombe 1998.
Interval WilsonInterval(int64_t successes, int64_t total, double z = 1.959963984540054);

// Two models on the same texts, exact two-sided McNemar test. Source: McNemar 1947; the exact form is
// the binomial test of the discordant pairs.
struct McNemar {
  int64_t only_first = 0;   // texts that only the first model gets right
  int64_t only_second = 0;  // texts that only the second model gets right
  double p_value = 1;
};
double McNemarExactPValue(int64_t only_first, int64_t only_second);
// Errors: INVALID_ARGUMENT lengths that differ.
absl::StatusOr<McNemar> CompareModels(const std::vector<int>& labels, const std::vector<int>& first,
                                      const std::vector<int>& second);

// 95 % interval of the difference of two proportions on the same texts, (only_second - only_first) / total,
// from the discordant counts. Source: Agresti & Min 2005 (Wald's after half an observation in each cell).
Interval PairedDifferenceInterval(int64_t only_first, int64_t only_second, int64_t total,
                                  double z = 1.959963984540054);

// Quantile by linear interpolation between order statistics (NumPy's default, R's type 7).
// `values` need not be sorted and must not be empty; 0 <= q <= 1.
double Quantile(std::vector<double> values, double q);
double Median(std::vector<double> values);

// 95 % interval of a quantile, at most 2.5 % of error on each side, without an assumption about the
// distribution: order statistics at the ranks that the binomial distribution gives. Absent where there are
// too few values for an upper or a lower end (below 36 for q = 0.9). Source: Conover 1999, section 3.2.
std::optional<Interval> QuantileInterval(std::vector<double> values, double q);

struct SampleSummary {
  int64_t samples = 0;
  double mean = 0, standard_deviation = 0;  // deviation with n - 1; 0 for one sample
  double p50 = 0, p90 = 0;
  std::optional<double> p99;  // from kSamplesForP99 samples on: fewer cannot resolve it
};
inline constexpr int64_t kSamplesForP99 = 1000;
SampleSummary Summarize(const std::vector<double>& values);  // not empty

// Percentile-bootstrap 95 % interval of the median. Same values, seed and resamples: same interval, on
// every platform. `values` must not be empty. Source: Efron 1979.
Interval BootstrapMedianInterval(const std::vector<double>& values, uint64_t seed, int resamples = 2000);

// Positive values in order of time, in groups that are independent of each other: the blocks of a process, by
// process. Neighbours within a group may be alike, and groups may differ. No group may be empty.
using Groups = std::vector<std::vector<double>>;

struct Estimate {
  double value = 0;
  Interval interval;
};

// The geometric mean over groups of each group's median, and its 95 % interval by Student's t of the
// logarithms of those medians: what is alike within a group makes no interval too narrow.
// benchmarks/error_rates.cc checks its coverage. Of a single group, the median with the percentile interval
// of a moving-block bootstrap, which holds for that group only. Source: Student 1908; Kunsch 1989, Annals of
// Statistics 17 (moving blocks).
Estimate GroupedMedianRatio(const Groups& groups, uint64_t seed);

// 95 % interval of a quantile of all values together: its standard error from resampling whole groups, on the
// scale of logarithms, times Student's t for the number of groups. Of a single group as above.
// Source: Davison & Hinkley 1997, section 3.8 (resampling of whole groups).
Interval GroupedQuantileInterval(const Groups& groups, double q, uint64_t seed, int resamples = 2000);

// The two-sided 95 % point of Student's t distribution; degrees >= 1.
double StudentT95(int64_t degrees);

}  // namespace quantlab::statistics

#endif  // QUANTLAB_WORKER_ENGINE_MEASURE_STATISTICS_H_
