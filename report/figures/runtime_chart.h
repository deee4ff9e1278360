// The figure of other runtimes.
#ifndef QUANTLAB_REPORT_FIGURES_RUNTIME_CHART_H_
#define QUANTLAB_REPORT_FIGURES_RUNTIME_CHART_H_

#include <optional>

#include "report/figures/figure.h"

namespace quantlab::report {

// The speed in each runtime at HeadlineShape(), over the best FP32 of any; absent where none was timed.
std::optional<Figure> RuntimeChart(const Facts& facts);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FIGURES_RUNTIME_CHART_H_
