#include "report/facts/plot_label.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/text/utf8.h"
#include "report/facts/format.h"

namespace quantlab::report {
namespace {

size_t CharacterBytes(absl::string_view text, size_t at) {
  return static_cast<size_t>(DecodeUtf8({text.data() + at, text.size() - at}).length);
}

double CharacterWidth(absl::string_view text, size_t at) {
  const size_t bytes = CharacterBytes(text, at);
  if (bytes >= 3) return 1;
  const char c = text[at];
  if (c == 'i' || c == 'l' || c == '.' || c == ',' || c == ' ' || c == '\'') return 0.3;
  return (c >= 'A' && c <= 'Z') || c == 'm' || c == 'w' ? 0.72 : 0.56;
}

}  // namespace

std::string PlotLabel(absl::string_view text, double em) {
  const std::string line = absl::StrReplaceAll(OneLine(text), {{"\"", "'"}, {"\\", "/"}, {",", ";"}});
  if (TextWidth(line) <= em) return line;
  double width = 1;  // of the "…"
  size_t end = 0;
  while (end < line.size() && width + CharacterWidth(line, end) <= em) {
    width += CharacterWidth(line, end);
    end += CharacterBytes(line, end);
  }
  return absl::StrCat(line.substr(0, end), "…");
}

std::string PlotLabelEnd(absl::string_view text, double em) {
  const std::string line = PlotLabel(text, std::numeric_limits<double>::infinity());
  double width = TextWidth(line);
  if (width <= em) return line;
  width += 1;  // of the "…"
  size_t start = 0;
  while (start < line.size() && width > em) {
    width -= CharacterWidth(line, start);
    start += CharacterBytes(line, start);
  }
  return absl::StrCat("…", line.substr(start));
}

double TextWidth(absl::string_view text) {
  double width = 0;
  for (size_t at = 0; at < text.size(); at += CharacterBytes(text, at)) width += CharacterWidth(text, at);
  return width;
}

}  // namespace quantlab::report
