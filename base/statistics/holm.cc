#include "base/statistics/holm.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace quantlab {

std::vector<double> HolmAdjust(const std::vector<double>& p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), 0);
  const auto known = [&](size_t i) { return std::isnan(p_values[i]) ? 1.0 : p_values[i]; };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return known(a) < known(b); });
  std::vector<double> adjusted(p_values.size());
  double floor = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    const double factor = static_cast<double>(order.size() - rank);
    floor = std::max(floor, std::min(1.0, factor * known(order[rank])));
    adjusted[order[rank]] = floor;
  }
  return adjusted;
}

}  // namespace quantlab
