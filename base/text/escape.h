// Makes external text safe for display and storage. Pure functions.
#ifndef QUANTLAB_BASE_TEXT_ESCAPE_H_
#define QUANTLAB_BASE_TEXT_ESCAPE_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace quantlab {

// One CSV field (RFC 4180): in quotes if it has commas, quotes or line breaks, quotes doubled.
std::string CsvField(absl::string_view text);

// In double quotes, with JSON's escapes (RFC 8259, section 7) for quotes, backslashes and control characters;
// ill-formed UTF-8 becomes U+FFFD.
std::string JsonQuote(absl::string_view text);

// `text` with ill-formed UTF-8 and control characters other than tab replaced by U+FFFD and carriage returns
// removed; at most `max_bytes` long, ending at a character.
std::string CleanText(absl::string_view text, size_t max_bytes);

// `text` if it has at most `max_bytes`; else its beginning, ending at a character, with "…", together at most
// `max_bytes` (which must be at least 3). For messages: `text` may be anything.
std::string Shorten(absl::string_view text, size_t max_bytes);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_TEXT_ESCAPE_H_
