// Chinese for the English texts in results of versions without messages (base/message.h), by their patterns.
//
// Only texts that those versions wrote are recognised; nothing is added here. Any other text stands as it is,
// marked as a quotation: it may be an error's message or a user's words.
//
// Pure functions; plain text in, Markdown out.
#ifndef QUANTLAB_REPORT_FACTS_STORED_TEXT_H_
#define QUANTLAB_REPORT_FACTS_STORED_TEXT_H_

#include <string>

#include "absl/strings/string_view.h"

namespace quantlab::report {

// A reason or the end of a run. Empty stays empty.
std::string StoredText(absl::string_view text);

// A caveat's text, and what it is about where only its code is known here.
std::string StoredCaveatText(const std::string& code, absl::string_view text);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_STORED_TEXT_H_
