// Holm's correction of p-values for the number of tests. Pure arithmetic; used by reports and the runner.
#ifndef QUANTLAB_BASE_STATISTICS_HOLM_H_
#define QUANTLAB_BASE_STATISTICS_HOLM_H_

#include <vector>

namespace quantlab {

// P-values adjusted for several comparisons, in the order given. NaN counts as a test without a result, 1.
// Source: Holm 1979.
std::vector<double> HolmAdjust(const std::vector<double>& p_values);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_STATISTICS_HOLM_H_
