#include "worker/engine/measure/paired_bootstrap.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "absl/strings/str_cat.h"
#include "base/statistics/correlation.h"

namespace quantlab::statistics {
namespace {

constexpr int kMostResamples = 9999, kFewestResamples = 999;
// Texts times resamples: about a second.
constexpr int64_t kMostDraws = 200'000'000;

// Sums over the texts of one resample, from which both correlations follow.
struct Sums {
  double n = 0, y = 0, a = 0, b = 0, yy = 0, aa = 0, bb = 0, ya = 0, yb = 0;

  void Add(double label, double first, double second) {
    n += 1;
    y += label;
    a += first;
    b += second;
    yy += label * label;
    aa += first * first;
    bb += second * second;
    ya += label * first;
    yb += label * second;
  }

  double Difference() const { return Correlation(b, bb, yb) - Correlation(a, aa, ya); }

 private:
  // 0 where the outputs or the labels that were drawn are all equal.
  double Correlation(double x, double xx, double yx) const {
    const double of_x = xx - x * x / n, of_y = yy - y * y / n;
    constexpr double kRounding = 1e-13;
    if (!(of_x > kRounding * xx) || !(of_y > kRounding * yy)) return 0;
    return (yx - x * y / n) / std::sqrt(of_x * of_y);
  }
};

// Differences of the correlations over resamples, sorted.
std::vector<double> Resample(const std::vector<double>& labels, const std::vector<double>& first,
                             const std::vector<double>& second, uint64_t seed) {
  const std::vector<double> y = Centred(labels), a = Centred(first), b = Centred(second);
  std::mt19937_64 random(seed);
  std::vector<double> differences(BootstrapResamples(static_cast<int64_t>(y.size())));
  for (double& difference : differences) {
    Sums sums;
    for (size_t i = 0; i < y.size(); ++i) {
      // Without std::uniform_int_distribution, which differs from platform to platform. The bias is below
      // size / 2^32.
      const size_t at = static_cast<size_t>(((random() >> 32) * static_cast<uint64_t>(y.size())) >> 32);
      sums.Add(y[at], a[at], b[at]);
    }
    difference = sums.Difference();
  }
  std::sort(differences.begin(), differences.end());
  return differences;
}

// The share of values at most `limit`, with one added to both counts.
double ShareUpTo(const std::vector<double>& sorted, double limit) {
  const auto count = std::upper_bound(sorted.begin(), sorted.end(), limit) - sorted.begin();
  return (static_cast<double>(count) + 1) / (static_cast<double>(sorted.size()) + 1);
}

}  // namespace

int BootstrapResamples(int64_t texts) {
  return static_cast<int>(
      std::clamp<int64_t>(kMostDraws / std::max<int64_t>(texts, 1), kFewestResamples, kMostResamples));
}

absl::StatusOr<PairedCorrelations> CompareCorrelations(const std::vector<double>& labels,
                                                       const std::vector<double>& first,
                                                       const std::vector<double>& second, double margin,
                                                       uint64_t seed) {
  if (labels.empty() || labels.size() != first.size() || labels.size() != second.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a paired test needs the same texts, at least one: ", labels.size(), " labels, ",
                     first.size(), " and ", second.size(), " outputs"));
  }
  PairedCorrelations result;
  result.difference = PearsonCorrelation(second, labels) - PearsonCorrelation(first, labels);
  const std::vector<double> differences = Resample(labels, first, second, seed);
  result.interval = {Quantile(differences, 0.025), Quantile(differences, 0.975)};
  std::vector<double> negated;
  for (auto it = differences.rbegin(); it != differences.rend(); ++it) negated.push_back(-*it);
  result.p_value = std::min(1.0, 2 * std::min(ShareUpTo(differences, 0), ShareUpTo(negated, 0)));
  result.non_inferiority_p = ShareUpTo(differences, -margin);
  return result;
}

}  // namespace quantlab::statistics
