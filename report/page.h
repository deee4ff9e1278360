// What turns the Markdown of a report into a page: a pandoc template for reading on a screen and one for
// paper.
#ifndef QUANTLAB_REPORT_PAGE_H_
#define QUANTLAB_REPORT_PAGE_H_

#include <string>

#include "absl/strings/string_view.h"
#include "report/facts/language.h"

namespace quantlab::report {

enum class Medium { kScreen, kPaper };

// A template with its style (and, for the screen, its script) inside: nothing is fetched from anywhere.
// `title` is shown by browsers and PDF readers; it is plain text, whatever it holds.
std::string PageTemplate(Language language, Medium medium, absl::string_view title);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_PAGE_H_
