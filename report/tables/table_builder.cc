#include "report/tables/table_builder.h"

#include "base/metric_spec.h"
#include "report/facts/format.h"

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

Cell PCell(const std::optional<Result>& p, int significant) {
  if (!p.has_value()) return EmptyCell();
  if (p->seeds > 1) {
    return {absl::StrCat(significant, "/", p->seeds, " p < 0.05"), ""};
  }
  return NumberCell(p->value, FormatPValue(p->value));
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
