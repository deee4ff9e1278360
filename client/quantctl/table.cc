#include "client/quantctl/table.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/messages/message_catalogue.h"
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

Table::Needs Table::ColumnNeeds(const std::vector<std::string>& titles) const {
  Needs needs;
  const auto add = [&needs](size_t i, const std::string& text) {
    for (const std::string& line : Lines(text)) {
      needs.whole[i] = std::max(needs.whole[i], DisplayWidth(line));
      needs.word[i] = std::max(needs.word[i], LongestWord(line));
    }
  };
  needs.whole.resize(titles.size());
  needs.word.resize(titles.size());
  for (size_t i = 0; i < titles.size(); ++i) add(i, titles[i]);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) add(i, row[i].text);
  }
  return needs;
}

std::vector<size_t> Table::Widths(const std::vector<std::string>& titles, size_t width) const {
  const Needs needs = ColumnNeeds(titles);
  std::vector<size_t> widths = needs.whole;
  if (width == 0 || widths.empty()) return widths;
  std::vector<size_t> flexible;
  size_t taken = (widths.size() - 1) * kGap, words = 0;
  for (size_t i = 0; i < widths.size(); ++i) {
    if (columns_[i].flexible) flexible.push_back(i);
    (columns_[i].flexible ? words : taken) += columns_[i].flexible ? needs.word[i] : widths[i];
  }
  size_t left = width - std::min(width, taken);
  // Where there is room for every word, each column has what its longest word takes, and an equal share of
  // the rest.
  const bool words_fit = words <= left;
  const auto least = [&](size_t i) {
    return words_fit ? needs.word[i] : std::min(needs.whole[i], kMinColumn);
  };
  for (const size_t i : flexible) left -= std::min(left, least(i));
  std::sort(flexible.begin(), flexible.end(),
            [&](size_t a, size_t b) { return needs.whole[a] - least(a) < needs.whole[b] - least(b); });
  for (size_t i = 0; i < flexible.size(); ++i) {
    const size_t column = flexible[i];
    const size_t more = std::min(needs.whole[column] - least(column), left / (flexible.size() - i));
    widths[column] = least(column) + more;
    left -= more;
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
