// What the programs said about a run, in the language of the report: caveats, why layers fell back, how runs
// ended.
//
// Pure functions; Markdown out. A message is rendered in the report's language. Where there is none, as in
// results of versions without messages, the English text stands for it (stored_text.h).
#ifndef QUANTLAB_REPORT_FACTS_MESSAGE_TEXT_H_
#define QUANTLAB_REPORT_FACTS_MESSAGE_TEXT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "base/event.h"
#include "base/language.h"

namespace quantlab::report {

// A message with its English text. Empty for an empty text.
std::string MessageText(Language language, const Message& message, absl::string_view text);

// A caveat's message, and what it is about where only its code is known here.
std::string CaveatText(Language language, const Caveat& caveat);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_MESSAGE_TEXT_H_
