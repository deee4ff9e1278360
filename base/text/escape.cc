#include "base/text/escape.h"

#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/text/utf8.h"

namespace quantlab {
namespace {

constexpr absl::string_view kEllipsis = "…";

std::string_view Std(absl::string_view text) {
  return {text.data(), text.size()};
}

// A quote, a backslash or a control character as JSON escapes it; empty for any other character.
std::string JsonEscape(char c) {
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      break;
  }
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f ? absl::StrFormat("\\u%04x", byte) : "";
}

// Whether a spreadsheet takes a field for a formula (OWASP, "CSV Injection"); an apostrophe before it makes
// it text. Numbers stay as they are, and a dash alone marks an empty cell.
bool IsFormula(absl::string_view text) {
  double number;
  return text.size() > 1 && absl::string_view("=+-@\t\r").find(text[0]) != absl::string_view::npos &&
         !absl::SimpleAtod(text, &number);
}

}  // namespace

std::string CsvField(absl::string_view text) {
  const bool formula = IsFormula(text);
  if (text.find_first_of(",\"\r\n") == absl::string_view::npos) return absl::StrCat(formula ? "'" : "", text);
  std::string quoted = formula ? "\"'" : "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

std::string JsonQuote(absl::string_view text) {
  std::string quoted = "\"";
  for (const char c : RepairUtf8(Std(text))) {
    const std::string escaped = JsonEscape(c);
    if (escaped.empty()) {
      quoted += c;
    } else {
      quoted += escaped;
    }
  }
  return quoted + "\"";
}

std::string CleanText(absl::string_view text, size_t max_bytes) {
  std::string out;
  while (!text.empty()) {
    const DecodedCodePoint decoded = DecodeUtf8(Std(text));
    const auto first = static_cast<unsigned char>(text[0]);
    const bool control = (first < 0x20 && first != '\t') || first == 0x7f;
    const std::string_view shown = decoded.valid && !control
                                       ? Std(text).substr(0, static_cast<size_t>(decoded.length))
                                       : kReplacementUtf8;
    if (first != '\r') {
      if (out.size() + shown.size() > max_bytes) break;
      out.append(shown);
    }
    text.remove_prefix(static_cast<size_t>(decoded.length));
  }
  return out;
}

std::string Shorten(absl::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  return absl::StrCat(std::string(Utf8Prefix(Std(text), max_bytes - kEllipsis.size())), kEllipsis);
}

}  // namespace quantlab
