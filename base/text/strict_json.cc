#include "base/text/strict_json.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <system_error>

namespace quantlab {
namespace {

constexpr size_t kEscape = 6;  // \\uXXXX

// The code unit of a JSON escape \\uXXXX at `at`; nullopt where there is none.
std::optional<unsigned> UnicodeEscape(std::string_view json, size_t at) {
  if (json.substr(at, 2) != "\\u" || at + kEscape > json.size()) return std::nullopt;
  unsigned unit = 0;
  const auto [end, error] = std::from_chars(json.data() + at + 2, json.data() + at + kEscape, unit, 16);
  if (error != std::errc() || end != json.data() + at + kEscape) return std::nullopt;
  return unit;
}

bool IsHighSurrogate(std::optional<unsigned> unit) {
  return unit && *unit >= 0xD800 && *unit < 0xDC00;
}

bool IsLowSurrogate(std::optional<unsigned> unit) {
  return unit && *unit >= 0xDC00 && *unit < 0xE000;
}

// Appends the escape sequence of a string that starts at `at`; one half of a surrogate pair alone, as a text
// that was cut within an emoji has it, becomes U+FFFD. Returns how many bytes were read.
size_t CopyEscape(std::string_view json, size_t at, std::string* out) {
  const std::optional<unsigned> unit = UnicodeEscape(json, at);
  const bool pair = IsHighSurrogate(unit) && IsLowSurrogate(UnicodeEscape(json, at + kEscape));
  const size_t length = pair ? 2 * kEscape : unit ? kEscape : 2;
  const bool alone = !pair && (IsHighSurrogate(unit) || IsLowSurrogate(unit));
  out->append(alone ? "\\ufffd" : json.substr(at, length));
  return length;
}

}  // namespace

std::string StrictJson(std::string_view json) {
  std::string strict;
  bool in_string = false;
  size_t at = 0;
  while (at < json.size()) {
    if (in_string && json[at] == '\\') {
      at += CopyEscape(json, at, &strict);
      continue;
    }
    if (json[at] == '"') in_string = !in_string;
    size_t word = 0;
    for (const std::string_view name : {"-Infinity", "Infinity", "NaN"}) {
      if (!in_string && word == 0 && json.substr(at, name.size()) == name) word = name.size();
    }
    strict += word > 0 ? std::string_view("null") : json.substr(at, 1);
    at += std::max<size_t>(word, 1);
  }
  return strict;
}

}  // namespace quantlab
