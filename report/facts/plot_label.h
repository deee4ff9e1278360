// Texts that fit into figures.
#ifndef QUANTLAB_REPORT_FACTS_PLOT_LABEL_H_
#define QUANTLAB_REPORT_FACTS_PLOT_LABEL_H_

#include <string>

#include "absl/strings/string_view.h"

namespace quantlab::report {

// Text truncated with "…" to a width of `em`: valid UTF-8 on one line, without characters that gnuplot's CSV
// reader would split.
std::string PlotLabel(absl::string_view text, double em);
// The same, but truncated at its beginning: names of variants of a sweep have the same beginning.
std::string PlotLabelEnd(absl::string_view text, double em);
// Estimated width in units of the font size: 1 for a Chinese character.
double TextWidth(absl::string_view text);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_PLOT_LABEL_H_
