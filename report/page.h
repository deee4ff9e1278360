// What turns the Markdown of a report into a page: a pandoc template for reading on a screen and one for
// paper.
#ifndef QUANTLAB_REPORT_PAGE_H_
#define QUANTLAB_REPORT_PAGE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/config/report_options.h"
#include "report/facts/facts.h"
#include "report/facts/language.h"

namespace quantlab::report {

enum class Medium { kScreen, kPaper };

// A template with its style (and, for the screen, its script) inside: nothing is fetched from anywhere.
// `title` is shown by browsers and PDF readers; it is plain text, whatever it holds. `facts` is what
// PageFacts() made for this language; empty: the page has tables and figures, but nothing to look up.
// `cover`: a page of its own before the others.
std::string PageTemplate(Language language, Medium medium, absl::string_view title, absl::string_view facts,
                         const std::optional<CoverOptions>& cover = std::nullopt);

// The Markdown of a report as pandoc is to read it, whose input has no raw HTML: the anchors of figures and
// tables become spans, and paper takes the figures as PNG.
std::string PageMarkdown(Medium medium, absl::string_view markdown);

// A line of a cover: what it is, and what the file says.
struct CoverField {
  std::string name, value;
};
// Those that are not empty, without the title, in the order of the page.
std::vector<CoverField> CoverFields(Language language, const CoverOptions& cover);

// What the script of a page looks up, as JSON: for each variant its name, what tables call it, the intervals
// of its accuracy and of its speed at HeadlineShape(), and its uncorrected p; the uncorrected p of each pair
// of variants; and the charts (report/page_charts.h).
std::string PageFacts(Language language, const Facts& facts);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_PAGE_H_
