// The report of an experiment: data in, files out.
//
// Pure functions: the same data gives the same bytes, on every machine and at every time; nothing is read
// or written here.
#ifndef QUANTLAB_REPORT_REPORT_H_
#define QUANTLAB_REPORT_REPORT_H_

#include <string>
#include <vector>

#include "base/report_data.h"
#include "base/report_options.h"
#include "report/facts/decision.h"
#include "report/facts/language.h"

namespace quantlab::report {

struct ReportFile {
  std::string path;     // relative to the report's folder, '/'-separated: "tables/accuracy.csv"
  std::string content;  // UTF-8, lines ended with LF
};

// "课程设计报告.md" and "report.en.md", each complete in its language; tables/<name>.csv with every digit;
// tables/<name>.<language>.md as in the report. Tables without rows are left out. Works for experiments
// that have not ended, and for any mixture of ended runs: each says so in its place.
//
// figures/ holds the data of each figure, the gnuplot script that draws it, and redraw.sh, which draws all of
// them. draw: the documents refer to the drawn figures ("figures/results/accuracy.en.svg"), which whoever has
// the files must make; without it they say how to draw them.
//
// options: what the experiment's files say of its report; they are not read here.
std::vector<ReportFile> RenderReport(const ReportData& data, const std::vector<Language>& languages,
                                     bool draw = true, const ReportOptions& options = {});

// The answer alone, for a terminal: one line each for speed, size, memory and accuracy, and one for each run
// that did not succeed. Lines are ended.
std::string RenderSummary(const ReportData& data, Language language);

// A decision by constraints, for a terminal: what was asked, the answer, and a list with one line for each
// variant. Lines are ended.
std::string RenderDecision(const Decision& decision, Language language);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_REPORT_H_
