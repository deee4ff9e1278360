#include "base/statistics/correlation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace quantlab {
namespace {

constexpr double kTwoSided95 = 1.959963984540054;
// A spread this small against the mean is rounding. Source: scipy.stats.pearsonr.
constexpr double kConstant = 1e-13;

double Mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Less the mean, of length 1; empty where all are equal.
std::vector<double> Standardized(const std::vector<double>& values) {
  std::vector<double> centred = Centred(values);
  const double norm = std::sqrt(std::inner_product(centred.begin(), centred.end(), centred.begin(), 0.0));
  if (!(norm > kConstant * std::abs(Mean(values))) || norm == 0) return {};
  for (double& value : centred) value /= norm;
  return centred;
}

}  // namespace

std::vector<double> Centred(std::vector<double> values) {
  const double mean = Mean(values);
  for (double& value : values) value -= mean;
  return values;
}

double PearsonCorrelation(const std::vector<double>& x, const std::vector<double>& y) {
  if (x.size() < 2) return 0;
  const std::vector<double> a = Standardized(x), b = Standardized(y);
  if (a.empty() || b.empty()) return 0;
  return std::clamp(std::inner_product(a.begin(), a.end(), b.begin(), 0.0), -1.0, 1.0);
}

std::vector<double> AverageRanks(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t first = 0; first < order.size();) {
    size_t end = first;
    while (end < order.size() && values[order[end]] == values[order[first]]) ++end;
    const double rank = static_cast<double>(first + 1 + end) / 2;
    for (; first < end; ++first) ranks[order[first]] = rank;
  }
  return ranks;
}

double SpearmanCorrelation(const std::vector<double>& x, const std::vector<double>& y) {
  return PearsonCorrelation(AverageRanks(x), AverageRanks(y));
}

std::pair<double, double> PearsonInterval(double correlation, int64_t count) {
  if (count < 4) return {-1, 1};
  const double z = std::atanh(correlation), reach = kTwoSided95 / std::sqrt(static_cast<double>(count - 3));
  return {std::tanh(z - reach), std::tanh(z + reach)};
}

double MeanSquaredError(const std::vector<double>& x, const std::vector<double>& y) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += (x[i] - y[i]) * (x[i] - y[i]);
  return sum / static_cast<double>(x.size());
}

}  // namespace quantlab
