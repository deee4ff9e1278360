#include "worker/engine/measure/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "absl/strings/str_cat.h"

namespace quantlab::statistics {
namespace {

double Ratio(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

double HarmonicMean(double a, double b) {
  return a + b == 0 ? 0.0 : 2 * a * b / (a + b);
}

absl::Status CheckIndices(const std::vector<int>& values, int classes, const char* what) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] < 0 || values[i] >= classes) {
      return absl::InvalidArgumentError(
          absl::StrCat(what, " ", i, " is class ", values[i], "; there are ", classes, " classes, from 0"));
    }
  }
  return absl::OkStatus();
}

double SortedQuantile(const std::vector<double>& sorted, double q) {
  const double position = q * static_cast<double>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

// Median() without sorting all: a bootstrap takes thousands of them.
double UnsortedMedian(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  const double below = *std::max_element(values.begin(), middle);
  return below + (*middle - below) * 0.5;
}

// An index below `size` without the platform-dependent std::uniform_int_distribution. The bias of the
// multiplication is below size / 2^32.
size_t DrawIndex(std::mt19937_64& random, size_t size) {
  return static_cast<size_t>(((random() >> 32) * static_cast<uint64_t>(size)) >> 32);
}

// Percentile interval of a quantile by a moving-block bootstrap: neighbours stay together.
Interval MovingBlockInterval(const std::vector<double>& values, double q, uint64_t seed, int resamples) {
  const size_t n = values.size();
  const auto length = static_cast<size_t>(std::max(1.0, std::ceil(std::cbrt(static_cast<double>(n)))));
  std::mt19937_64 random(seed);
  std::vector<double> quantiles(resamples);
  for (double& quantile : quantiles) {
    std::vector<double> draw;
    while (draw.size() < n) {
      const size_t start = DrawIndex(random, n - length + 1);
      for (size_t i = 0; i < length && draw.size() < n; ++i) draw.push_back(values[start + i]);
    }
    quantile = Quantile(std::move(draw), q);
  }
  std::sort(quantiles.begin(), quantiles.end());
  return {SortedQuantile(quantiles, 0.025), SortedQuantile(quantiles, 0.975)};
}

}  // namespace

absl::StatusOr<Classification> ScoreClassification(const std::vector<int>& labels,
                                                   const std::vector<int>& predicted, int classes) {
  if (labels.empty()) return absl::InvalidArgumentError("there are no examples to score");
  if (labels.size() != predicted.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(labels.size(), " labels, but ", predicted.size(), " predictions"));
  }
  if (auto status = CheckIndices(labels, classes, "label"); !status.ok()) return status;
  if (auto status = CheckIndices(predicted, classes, "prediction"); !status.ok()) return status;

  std::vector<int64_t> hits(classes), labelled(classes), claimed(classes);
  Classification result;
  result.total = static_cast<int64_t>(labels.size());
  for (size_t i = 0; i < labels.size(); ++i) {
    ++labelled[labels[i]];
    ++claimed[predicted[i]];
    if (labels[i] == predicted[i]) ++hits[labels[i]];
  }
  // Macro scores are means over the classes that occur among labels or predictions: other classes have no
  // score.
  double occurring = 0;
  for (int c = 0; c < classes; ++c) occurring += labelled[c] + claimed[c] > 0;
  for (int c = 0; c < classes; ++c) {
    ClassScores scores{Ratio(hits[c], claimed[c]), Ratio(hits[c], labelled[c]), 0};
    scores.f1 = HarmonicMean(scores.precision, scores.recall);
    result.correct += hits[c];
    result.macro.precision += scores.precision / std::max(1.0, occurring);
    result.macro.recall += scores.recall / std::max(1.0, occurring);
    result.macro.f1 += scores.f1 / std::max(1.0, occurring);
    result.per_class.push_back(scores);
  }
  result.accuracy = Ratio(result.correct, result.total);
  if (classes == 2) result.binary = result.per_class[1];
  return result;
}

Interval WilsonInterval(int64_t successes, int64_t total, double z) {
  const double n = static_cast<double>(total);
  const double p = static_cast<double>(successes) / n;
  const double denominator = 1 + z * z / n;
  const double centre = (p + z * z / (2 * n)) / denominator;
  const double half = z / denominator * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  // The ends are exactly 0 and 1 where nothing or everything succeeded, without rounding errors.
  return {successes == 0 ? 0.0 : std::max(0.0, centre - half),
          successes == total ? 1.0 : std::min(1.0, centre + half)};
}

double McNemarExactPValue(int64_t only_first, int64_t only_second) {
  const int64_t n = only_first + only_second;
  const int64_t k = std::min(only_first, only_second);
  double tail = 0;
  for (int64_t i = 0; i <= k; ++i) {
    const double log_choose = std::lgamma(n + 1.0) - std::lgamma(i + 1.0) - std::lgamma(n - i + 1.0);
    tail += std::exp(log_choose - static_cast<double>(n) * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

absl::StatusOr<McNemar> CompareModels(const std::vector<int>& labels, const std::vector<int>& first,
                                      const std::vector<int>& second) {
  if (labels.size() != first.size() || labels.size() != second.size()) {
    return absl::InvalidArgumentError(absl::StrCat("a paired test needs the same texts: ", labels.size(),
                                                   " labels, ", first.size(), " and ", second.size(),
                                                   " predictions"));
  }
  McNemar result;
  for (size_t i = 0; i < labels.size(); ++i) {
    const bool a = first[i] == labels[i], b = second[i] == labels[i];
    result.only_first += a && !b;
    result.only_second += b && !a;
  }
  result.p_value = McNemarExactPValue(result.only_first, result.only_second);
  return result;
}

Interval PairedDifferenceInterval(int64_t only_first, int64_t only_second, int64_t total, double z) {
  const double b = static_cast<double>(only_first) + 0.5, c = static_cast<double>(only_second) + 0.5;
  const double n = static_cast<double>(total) + 2;
  const double difference = (c - b) / n;
  const double half = z * std::sqrt((b + c) - (c - b) * (c - b) / n) / n;
  return {std::max(-1.0, difference - half), std::min(1.0, difference + half)};
}

double Quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return SortedQuantile(values, q);
}

std::optional<Interval> QuantileInterval(std::vector<double> values, double q) {
  const auto n = static_cast<double>(values.size());
  std::optional<size_t> low, high;  // indices of the sorted values
  double below = 0;                 // P(fewer than `rank` of n values lie below the quantile)
  for (size_t rank = 0; rank <= values.size(); ++rank) {
    const auto k = static_cast<double>(rank);
    // The rank-th smallest value is above the quantile only where fewer than `rank` values lie below it.
    if (rank > 0 && below <= 0.025) low = rank - 1;
    if (rank > 0 && below >= 0.975 && !high.has_value()) high = rank - 1;
    below += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) + k * std::log(q) +
                      (n - k) * std::log1p(-q));
  }
  if (!low.has_value() || !high.has_value()) return std::nullopt;
  std::sort(values.begin(), values.end());
  return Interval{values[*low], values[*high]};
}

double Median(std::vector<double> values) {
  return Quantile(std::move(values), 0.5);
}

SampleSummary Summarize(const std::vector<double>& values) {
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  SampleSummary summary;
  summary.samples = static_cast<int64_t>(sorted.size());
  summary.mean = std::accumulate(sorted.begin(), sorted.end(), 0.0) / static_cast<double>(sorted.size());
  double squares = 0;
  for (double value : sorted) squares += (value - summary.mean) * (value - summary.mean);
  if (sorted.size() > 1)
    summary.standard_deviation = std::sqrt(squares / static_cast<double>(sorted.size() - 1));
  summary.p50 = SortedQuantile(sorted, 0.5);
  summary.p90 = SortedQuantile(sorted, 0.9);
  if (summary.samples >= kSamplesForP99) summary.p99 = SortedQuantile(sorted, 0.99);
  return summary;
}

Interval BootstrapMedianInterval(const std::vector<double>& values, uint64_t seed, int resamples) {
  std::mt19937_64 random(seed);
  std::vector<double> medians(resamples), draw(values.size());
  for (double& median : medians) {
    for (double& value : draw) value = values[DrawIndex(random, values.size())];
    median = UnsortedMedian(draw);
  }
  std::sort(medians.begin(), medians.end());
  return {SortedQuantile(medians, 0.025), SortedQuantile(medians, 0.975)};
}

double StudentT95(int64_t degrees) {
  // scipy.stats.t.ppf(0.975, 1 to 9); beyond, the expansion of Fisher and Cornish 1960.
  static constexpr double kSmall[] = {12.706204736, 4.302652730, 3.182446305, 2.776445105, 2.570581836,
                                      2.446911851,  2.364624252, 2.306004135, 2.262157163};
  if (degrees < 1) return std::numeric_limits<double>::infinity();
  if (degrees <= 9) return kSmall[degrees - 1];
  constexpr double z = 1.959963984540054;
  const double z2 = z * z, v = static_cast<double>(degrees);
  return z + z * (z2 + 1) / (4 * v) + z * ((5 * z2 + 16) * z2 + 3) / (96 * v * v) +
         z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / (384 * v * v * v) +
         z * ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / (92160 * v * v * v * v);
}

Estimate GroupedMedianRatio(const Groups& groups, uint64_t seed) {
  if (groups.size() == 1) {
    return {Median(groups[0]), MovingBlockInterval(groups[0], 0.5, seed, 2000)};
  }
  std::vector<double> logs;
  for (const std::vector<double>& group : groups) logs.push_back(std::log(Median(group)));
  const SampleSummary summary = Summarize(logs);
  const double n = static_cast<double>(logs.size());
  const double reach = StudentT95(summary.samples - 1) * summary.standard_deviation / std::sqrt(n);
  return {std::exp(summary.mean), {std::exp(summary.mean - reach), std::exp(summary.mean + reach)}};
}

Interval GroupedQuantileInterval(const Groups& groups, double q, uint64_t seed, int resamples) {
  if (groups.size() == 1) return MovingBlockInterval(groups[0], q, seed, resamples);
  std::vector<double> all;
  for (const std::vector<double>& group : groups) all.insert(all.end(), group.begin(), group.end());
  std::mt19937_64 random(seed);
  std::vector<double> logs(resamples);
  for (double& log : logs) {
    std::vector<double> draw;
    for (size_t i = 0; i < groups.size(); ++i) {
      const std::vector<double>& group = groups[DrawIndex(random, groups.size())];
      draw.insert(draw.end(), group.begin(), group.end());
    }
    log = std::log(Quantile(std::move(draw), q));
  }
  const double n = static_cast<double>(groups.size());
  // Resampled groups spread by (n - 1) / n too little.
  const double reach = StudentT95(static_cast<int64_t>(groups.size()) - 1) * std::sqrt(n / (n - 1)) *
                       Summarize(logs).standard_deviation;
  const double value = Quantile(std::move(all), q);
  return {value * std::exp(-reach), value * std::exp(reach)};
}

}  // namespace quantlab::statistics
