// Text on a terminal: the width of strings, and making foreign text printable.
#ifndef QUANTLAB_CLIENT_DISPLAY_TEXT_H_
#define QUANTLAB_CLIENT_DISPLAY_TEXT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/language.h"

namespace quantlab::client {

// Terminal columns: CJK and emoji take two, combining marks none; escape sequences are not expected.
size_t DisplayWidth(absl::string_view text);

// `text` truncated to `width` columns, with an ellipsis if something was removed.
std::string Truncate(absl::string_view text, size_t width);

// The same, cut in the middle: names that begin and end differently stay different.
std::string TruncateMiddle(absl::string_view text, size_t width);

// `text` as lines of at most `width` columns. Lines end at blanks, which are dropped, and next to CJK
// characters, but not so that punctuation is separated from the character that it belongs to. A longer word,
// such as a path, is not broken and exceeds the width. Every line but the first begins with `indent` blanks.
// Width 0: one line.
std::vector<std::string> WrapLine(absl::string_view text, size_t width, size_t indent = 0);

// The columns of the longest part of `text` that WrapLine does not break.
size_t LongestWord(absl::string_view text);

// Every line of `text` wrapped. The lines that continue one are indented to where its text begins: after its
// blanks, after "- ", and after a first column that two or more blanks end.
std::string Wrap(absl::string_view text, size_t width);

// `text` padded with spaces to `width` columns; unchanged if wider.
std::string Pad(absl::string_view text, size_t width, bool right = false);

// Makes control characters visible and replaces invalid UTF-8, so that no log line or name can move the
// cursor or colour the terminal. Tabs become spaces.
std::string Printable(absl::string_view text);

// "94.3 MB", "512 B": decimal units.
std::string HumanBytes(int64_t bytes);
// "4 s", "2 min 05 s", "1 h 03 min", "350 ms".
std::string HumanDuration(absl::Duration duration, Language language = Language::kEnglish);
// "3 min ago", "2026-11-23 06:57" when older than a day; local time.
std::string HumanTime(absl::Time time, absl::Time now, Language language = Language::kEnglish);
// Four significant digits at most, thousands grouped above 9999: "0.8734", "1,203".
std::string HumanNumber(double value);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_DISPLAY_TEXT_H_
