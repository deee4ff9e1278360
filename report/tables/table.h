// A table that is written both as Markdown for readers and as CSV for programs.
#ifndef QUANTLAB_REPORT_TABLES_TABLE_H_
#define QUANTLAB_REPORT_TABLES_TABLE_H_

#include <optional>
#include <string>
#include <vector>

#include "report/facts/format.h"

namespace quantlab::report {

struct Column {
  std::string id;       // header in CSV: "accuracy_low"; empty: not in CSV
  std::string title;    // header in Markdown; empty: not in Markdown
  bool number = false;  // right-aligned
};

// One cell in both forms.
struct Cell {
  std::string markdown;  // Markdown that is valid in a table
  std::string csv;       // plain text; quoted when written
};

Cell TextCell(absl::string_view text);
Cell CodeCell(absl::string_view text);
Cell CountCell(int64_t value);
// `shown` in Markdown, the exact value in CSV.
Cell NumberCell(double value, const std::string& shown);
// Not measured: "—" in Markdown, empty in CSV.
Cell EmptyCell();
// Only in CSV.
Cell ExactCell(std::optional<double> value);

struct Table {
  std::string name;     // of its files: "accuracy"
  std::string caption;  // Markdown
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;  // each as long as `columns`
};

// Header, rule and rows, without caption; every line ends in a line break. Empty if there are no rows.
std::string TableMarkdown(const Table& table);
// Header and rows, lines ended with LF.
std::string TableCsv(const Table& table);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_TABLES_TABLE_H_
