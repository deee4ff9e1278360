#include "client/quantctl/table.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/message_catalogue.h"
#include "client/display/text.h"

namespace quantlab::client {
namespace {

constexpr size_t kMinLastColumn = 12;

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (std::string& line : lines) line = Printable(line);
  return lines;
}

const char* ColorOf(Tone tone) {
  switch (tone) {
    case Tone::kPlain:
      return "";
    case Tone::kGood:
      return "\033[32m";
    case Tone::kBad:
      return "\033[31m";
    case Tone::kBusy:
      return "\033[36m";
    case Tone::kFaint:
      return "\033[2m";
  }
  return "";
}

}  // namespace

std::string Paint(const std::string& text, Tone tone, bool color) {
  if (!color || tone == Tone::kPlain || text.empty()) return text;
  return absl::StrCat(ColorOf(tone), text, "\033[0m");
}

std::string Table::Render(bool color, int width, Language language) const {
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(RenderTerm(language, column.title));
  std::vector<size_t> widths;
  for (const std::string& title : titles) widths.push_back(DisplayWidth(title));
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      for (const std::string& line : Lines(row[i].text)) widths[i] = std::max(widths[i], DisplayWidth(line));
    }
  }
  size_t before_last = 0;
  for (size_t i = 0; i + 1 < widths.size(); ++i) before_last += widths[i] + 2;
  if (width > 0 && before_last + widths.back() > static_cast<size_t>(width)) {
    const size_t room = static_cast<size_t>(width) > before_last ? width - before_last : 0;
    widths.back() = std::max(room, kMinLastColumn);
  }

  std::string out;
  const auto add_line = [&](const std::vector<std::string>& cells, const std::vector<Tone>& tones) {
    size_t last = cells.size();
    while (last > 0 && cells[last - 1].empty()) --last;
    for (size_t i = 0; i < last; ++i) {
      const std::string text = Truncate(cells[i], widths[i]);
      const bool right = columns_[i].align == Align::kRight;
      const std::string padded = Pad(text, widths[i], right);
      // Colour only the text, not the padding.
      const std::string blanks(padded.size() - text.size(), ' ');
      const std::string painted = Paint(text, tones[i], color);
      if (i > 0) out += "  ";
      if (right) absl::StrAppend(&out, blanks, painted);
      if (!right) absl::StrAppend(&out, painted, i + 1 < last ? blanks : "");
    }
    out += '\n';
  };

  add_line(titles, std::vector<Tone>(titles.size(), Tone::kFaint));
  for (const auto& row : rows_) {
    std::vector<std::vector<std::string>> cells;
    std::vector<Tone> tones;
    size_t height = 1;
    for (const Cell& cell : row) {
      cells.push_back(Lines(cell.text));
      tones.push_back(cell.tone);
      height = std::max(height, cells.back().size());
    }
    for (size_t line = 0; line < height; ++line) {
      std::vector<std::string> texts;
      for (const auto& cell : cells) texts.push_back(line < cell.size() ? cell[line] : "");
      add_line(texts, tones);
    }
  }
  return out;
}

}  // namespace quantlab::client
