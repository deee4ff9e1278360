#include "client/quantctl/table.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/message_catalogue.h"
#include "client/display/text.h"

namespace quantlab::client {
namespace {

constexpr size_t kGap = 2;  // blanks between columns
// A flexible column gets no narrower: the terminal then breaks the lines.
constexpr size_t kMinColumn = 10;

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (std::string& line : lines) line = Printable(line);
  return lines;
}

// The lines of a cell; `width` 0: as wide as they are.
std::vector<std::string> FittingLines(const std::string& text, size_t width) {
  std::vector<std::string> lines;
  for (const std::string& line : Lines(text)) {
    for (const std::string& part : WrapLine(line, width)) {
      lines.push_back(width > 0 ? TruncateMiddle(part, width) : part);
    }
  }
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

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
  if (!columns_.empty()) columns_.back().flexible = true;
}

std::vector<size_t> Table::Widths(const std::vector<std::string>& titles, size_t width) const {
  std::vector<size_t> widths;
  for (const std::string& title : titles) widths.push_back(DisplayWidth(title));
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      for (const std::string& line : Lines(row[i].text)) widths[i] = std::max(widths[i], DisplayWidth(line));
    }
  }
  if (width == 0 || widths.empty()) return widths;
  size_t left = width;
  const auto take = [&left](size_t columns) { left -= std::min(left, columns); };
  take((widths.size() - 1) * kGap);
  std::vector<size_t> flexible;  // the narrowest first
  for (size_t i = 0; i < widths.size(); ++i) {
    if (columns_[i].flexible) flexible.push_back(i);
    if (!columns_[i].flexible) take(widths[i]);
  }
  std::sort(flexible.begin(), flexible.end(), [&](size_t a, size_t b) { return widths[a] < widths[b]; });
  for (size_t i = 0; i < flexible.size(); ++i) {
    size_t& columns = widths[flexible[i]];
    columns = std::min(columns, std::max(left / (flexible.size() - i), kMinColumn));
    take(columns);
  }
  return widths;
}

std::string Table::Render(bool color, int width, Language language) const {
  std::vector<Cell> titles;
  std::vector<std::string> title_texts;
  for (const Column& column : columns_) {
    title_texts.push_back(RenderTerm(language, column.title));
    titles.emplace_back(title_texts.back(), Tone::kFaint);
  }
  const bool limited = width > 0;
  const std::vector<size_t> widths = Widths(title_texts, static_cast<size_t>(std::max(width, 0)));

  std::string out;
  const auto add_line = [&](const std::vector<std::string>& texts, const std::vector<Cell>& cells) {
    size_t last = texts.size();
    while (last > 0 && texts[last - 1].empty()) --last;
    for (size_t i = 0; i < last; ++i) {
      const bool right = columns_[i].align == Align::kRight;
      const std::string padded = Pad(texts[i], widths[i], right);
      // Colour only the text, not the padding.
      const std::string blanks(padded.size() - texts[i].size(), ' ');
      const std::string painted = Paint(texts[i], cells[i].tone, color);
      if (i > 0) out.append(kGap, ' ');
      if (right) absl::StrAppend(&out, blanks, painted);
      if (!right) absl::StrAppend(&out, painted, i + 1 < last ? blanks : "");
    }
    out += '\n';
  };
  const auto add_row = [&](const std::vector<Cell>& row) {
    std::vector<std::vector<std::string>> cells;
    size_t height = 1;
    for (size_t i = 0; i < row.size(); ++i) {
      cells.push_back(FittingLines(row[i].text, limited && columns_[i].flexible ? widths[i] : 0));
      height = std::max(height, cells.back().size());
    }
    for (size_t line = 0; line < height; ++line) {
      std::vector<std::string> texts;
      for (const auto& cell : cells) texts.push_back(line < cell.size() ? cell[line] : "");
      add_line(texts, row);
    }
  };

  add_row(titles);
  for (const auto& row : rows_) add_row(row);
  return out;
}

}  // namespace quantlab::client
