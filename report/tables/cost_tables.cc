// The variants at a glance, and what they cost: time, bytes of the model, memory.
#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "report/facts/format.h"
#include "report/facts/names.h"
#include "report/facts/phrases.h"
#include "report/facts/quality.h"
#include "report/facts/verdict.h"
#include "report/tables/table_builder.h"
#include "report/tables/tables.h"

namespace quantlab::report {
namespace {

bool HasP99(const Facts& facts) {
  bool any = false;
  ForEachMeasured(facts, [&](const ComparisonFacts&, const VariantFacts&, const Measured& measured) {
    for (const auto& [shape, timing] : measured.by_shape) any = any || timing.p99.has_value();
  });
  return any;
}

Row SpeedRow(Language language, const ComparisonFacts& comparison, const VariantFacts& variant,
             const InputShape& shape, const Timing& timing, bool p99) {
  Row row = {CodeCell(comparison.run->run.name), VariantCell(language, variant), CountCell(shape.batch_size),
             CountCell(shape.sequence_length)};
  Append(row, ResultCells(timing.p50, FormatSeconds));
  Append(row, ResultCells(timing.p90, FormatSeconds));
  if (p99) Append(row, ResultCells(timing.p99, FormatSeconds));
  const auto rate = [](double value) { return FormatNumber(value, 3); };
  Append(row, ResultCells(timing.throughput, rate));
  Append(row, ResultCells(timing.speedup, SpeedupFormat(timing.speedup.value_or(Result()))));
  row.push_back(IntervalCell(language, timing.speedup, FormatRatio));
  const int64_t samples = timing.p50.has_value() ? timing.p50->samples : 0;
  row.push_back(samples > 0 ? CountCell(samples) : EmptyCell());
  row.push_back(FlagCell(language, comparison.Reliable(shape)));
  return row;
}

// A speedup with its interval, and whether to trust it, in one cell.
Row SpeedupCells(Language language, const Result* known, bool reliable) {
  const std::optional<Result> speedup = known == nullptr ? std::nullopt : std::optional<Result>(*known);
  Row cells = ResultCells(speedup, SpeedupFormat(speedup.value_or(Result())));
  if (!speedup.has_value()) return cells;
  const Cell interval = IntervalCell(language, speedup, FormatRatio);
  if (speedup->low.has_value()) absl::StrAppend(&cells[0].markdown, " (", interval.markdown, ")");
  if (!reliable) absl::StrAppend(&cells[0].markdown, " ", Say(language, "**unreliable**", "**不可靠**"));
  return cells;
}

// With the name that the experiment file gives the variant, by which other tables and programs know it.
Cell SummaryNameCell(Language language, const VariantFacts& variant) {
  Cell cell = VariantCell(language, variant);
  if (!variant.label.english.empty()) absl::StrAppend(&cell.markdown, Brackets(language, Code(variant.name)));
  return cell;
}

// " = Static quantization", after the name of a variant that is the same model.
std::string SameAs(Language language, const Facts& facts, const VariantFacts& variant) {
  return variant.same_as.empty() ? "" : absl::StrCat(" = ", Named(language, *facts.Find(variant.same_as)));
}

Row SummaryRow(Language language, const Facts& facts, const VariantFacts& variant, bool pareto,
               const std::set<InputShape>& shapes) {
  const Measured measured = variant.measured.empty() ? Measured() : variant.measured[0];
  Row row = {SummaryNameCell(language, variant)};
  const TaskSpec& task = *variant.task;
  absl::StrAppend(&row[0].markdown, SameAs(language, facts, variant));
  Append(row, ResultCells(variant.accuracy, QualityFormat(task)));
  row.push_back(IntervalCell(language, variant.accuracy, QualityFormat(task)));
  Append(row, ResultCells(variant.difference, DifferenceFormat(task)));
  Append(row, PCells(variant.p_value, variant.holm_p, variant.significant_seeds));
  row.push_back(FlagCell(language, pareto));
  for (const InputShape& shape : shapes) {
    Append(row, SpeedupCells(language, SpeedupOf(variant, 0, shape), facts.comparisons[0].Reliable(shape)));
  }
  Append(row, ResultCells(measured.size, FormatBytes));
  const auto peak = measured.memory.find("peak");
  Append(row, ResultCells(peak == measured.memory.end() ? std::nullopt : std::optional<Result>(peak->second),
                          FormatBytes));
  return row;
}

Cell BytesCell(const Result* bytes) {
  return bytes == nullptr ? EmptyCell() : NumberCell(bytes->value, FormatBytes(bytes->value));
}

Cell SpeedCell(Language language, const Facts& facts, const VariantFacts& variant, const InputShape& shape) {
  const Result* const speedup = SpeedupOf(variant, 0, shape);
  if (speedup == nullptr) return EmptyCell();
  if (facts.comparisons[0].Reliable(shape))
    return NumberCell(speedup->value, SpeedupFormat(*speedup)(speedup->value));
  return NumberCell(speedup->value, Say(language, "unreliable", "不可靠"));
}

Row AnswerRow(Language language, const Facts& facts, const VariantFacts& variant, bool pareto,
              const InputShape& shape) {
  const Quantities known = KnownQuantities(facts);
  Cell name = VariantCell(language, variant);
  absl::StrAppend(&name.markdown, SameAs(language, facts, variant), pareto ? " ★" : "");
  Cell accuracy = EmptyCell();
  std::optional<double> points;
  if (!variant.baseline) {
    if (const auto difference = DifferenceOf(variant, facts.baseline())) points = difference->value;
  }
  if (variant.accuracy.has_value()) {
    accuracy = NumberCell(variant.accuracy->value, QualityFormat(*variant.task)(variant.accuracy->value));
    if (points.has_value())
      absl::StrAppend(&accuracy.markdown, Brackets(language, DifferenceFormat(*variant.task)(*points)));
  }
  Row row = {name, accuracy, ExactCell(points), {"", pareto ? "true" : "false"}};
  if (shape.batch_size > 0) row.push_back(SpeedCell(language, facts, variant, shape));
  if (known.size) row.push_back(BytesCell(FirstSize(variant)));
  if (known.memory) row.push_back(BytesCell(FirstPeak(variant)));
  return row;
}

// Kinds of memory in the order of their meaning; others follow by name.
std::vector<std::string> MemoryKinds(const Facts& facts) {
  std::set<std::string> seen;
  ForEachMeasured(facts, [&](const ComparisonFacts&, const VariantFacts&, const Measured& measured) {
    for (const auto& [kind, result] : measured.memory) seen.insert(kind);
  });
  std::vector<std::string> kinds;
  for (const char* stem : {"peak", "load"}) {
    for (const char* part : {"", "_anonymous", "_file"}) {
      const std::string kind = absl::StrCat(stem, part);
      if (seen.erase(kind) > 0) kinds.push_back(kind);
    }
  }
  kinds.insert(kinds.end(), seen.begin(), seen.end());
  return kinds;
}

std::string MemoryTitle(Language language, const std::string& kind) {
  static const auto* const titles = new std::map<std::string, std::pair<const char*, const char*>>{
      {"peak", {"Peak", "峰值"}},
      {"device_peak", {"Peak on the GPU", "GPU 峰值"}},
      {"peak_anonymous", {"Peak, anonymous", "峰值（匿名）"}},
      {"peak_file", {"Peak, file-backed", "峰值（文件映射）"}},
      {"load", {"Growth on load", "加载增量"}},
      {"load_anonymous", {"On load, anonymous", "加载增量（匿名）"}},
      {"load_file", {"On load, file-backed", "加载增量（文件映射）"}},
  };
  const auto it = titles->find(kind);
  return it == titles->end() ? EscapeMarkdown(kind) : Say(language, it->second.first, it->second.second);
}

}  // namespace

Table AnswerTable(Language language, const Facts& facts) {
  const InputShape shape = HeadlineShape(facts);
  const Quantities known = KnownQuantities(facts);
  const TaskSpec& task = facts.task();
  const std::string unit = task.numeric ? "" : Say(language, " in percentage points", "（百分点）");
  const std::string caption =
      Fill(language,
           "The variants at a glance, with the difference in $0 from FP32$1. A "
           "star marks the Pareto set: no other variant is at least as good in every quantity and better in "
           "one.",
           "各方案一览，括号内为相对 FP32 "
           "的$0之差$1。星号标出帕累托集：没有其他方案在各项上均不劣于它且至少一项更优。",
           QualityName(language, task), unit);
  Builder builder(language, "answer", caption.c_str(), caption.c_str());
  builder.Text("variant", "Variant", "方案").Number(task.quality.c_str(), QualityTitle(language, task));
  builder.Raw(task.difference).Raw("pareto");
  if (shape.batch_size > 0) {
    builder.Number("speedup", absl::StrCat(Say(language, "Speed, ", "速度，"), ShapeText(language, shape)));
  }
  if (known.size) builder.Number("model_bytes", Say(language, "Size", "体积"));
  if (known.memory) builder.Number("peak_bytes", Say(language, "Memory", "内存"));
  const std::vector<const VariantFacts*> set = ParetoSet(facts);
  for (const VariantFacts& variant : facts.variants) {
    const bool pareto = std::find(set.begin(), set.end(), &variant) != set.end();
    builder.Add(AnswerRow(language, facts, variant, pareto, shape));
  }
  return builder.Build();
}

Table SummaryTable(Language language, const Facts& facts) {
  const TaskSpec& task = facts.task();
  const std::string caption = Fill(
      language,
      "The variants at a glance. Speedups are relative to the best FP32 path; p is $0 "
      "against the baseline. Of the Pareto set no other variant is at least as good in every quantity and "
      "better in one.",
      "各方案一览。加速比相对最优 FP32 路径；p 为与基线的 "
      "$0。对帕累托集中的方案，没有其他方案在各项上均不劣于它且至少一项更优。",
      task.numeric ? Say(language, "the paired bootstrap", "成对自助法")
                   : Say(language, "McNemar's paired test", "McNemar 配对检验"));
  Builder builder(language, "summary", caption.c_str(), caption.c_str());
  builder.Text("variant", "Variant", "方案").Results(task.quality, QualityTitle(language, task)).Interval();
  builder.Results(task.difference, DifferenceTitle(language, task));
  PColumns(builder, task, "p");
  builder.Text("pareto", "Pareto set", "帕累托集");
  const std::set<InputShape> shapes = facts.ShapesWithSpeedup(0);
  for (const InputShape& shape : shapes) {
    builder.Results(
        absl::StrCat("speedup_", ShapeKey(shape)),
        absl::StrCat(Say(language, "Speedup, batch ", "加速比，批大小 "), ShapeValue(language, shape)));
  }
  builder.Results("model_bytes", Title(language, "model_size"));
  builder.Results("peak_bytes", Say(language, "Peak memory", "内存峰值"));
  const std::vector<const VariantFacts*> set = ParetoSet(facts);
  for (const VariantFacts& variant : facts.variants) {
    const bool pareto = std::find(set.begin(), set.end(), &variant) != set.end();
    builder.Add(SummaryRow(language, facts, variant, pareto, shapes));
  }
  return builder.Build();
}

Table SpeedTable(Language language, const Facts& facts) {
  Builder builder(language, "speed",
                  "Speed, measured side by side on one machine; the speedup is over the best FP32 path, from "
                  "paired ratios.",
                  "速度，在同一台机器上并排测量；加速比相对最优 FP32 路径，由配对比值得出。");
  ComparisonColumn(builder, facts);
  builder.Text("variant", "Variant", "方案").Number("batch_size", "Batch", "批大小");
  builder.Number("sequence_length", "Tokens", "词元数");
  builder.Results("p50_seconds", "p50").Results("p90_seconds", "p90");
  const bool p99 = HasP99(facts);
  if (p99) builder.Results("p99_seconds", "p99");
  builder.Results("texts_per_second", Say(language, "Texts/s", "条/秒"));
  builder.Results("speedup", Title(language, "speedup")).Interval();
  builder.Number("samples", "Samples", "样本数").Text("reliable", "Reliable", "可靠");
  ForEachMeasured(
      facts, [&](const ComparisonFacts& comparison, const VariantFacts& variant, const Measured& measured) {
        for (const auto& [shape, timing] : measured.by_shape) {
          builder.Add(SpeedRow(language, comparison, variant, shape, timing, p99));
        }
      });
  return builder.Build();
}

Table SizeTable(Language language, const Facts& facts) {
  Builder builder(language, "size",
                  "Bytes of the saved, reloadable model, and the baseline's bytes over them; decimal units.",
                  "保存后可重新加载的模型字节数，以及基线与之的比值；十进制单位。");
  ComparisonColumn(builder, facts);
  builder.Text("variant", "Variant", "方案");
  builder.Results("model_bytes", Say(language, "Whole model", "整个模型"));
  builder.Results("compression_ratio", Title(language, "compression_ratio"));
  builder.Results("quantized_layers_bytes", Say(language, "Quantized layers", "被量化的层"));
  builder.Results("quantized_layers_compression_ratio", Say(language, "Their compression ratio", "其压缩比"));
  ForEachMeasured(
      facts, [&](const ComparisonFacts& comparison, const VariantFacts& variant, const Measured& measured) {
        if (!measured.size.has_value() && !measured.ratio.has_value()) return;
        Row row = {CodeCell(comparison.run->run.name), VariantCell(language, variant)};
        Append(row, ResultCells(measured.size, FormatBytes));
        Append(row, ResultCells(measured.ratio, FormatCompression));
        Append(row, ResultCells(measured.layers_size, FormatBytes));
        Append(row, ResultCells(measured.layers_ratio, FormatCompression));
        builder.Add(row);
      });
  return builder.Build();
}

Table MemoryTable(Language language, const Facts& facts) {
  Builder builder(language, "memory",
                  "Memory of a fresh process that loads only this variant; anonymous and file-backed pages "
                  "apart, since mapped weights would flatter FP32.",
                  "只加载该方案的新进程的内存；匿名内存与文件映射分开统计，否则映射的权重会美化 FP32。");
  ComparisonColumn(builder, facts);
  builder.Text("variant", "Variant", "方案");
  const std::vector<std::string> kinds = MemoryKinds(facts);
  for (const std::string& kind : kinds) builder.Results(kind + "_bytes", MemoryTitle(language, kind));
  ForEachMeasured(facts, [&](const ComparisonFacts& comparison, const VariantFacts& variant,
                             const Measured& measured) {
    if (measured.memory.empty()) return;
    Row row = {CodeCell(comparison.run->run.name), VariantCell(language, variant)};
    for (const std::string& kind : kinds) {
      const auto it = measured.memory.find(kind);
      Append(row, ResultCells(it == measured.memory.end() ? std::nullopt : std::optional<Result>(it->second),
                              FormatBytes));
    }
    builder.Add(row);
  });
  return builder.Build();
}

}  // namespace quantlab::report
