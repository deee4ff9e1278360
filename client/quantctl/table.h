// Aligned tables for a terminal.
#ifndef QUANTLAB_CLIENT_QUANTCTL_TABLE_H_
#define QUANTLAB_CLIENT_QUANTCTL_TABLE_H_

#include <string>
#include <vector>

#include "base/language.h"

namespace quantlab::client {

enum class Align { kLeft, kRight };
enum class Tone { kPlain, kGood, kBad, kBusy, kFaint };

// `text` in the colour of `tone`, when `color`.
std::string Paint(const std::string& text, Tone tone, bool color);

struct Cell {
  Cell(std::string t, Tone o = Tone::kPlain)
      : text(std::move(t)), tone(o) {}  // NOLINT(google-explicit-constructor)
  Cell(const char* t) : text(t) {}      // NOLINT(google-explicit-constructor)
  std::string text;
  Tone tone = Tone::kPlain;
};

// Columns are as wide as their widest cell in terminal columns (CJK takes two), separated by two spaces, with
// no trailing spaces. Cells are made printable; a line break in a cell starts a new line in its column.
//
// Where they are too wide for a terminal, the flexible columns share what the others leave: their cells
// continue on further lines, and a word that is wider than its column is cut in the middle.
class Table {
 public:
  struct Column {
    std::string title;
    Align align = Align::kLeft;
    bool flexible = false;  // the last column always is
  };
  static Column Flexible(std::string title) { return {std::move(title), Align::kLeft, true}; }

  explicit Table(std::vector<Column> columns);

  // As many cells as columns.
  void Add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }

  // `width`: of the terminal, in columns; 0: no limit. Titles that are terms of the catalogue are shown in
  // `language`.
  std::string Render(bool color, int width = 0, Language language = Language::kEnglish) const;

 private:
  // Columns of the terminal that a column's widest line takes, and its longest word.
  struct Needs {
    std::vector<size_t> whole, word;
  };
  Needs ColumnNeeds(const std::vector<std::string>& titles) const;
  // How wide each column is, if the flexible ones have to share `width`.
  std::vector<size_t> Widths(const std::vector<std::string>& titles, size_t width) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_TABLE_H_
