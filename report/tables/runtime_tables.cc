// The variants in other runtimes: speedups side by side, and each with its times and its check.
#include "report/tables/runtime_tables.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/config/runtime_names.h"
#include "report/facts/format.h"
#include "report/facts/input_shape.h"
#include "report/facts/runtimes.h"
#include "report/tables/table_builder.h"

namespace quantlab::report {
namespace {

std::string VersionIn(const VariantInRuntimes& timed, const std::string& runtime) {
  const auto it = timed.checks.find(runtime);
  return it == timed.checks.end() ? "" : it->second.version;
}

template <typename Function>
void ForEachShape(const std::vector<RuntimeFacts>& all, Function add) {
  for (const RuntimeFacts& runtimes : all) {
    for (const VariantInRuntimes& timed : runtimes.variants) {
      for (const auto& [shape, timings] : timed.by_shape) add(*runtimes.comparison, timed, shape, timings);
    }
  }
}

// "2.90× (2.80× to 3.00×)"; the reference is marked.
Row SpeedupCells(Language language, const RuntimeTiming* timing, const std::string& runtime, bool baseline,
                 bool reliable) {
  const std::optional<Result> speedup = timing == nullptr ? std::nullopt : timing->speedup;
  Row cells = ResultCells(speedup, FormatCompression);
  if (!speedup.has_value()) return cells;
  const bool is_reference = baseline && timing->reference == runtime;
  if (is_reference) {
    cells[0].markdown = Say(language, "best FP32", "最优 FP32");
  } else if (speedup->low.has_value()) {
    absl::StrAppend(&cells[0].markdown, " (", IntervalCell(language, speedup, FormatCompression).markdown,
                    ")");
  }
  if (!reliable) absl::StrAppend(&cells[0].markdown, " ", Say(language, "**unreliable**", "**不可靠**"));
  return cells;
}

Row TimesRow(Language language, const ComparisonFacts& comparison, const VariantInRuntimes& timed,
             const InputShape& shape, const std::string& runtime, const RuntimeTiming& timing) {
  Row row = {CodeCell(comparison.run->run.name),
             VariantCell(language, *timed.variant),
             {EscapeMarkdown(RuntimeTitle(runtime)), runtime},
             TextCell(VersionIn(timed, runtime)),
             CountCell(shape.batch_size),
             CountCell(shape.sequence_length)};
  Append(row, ResultCells(timing.p50, FormatSeconds));
  Append(row, ResultCells(timing.p90, FormatSeconds));
  Append(row, ResultCells(timing.speedup, FormatCompression));
  row.push_back(IntervalCell(language, timing.speedup, FormatCompression));
  row.push_back({EscapeMarkdown(RuntimeTitle(timing.reference)), timing.reference});
  const auto check = timed.checks.find(runtime);
  const bool checked = check != timed.checks.end();
  const auto shown = [](double value) { return FormatNumber(value, 3); };
  Append(row, ResultCells(checked ? check->second.difference : std::nullopt, shown));
  row.push_back(checked ? TextCell(check->second.tolerance) : EmptyCell());
  return row;
}

}  // namespace

Table RuntimesTable(Language language, const Facts& facts) {
  Builder builder(
      language, "runtimes",
      "Speed of each variant in each runtime, measured in the same blocks on the same cores, over the "
      "best FP32 of any runtime: median of paired ratios with its 95% interval.",
      "各方案在各运行时中的速度，在同一批区块、相同的核上测量，相对各运行时中最优的 FP32："
      "取配对比值的中位数及 95% 置信区间。");
  const std::vector<RuntimeFacts> all = CollectRuntimes(facts);
  const std::vector<std::string> runtimes = TimedRuntimes(all);
  ComparisonColumn(builder, facts);
  builder.Text("variant", "Variant", "方案").Number("batch_size", "Batch", "批大小");
  builder.Number("sequence_length", "Tokens", "词元数");
  for (const std::string& runtime : runtimes) {
    builder.Results(absl::StrCat("speedup_", runtime), EscapeMarkdown(RuntimeTitle(runtime)));
  }
  ForEachShape(all, [&](const ComparisonFacts& comparison, const VariantInRuntimes& timed,
                        const InputShape& shape, const RuntimeTimings& timings) {
    Row row = {CodeCell(comparison.run->run.name), VariantCell(language, *timed.variant),
               CountCell(shape.batch_size), CountCell(shape.sequence_length)};
    for (const std::string& runtime : runtimes) {
      const auto timing = timings.find(runtime);
      Append(row, SpeedupCells(language, timing == timings.end() ? nullptr : &timing->second, runtime,
                               timed.variant->baseline, comparison.Reliable(shape)));
    }
    builder.Add(row);
  });
  return builder.Build();
}

Table RuntimeTimesTable(Language language, const Facts& facts) {
  Builder builder(language, "runtime_times",
                  "Times in each runtime, and the largest difference of a logit from quant-runner's with its "
                  "tolerance.",
                  "各运行时中的时间，以及 logit 与 quant-runner 的最大差值及其容差。");
  ComparisonColumn(builder, facts);
  builder.Text("variant", "Variant", "方案").Text("runtime", "Runtime", "运行时");
  builder.Text("version", "Version", "版本").Number("batch_size", "Batch", "批大小");
  builder.Number("sequence_length", "Tokens", "词元数");
  builder.Results("p50_seconds", "p50").Results("p90_seconds", "p90");
  builder.Results("speedup", Say(language, "Speedup", "加速比")).Interval();
  builder.Text("reference", "Over FP32 in", "相对 FP32（运行时）");
  builder.Results("logit_difference", Say(language, "Difference of logits", "logit 差值"));
  builder.Text("tolerance", "Tolerance", "容差");
  ForEachShape(CollectRuntimes(facts), [&](const ComparisonFacts& comparison, const VariantInRuntimes& timed,
                                           const InputShape& shape, const RuntimeTimings& timings) {
    for (const auto& [runtime, timing] : timings) {
      builder.Add(TimesRow(language, comparison, timed, shape, runtime, timing));
    }
  });
  return builder.Build();
}

}  // namespace quantlab::report
