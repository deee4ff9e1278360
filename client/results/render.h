// Renders a report: draws its figures and converts its Markdown to HTML and PDF, with external programs that
// may be missing on this machine.
//
// gnuplot draws (by figures/redraw.sh, which users can call too), pandoc makes HTML, weasyprint makes PDF. A
// missing or failing program becomes a note with the remedy, and the report is made without its output.
#ifndef QUANTLAB_CLIENT_RESULTS_RENDER_H_
#define QUANTLAB_CLIENT_RESULTS_RENDER_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/messages/message.h"
#include "base/records/report_data.h"
#include "client/connection/cancellation.h"
#include "client/results/results.h"
#include "report/facts/language.h"

namespace quantlab::client {

struct RenderOptions {
  std::vector<report::Language> languages;
  bool html = true, pdf = true;
  const Cancellation* cancellation = nullptr;  // may be null
  // Called before each step that takes a while, and several times a second while pages are made, on the
  // calling thread. May be empty.
  std::function<void(const Message& step)> progress;
};

struct RenderedReport {
  // Paths relative to report/: all of RenderReport(), figures/…/*.svg and *.png, report.zh.html,
  // report.en.html, 课程设计报告.pdf, report.en.pdf.
  std::vector<TextFile> files;
  std::vector<Message> notes;  // for users: what could not be made, and the remedy
};

// Works in a new folder below the system's folder for temporary files, and removes it.
// Errors: CANCELLED; file errors.
absl::StatusOr<RenderedReport> RenderFiles(const ReportData& data, const RenderOptions& options);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_RESULTS_RENDER_H_
