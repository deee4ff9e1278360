// What the programs say in English about a run, for a report in another language: caveats, why layers fell
// back, how runs ended.
//
// Pure functions; plain text in, Markdown out. A report in English has the texts as they are. In Chinese,
// those that the programs are known to send are translated, with the numbers and names in them; any other
// stands as it is, marked as a quotation: it may be an error's message, a user's words, or of a version that
// is unknown here.
#ifndef QUANTLAB_REPORT_FACTS_CAVEATS_H_
#define QUANTLAB_REPORT_FACTS_CAVEATS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "base/event.h"
#include "report/facts/language.h"

namespace quantlab::report {

// A reason or a message. Empty stays empty.
std::string ProgramText(Language language, absl::string_view text);

// A caveat's message, and what it is about where only its code is known here.
std::string CaveatText(Language language, const Caveat& caveat);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_CAVEATS_H_
