// The text of a report in one language.
#ifndef QUANTLAB_REPORT_DOCUMENT_H_
#define QUANTLAB_REPORT_DOCUMENT_H_

#include <string>

#include "base/config/report_options.h"
#include "report/facts/facts.h"
#include "report/facts/language.h"

namespace quantlab::report {

// draw: the figures will be drawn beside it; otherwise it states for each that it was not drawn.
// options: the report settings of the experiment file.
std::string RenderDocument(Language language, const Facts& facts, const ReportOptions& options, bool draw);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_DOCUMENT_H_
