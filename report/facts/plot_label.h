// Texts that fit into a figure.
#ifndef QUANTLAB_REPORT_FACTS_PLOT_LABEL_H_
#define QUANTLAB_REPORT_FACTS_PLOT_LABEL_H_

#include <string>

#include "absl/strings/string_view.h"

namespace quantlab::report {

// Text for a place `em` wide: valid UTF-8 on one line, cut with "…", without what gnuplot's reader of CSV
// would take apart.
std::string PlotLabel(absl::string_view text, double em);
// The same, but cut at its beginning: names of variants of a sweep begin alike.
std::string PlotLabelEnd(absl::string_view text, double em);
// Estimated width in units of the font size: 1 for a Chinese character.
double TextWidth(absl::string_view text);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_PLOT_LABEL_H_
