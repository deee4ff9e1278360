// A report as people open it: its figures drawn, and its Markdown set as HTML and PDF, by programs that this
// machine may have or not.
//
// gnuplot draws (figures/redraw.sh, as anyone can), pandoc makes the pages, weasyprint the paper. What is
// missing or fails becomes a note with the remedy, and the report is made without it.
#ifndef QUANTLAB_CLIENT_RESULTS_RENDER_H_
#define QUANTLAB_CLIENT_RESULTS_RENDER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/report_data.h"
#include "client/connection/cancellation.h"
#include "client/results/results.h"
#include "report/facts/language.h"

namespace quantlab::client {

struct RenderOptions {
  std::vector<report::Language> languages;
  bool html = true, pdf = true;
  const Cancellation* cancellation = nullptr;  // may be null
};

struct RenderedReport {
  // Paths relative to report/: all of RenderReport(), figures/…/*.svg and *.png, report.zh.html,
  // report.en.html, 课程设计报告.pdf, report.en.pdf.
  std::vector<TextFile> files;
  std::vector<std::string> notes;  // for people: what could not be made, and what to do
};

// Works in a folder of its own below the system's folder for temporary files, and removes it.
// Errors: CANCELLED; those of files.
absl::StatusOr<RenderedReport> RenderFiles(const ReportData& data, const RenderOptions& options);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_RESULTS_RENDER_H_
