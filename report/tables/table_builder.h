// A builder for tables, and cells that several tables share.
#ifndef QUANTLAB_REPORT_TABLES_TABLE_BUILDER_H_
#define QUANTLAB_REPORT_TABLES_TABLE_BUILDER_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "report/facts/facts.h"
#include "report/facts/language.h"
#include "report/tables/table.h"

namespace quantlab::report {

using Row = std::vector<Cell>;

// Builds a table column by column and row by row.
class Builder {
 public:
  Builder(Language language, std::string name, const char* english, const char* chinese)
      : language_(language) {
    table_.name = std::move(name);
    table_.caption = Say(language, english, chinese);
  }

  Builder& Text(const char* id, const char* english, const char* chinese) {
    table_.columns.push_back({id, Say(language_, english, chinese), false});
    return *this;
  }
  Builder& Number(const char* id, const char* english, const char* chinese) {
    table_.columns.push_back({id, Say(language_, english, chinese), true});
    return *this;
  }
  Builder& Number(const char* id, const std::string& title) {
    table_.columns.push_back({id, title, true});
    return *this;
  }
  // Only in CSV.
  Builder& Raw(const std::string& id) {
    table_.columns.push_back({id, "", false});
    return *this;
  }
  // A result: value with deviation in Markdown; value, deviation and interval in CSV.
  Builder& Results(const std::string& id, const std::string& title) {
    table_.columns.push_back({id, title, true});
    return Raw(id + "_deviation").Raw(id + "_low").Raw(id + "_high");
  }
  // The interval of a result, only in Markdown.
  Builder& Interval() {
    table_.columns.push_back({"", Say(language_, "95% interval", "95% 置信区间"), true});
    return *this;
  }

  void Add(Row row) { table_.rows.push_back(std::move(row)); }
  Table Build() { return std::move(table_); }

 private:
  Language language_;
  Table table_;
};

void Append(Row& row, Row cells);

// A number, with its deviation and interval in CSV.
template <typename Format>
Row ResultCells(const std::optional<Result>& result, Format format) {
  if (!result.has_value()) return {EmptyCell(), {}, {}, {}};
  std::string shown = format(result->value);
  // A constant value (a size) is shown without "± 0".
  if (result->deviation.value_or(0) != 0) {
    absl::StrAppend(&shown, " ± ", absl::StripPrefix(format(*result->deviation), "+"));
  }
  return {NumberCell(result->value, shown), ExactCell(result->deviation), ExactCell(result->low),
          ExactCell(result->high)};
}

template <typename Format>
Cell IntervalCell(Language language, const std::optional<Result>& result, Format format) {
  if (!result.has_value() || !result->low.has_value() || !result->high.has_value()) return {"—", ""};
  return {absl::StrCat(format(*result->low), Say(language, " to ", " 至 "), format(*result->high)), ""};
}

// The title of a metric from its spec.
std::string Title(Language language, const std::string& metric);

Cell FlagCell(Language language, bool yes);

// The label of a variant in Markdown, its name in CSV.
Cell VariantCell(Language language, const VariantFacts& variant);

// The column of a test's p: in Markdown the corrected one, in CSV also the uncorrected one.
void PColumns(Builder& builder, const TaskSpec& task, const std::string& title);
// Their cells. Without a correction `corrected` is nullopt. For several seeds, the number of seeds for which
// the corrected p was below 0.05.
Row PCells(const std::optional<Result>& p, const std::optional<Result>& corrected, int significant);

// Calls `add` for every comparison and every variant that it measured.
template <typename Function>
void ForEachMeasured(const Facts& facts, Function add) {
  for (size_t i = 0; i < facts.comparisons.size(); ++i) {
    for (const VariantFacts& variant : facts.variants)
      add(facts.comparisons[i], variant, variant.measured[i]);
  }
}

// The comparison's run name is in CSV, and in Markdown only if there are several comparisons.
void ComparisonColumn(Builder& builder, const Facts& facts);

const AttemptRecord* AttemptOf(const RunReport& run);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_TABLES_TABLE_BUILDER_H_
