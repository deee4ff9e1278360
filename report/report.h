// Turns the data of an experiment into the files of its report.
//
// Pure functions: the same data always gives the same bytes, on every machine; nothing is read or written
// here.
#ifndef QUANTLAB_REPORT_REPORT_H_
#define QUANTLAB_REPORT_REPORT_H_

#include <string>
#include <vector>

#include "base/config/report_options.h"
#include "base/records/report_data.h"
#include "report/facts/decision.h"
#include "report/facts/language.h"

namespace quantlab::report {

struct ReportFile {
  std::string path;     // relative to the report's folder, '/'-separated: "tables/accuracy.csv"
  std::string content;  // UTF-8, lines ended with LF
};

// "课程设计报告.md" and "report.en.md", each complete in its language; tables/<name>.csv with all digits;
// tables/<name>.<language>.md as in the report. Tables without rows are omitted. Experiments that have not
// ended and runs that ended in any state are supported: the report states what is missing.
//
// figures/ has the data of each figure, the gnuplot script that draws it, and redraw.sh, which draws all of
// them. draw: the documents refer to the drawn figures ("figures/results/accuracy.en.svg"), which the caller
// must make; without it they explain how to draw them.
//
// options: the report settings of the experiment's files, which are not read here.
std::vector<ReportFile> RenderReport(const ReportData& data, const std::vector<Language>& languages,
                                     bool draw = true, const ReportOptions& options = {});

// Only the answer, for a terminal: one line each for speed, size, memory and accuracy, and one for each run
// that did not succeed. Every line ends in a line break.
std::string RenderSummary(const ReportData& data, Language language);

// A decision by constraints, for a terminal: the constraints, the answer, and a list with one line for each
// variant. Every line ends in a line break.
std::string RenderDecision(const Decision& decision, Language language);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_REPORT_H_
