// Chinese for the English texts in results of versions without messages (base/messages/message.h), by their
// patterns.
//
// Only texts of those versions are recognized; nothing is added here. Any other text is quoted unchanged: it
// may be an error message or a user's text.
//
// Pure functions that take plain text and return Markdown.
#ifndef QUANTLAB_REPORT_FACTS_STORED_TEXT_H_
#define QUANTLAB_REPORT_FACTS_STORED_TEXT_H_

#include <string>

#include "absl/strings/string_view.h"

namespace quantlab::report {

// A reason or the end of a run. Empty stays empty.
std::string StoredText(absl::string_view text);

// A caveat's text, or its subject if only its code is known.
std::string StoredCaveatText(const std::string& code, absl::string_view text);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_STORED_TEXT_H_
