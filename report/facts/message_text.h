// The programs' messages about a run, in the language of the report: caveats, fallback reasons, ends of runs.
//
// Pure functions that return Markdown. A message is rendered in the report's language. Results of versions
// without messages have only the English text (stored_text.h).
#ifndef QUANTLAB_REPORT_FACTS_MESSAGE_TEXT_H_
#define QUANTLAB_REPORT_FACTS_MESSAGE_TEXT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "base/language.h"
#include "base/records/event.h"

namespace quantlab::report {

// A message with its English text. Empty for an empty text.
std::string MessageText(Language language, const Message& message, absl::string_view text);

// A caveat's message, or its subject if only its code is known.
std::string CaveatText(Language language, const Caveat& caveat);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_MESSAGE_TEXT_H_
