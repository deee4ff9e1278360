// The text of a report in one language.
#ifndef QUANTLAB_REPORT_DOCUMENT_H_
#define QUANTLAB_REPORT_DOCUMENT_H_

#include <string>

#include "base/report_options.h"
#include "report/facts/facts.h"
#include "report/facts/language.h"

namespace quantlab::report {

// draw: its figures will stand beside it; otherwise it says of each that it was not drawn.
// options: what the experiment file says of the report.
std::string RenderDocument(Language language, const Facts& facts, const ReportOptions& options, bool draw);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_DOCUMENT_H_
