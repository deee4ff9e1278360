#include "report/tables/table_builder.h"

#include "base/config/metric_spec.h"
#include "report/facts/format.h"
#include "report/facts/names.h"

namespace quantlab::report {

void Append(Row& row, Row cells) {
  row.insert(row.end(), cells.begin(), cells.end());
}

std::string Title(Language language, const std::string& metric) {
  const MetricSpec* const spec = DescribeMetric(metric);
  if (spec == nullptr) return EscapeMarkdown(metric);
  return language == Language::kEnglish ? spec->title : spec->title_zh;
}

Cell FlagCell(Language language, bool yes) {
  return {yes ? Say(language, "yes", "是") : Say(language, "no", "否"), yes ? "true" : "false"};
}

Cell VariantCell(Language language, const VariantFacts& variant) {
  return {Named(language, variant), OneLine(variant.name)};
}

void PColumns(Builder& builder, const TaskSpec& task, const std::string& title) {
  builder.Number(task.p_holm.c_str(), title).Raw(task.p_value);
}

Row PCells(const std::optional<Result>& p, const std::optional<Result>& corrected, int significant) {
  if (!p.has_value()) return {EmptyCell(), {}};
  if (p->seeds > 1) return {Cell{absl::StrCat(significant, "/", p->seeds, " p < 0.05"), ""}, {}};
  const double shown = corrected.value_or(*p).value;
  return {NumberCell(shown, FormatPValue(shown)), ExactCell(p->value)};
}

void ComparisonColumn(Builder& builder, const Facts& facts) {
  if (facts.comparisons.size() > 1) {
    builder.Text("comparison", "Comparison", "对比运行");
  } else {
    builder.Raw("comparison");
  }
}

const AttemptRecord* AttemptOf(const RunReport& run) {
  if (run.attempt.has_value()) return &*run.attempt;
  return run.attempts.empty() ? nullptr : &run.attempts.back();
}

}  // namespace quantlab::report
