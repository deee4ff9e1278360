#include "report/tables/table.h"

#include "absl/strings/str_cat.h"

namespace quantlab::report {

Cell TextCell(absl::string_view text) {
  return {EscapeMarkdown(text), OneLine(text)};
}

Cell CodeCell(absl::string_view text) {
  return {Code(text), OneLine(text)};
}

Cell CountCell(int64_t value) {
  return {FormatCount(value), std::to_string(value)};
}

Cell NumberCell(double value, const std::string& shown) {
  return {shown, FormatExact(value)};
}

Cell EmptyCell() {
  return {"—", ""};
}

Cell ExactCell(std::optional<double> value) {
  return value.has_value() ? Cell{"", FormatExact(*value)} : Cell{};
}

std::string TableMarkdown(const Table& table) {
  if (table.rows.empty()) return "";
  std::string header = "|", rule = "|", body;
  for (const Column& column : table.columns) {
    if (column.title.empty()) continue;
    absl::StrAppend(&header, " ", column.title, " |");
    absl::StrAppend(&rule, column.number ? "---:|" : "---|");
  }
  for (const std::vector<Cell>& row : table.rows) {
    body += '|';
    for (size_t i = 0; i < table.columns.size(); ++i) {
      if (!table.columns[i].title.empty()) absl::StrAppend(&body, " ", row[i].markdown, " |");
    }
    body += '\n';
  }
  return absl::StrCat(header, "\n", rule, "\n", body);
}

std::string TableCsv(const Table& table) {
  std::string csv;
  const auto write_line = [&](auto text_of) {
    bool first = true;
    for (size_t i = 0; i < table.columns.size(); ++i) {
      if (table.columns[i].id.empty()) continue;
      absl::StrAppend(&csv, first ? "" : ",", EscapeCsv(text_of(i)));
      first = false;
    }
    csv += '\n';
  };
  write_line([&](size_t i) { return table.columns[i].id; });
  for (const std::vector<Cell>& row : table.rows) {
    write_line([&](size_t i) { return row[i].csv; });
  }
  return csv;
}

}  // namespace quantlab::report
