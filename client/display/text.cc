#include "client/display/text.h"

#include <cmath>

#include <utf8proc.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/text/utf8.h"

namespace quantlab::client {
namespace {

// The character at `at`; negative if it is ill-formed. `length` gets its bytes, at least 1.
utf8proc_int32_t Decode(absl::string_view text, size_t at, size_t* length) {
  const DecodedCodePoint decoded = DecodeUtf8({text.data() + at, text.size() - at});
  *length = static_cast<size_t>(decoded.length);
  return decoded.valid ? static_cast<utf8proc_int32_t>(decoded.code_point) : -1;
}

std::string WithUnit(int64_t count, absl::string_view unit, Language language) {
  return absl::StrCat(count, " ", RenderTerm(language, unit));
}

size_t WidthOf(utf8proc_int32_t code) {
  if (code < 0) return 1;
  const int width = utf8proc_charwidth(code);
  return width > 0 ? static_cast<size_t>(width) : 0;
}

// Characters that change the order or the lines in which a terminal shows others (Unicode Standard Annex 9
// and "Trojan Source", CVE-2021-42574), so that a name could pass for another one.
bool ChangesOrder(utf8proc_int32_t code) {
  return code == 0x061c || code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

// Whether a line may end between two characters that are not blank. As in the Unicode Standard, Annex 14, CJK
// text breaks anywhere but after what opens and before what closes or ends a sentence; other text breaks at
// blanks only, also where the annex allows it at '/' and '-', so that paths and options can be copied.
bool MayBreak(utf8proc_int32_t before, utf8proc_int32_t after) {
  if (before < 0 || after < 0 || (WidthOf(before) < 2 && WidthOf(after) < 2)) return false;
  const utf8proc_category_t first = utf8proc_category(before), second = utf8proc_category(after);
  const bool opened = first == UTF8PROC_CATEGORY_PS || first == UTF8PROC_CATEGORY_PI;
  const bool closes = second == UTF8PROC_CATEGORY_PE || second == UTF8PROC_CATEGORY_PF ||
                      second == UTF8PROC_CATEGORY_PO || WidthOf(after) == 0;
  return !opened && !closes;
}

// Whether the blank at `at` stands before "%" or "×", which stay on the line of their number.
bool StaysWithNumber(absl::string_view text, size_t at) {
  const absl::string_view rest = text.substr(at + 1);
  return absl::StartsWith(rest, "%") || absl::StartsWith(rest, "×");
}

// What no line break may split, and the blanks before it.
struct Word {
  absl::string_view blanks, text;
};

std::vector<Word> Words(absl::string_view text) {
  std::vector<Word> words;
  size_t begin = 0, word = 0;  // of its blanks, and of its text
  utf8proc_int32_t before = ' ';
  for (size_t at = 0, length = 0; at < text.size(); at += length) {
    const utf8proc_int32_t code = Decode(text, at, &length);
    if (at > word && (code == ' ' ? !StaysWithNumber(text, at) : MayBreak(before, code))) {
      words.push_back({text.substr(begin, word - begin), text.substr(word, at - word)});
      begin = word = at;
    }
    if (code == ' ' && at == word) word = at + length;
    before = code;
  }
  if (word < text.size()) words.push_back({text.substr(begin, word - begin), text.substr(word)});
  return words;
}

// Where the text of a line begins, in columns.
size_t TextBegin(absl::string_view line) {
  const size_t first = line.find_first_not_of(' ');
  if (first == absl::string_view::npos) return 0;
  if (absl::StartsWith(line.substr(first), "- ")) return first + 2;
  const size_t gap = line.find("  ", first);
  const size_t second = line.find_first_not_of(' ', gap);
  return gap == absl::string_view::npos || second == absl::string_view::npos
             ? first
             : DisplayWidth(line.substr(0, second));
}

}  // namespace

size_t DisplayWidth(absl::string_view text) {
  size_t width = 0;
  for (size_t at = 0, length = 0; at < text.size(); at += length) width += WidthOf(Decode(text, at, &length));
  return width;
}

std::string Truncate(absl::string_view text, size_t width) {
  if (DisplayWidth(text) <= width) return std::string(text);
  if (width == 0) return "";
  size_t used = 0, at = 0;
  for (size_t length = 0; at < text.size(); at += length) {
    const size_t next = WidthOf(Decode(text, at, &length));
    if (used + next > width - 1) break;
    used += next;
  }
  return absl::StrCat(text.substr(0, at), "…");
}

std::string TruncateMiddle(absl::string_view text, size_t width) {
  const size_t has = DisplayWidth(text);
  if (has <= width) return std::string(text);
  if (width < 3) return Truncate(text, width);
  // The larger half before the ellipsis.
  const std::string head = Truncate(text, width / 2 + 1);
  const size_t tail = width - DisplayWidth(head);
  size_t begin = 0, left = has;
  for (size_t length = 0; begin < text.size() && left > tail; begin += length)
    left -= WidthOf(Decode(text, begin, &length));
  return absl::StrCat(head, text.substr(begin));
}

std::vector<std::string> WrapLine(absl::string_view text, size_t width, size_t indent) {
  std::vector<std::string> lines;
  std::string line;
  size_t used = 0;
  bool any = false;  // words in the line
  for (const Word& word : Words(text)) {
    const size_t columns = DisplayWidth(word.text);
    if (any && width > 0 && used + word.blanks.size() + columns > width) {
      lines.push_back(std::move(line));
      line = std::string(indent, ' ');
      used = indent + columns;
    } else {
      absl::StrAppend(&line, word.blanks);
      used += word.blanks.size() + columns;
    }
    absl::StrAppend(&line, word.text);
    any = true;
  }
  lines.push_back(std::move(line));
  return lines;
}

size_t LongestWord(absl::string_view text) {
  size_t longest = 0;
  for (const Word& word : Words(text)) longest = std::max(longest, DisplayWidth(word.text));
  return longest;
}

std::string Wrap(absl::string_view text, size_t width) {
  if (width == 0) return std::string(text);
  std::vector<std::string> lines;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    // Where the first column takes most of the width, there is more room below it.
    const size_t begin = TextBegin(line);
    for (std::string& part : WrapLine(line, width, begin <= width / 2 ? begin : 0))
      lines.push_back(std::move(part));
  }
  return absl::StrJoin(lines, "\n");
}

std::string Pad(absl::string_view text, size_t width, bool right) {
  const size_t has = DisplayWidth(text);
  if (has >= width) return std::string(text);
  const std::string blanks(width - has, ' ');
  return right ? absl::StrCat(blanks, text) : absl::StrCat(text, blanks);
}

std::string Printable(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0, length = 0; at < text.size(); at += length) {
    const utf8proc_int32_t code = Decode(text, at, &length);
    if (code < 0) {
      out += kReplacementUtf8;
    } else if (code == '\t') {
      out += ' ';
    } else if (code < 0x20 || code == 0x7f) {
      out += '^';
      out += static_cast<char>(code ^ 0x40);
    } else if ((code >= 0x80 && code < 0xa0) || ChangesOrder(code)) {
      out += '?';
    } else {
      out.append(text.substr(at, length).data(), length);
    }
  }
  return out;
}

std::string HumanBytes(int64_t bytes) {
  if (bytes < 1000) return absl::StrCat(bytes, " B");
  static constexpr const char* kUnits[] = {"kB", "MB", "GB", "TB", "PB"};
  double value = static_cast<double>(bytes) / 1000;
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < std::size(kUnits)) {
    value /= 1000;
    ++unit;
  }
  const int digits = value < 99.95 ? 1 : 0;
  return absl::StrFormat("%.*f %s", digits, value, kUnits[unit]);
}

std::string HumanDuration(absl::Duration duration, Language language) {
  if (duration < absl::ZeroDuration()) duration = absl::ZeroDuration();
  if (duration < absl::Seconds(1)) return WithUnit(absl::ToInt64Milliseconds(duration), "ms", language);
  const int64_t seconds = absl::ToInt64Seconds(duration + absl::Milliseconds(500));
  if (seconds < 60) return WithUnit(seconds, "s", language);
  const auto two = [&](int64_t large, const char* large_unit, int64_t small, const char* small_unit) {
    return absl::StrFormat("%s %02d %s", WithUnit(large, large_unit, language), small,
                           RenderTerm(language, small_unit));
  };
  if (seconds < 3600) return two(seconds / 60, "min", seconds % 60, "s");
  if (seconds < 86400) return two(seconds / 3600, "h", seconds % 3600 / 60, "min");
  return two(seconds / 86400, "d", seconds % 86400 / 3600, "h");
}

std::string HumanTime(absl::Time time, absl::Time now, Language language) {
  const absl::Duration age = now - time;
  if (age < absl::Hours(24) && age > -absl::Minutes(1)) {
    const auto ago = [&](int64_t count, const char* unit) {
      return Render(language, messages::kTimeAgo(WithUnit(count, unit, language)));
    };
    if (age < absl::Minutes(1)) return ago(std::max<int64_t>(0, absl::ToInt64Seconds(age)), "s");
    if (age < absl::Hours(1)) return ago(absl::ToInt64Minutes(age), "min");
    return ago(absl::ToInt64Hours(age), "h");
  }
  return absl::FormatTime("%Y-%m-%d %H:%M", time, absl::LocalTimeZone());
}

std::string HumanNumber(double value) {
  if (!std::isfinite(value)) return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
  const double size = std::fabs(value);
  if (size >= 10000 && size < 1e15) {
    std::string digits = absl::StrFormat("%.0f", value);
    const size_t first = digits[0] == '-' ? 1 : 0;
    for (size_t at = digits.size(); at > first + 3;) digits.insert(at -= 3, ",");
    return digits;
  }
  return absl::StrFormat("%.4g", value);
}

}  // namespace quantlab::client
