// Every number with its provenance, training curves, and all other metrics of the runs.
#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/config/metric_spec.h"
#include "report/facts/config_lines.h"
#include "report/facts/format.h"
#include "report/facts/quality.h"
#include "report/tables/table_builder.h"
#include "report/tables/tables.h"

namespace quantlab::report {
namespace {

std::string LabelsText(const Metric& metric) {
  return absl::StrJoin(metric.labels, " ", absl::PairFormatter("="));
}

// In Markdown, a run with the same name as its variant is not repeated.
Cell LabelsCell(const Metric& metric) {
  Metric shown = metric;
  const auto run = shown.labels.find("run"), variant = shown.labels.find("variant");
  const auto end = shown.labels.end();
  if (run != end && variant != end && run->second == variant->second) shown.labels.erase(run);
  return {EscapeMarkdown(LabelsText(shown)), OneLine(LabelsText(metric))};
}

// Shares are shown as percentages, ratios with ×, others with their unit.
std::string Shown(Language language, const Metric& metric, double value) {
  static const auto* const shares =
      new std::set<std::string>{"accuracy", "precision", "recall", "f1_score", "agreement"};
  if (shares->count(metric.name) > 0) return FormatShare(value);
  if (metric.name == "compression_ratio") return FormatCompression(value);
  if (metric.name == "speedup") return FormatRatio(value);
  if (metric.name == "aa_ratio") return FormatAaRatio(value);
  for (const TaskSpec& task : AllTasks()) {
    if (metric.name == task.p_value || metric.name == task.p_holm) return FormatPValue(value);
    if (metric.name == task.difference) return FormatDifference(task, value, language);
  }
  if (metric.name == "pearson" || metric.name == "spearman") return FormatCorrelation(value);
  return EscapeMarkdown(FormatByUnit(value, metric.unit, language));
}

// The key of a curve: name and labels.
using CurveKey = std::pair<std::string, std::string>;

std::map<CurveKey, std::vector<const Metric*>> CurvesOf(const RunReport& run) {
  std::map<CurveKey, std::vector<const Metric*>> curves;
  for (const Metric& metric : run.metrics) {
    if (metric.step > 0) curves[{metric.name, LabelsText(metric)}].push_back(&metric);
  }
  for (auto& [key, points] : curves) {
    std::stable_sort(points.begin(), points.end(),
                     [](const Metric* a, const Metric* b) { return a->step < b->step; });
  }
  return curves;
}

Cell ValueCell(Language language, const Metric& metric) {
  return NumberCell(metric.value, Shown(language, metric, metric.value));
}

Cell MetricIntervalCell(Language language, const Metric& metric) {
  if (!metric.low.has_value() || !metric.high.has_value()) return {"—", ""};
  return {absl::StrCat(Shown(language, metric, *metric.low), Say(language, " to ", " 至 "),
                       Shown(language, metric, *metric.high)),
          ""};
}

Row MetricRow(Language language, const RunReport& run, const Metric& metric) {
  return {Cell{Title(language, metric.name), metric.name},
          LabelsCell(metric),
          ValueCell(language, metric),
          {"", OneLine(metric.unit)},
          MetricIntervalCell(language, metric),
          ExactCell(metric.low),
          ExactCell(metric.high),
          metric.samples > 0 ? CountCell(metric.samples) : EmptyCell(),
          CodeCell(run.run.name)};
}

// Metrics of AllMetrics() except those of the validation split, which training uses. Metrics that the tables
// above show remain only with other averages.
bool CanBeAskedFor(const Metric& metric) {
  for (const char* shown :
       {"accuracy", "precision", "recall", "f1_score", "pearson", "spearman", "mean_squared_error"}) {
    if (metric.name == shown) return false;
  }
  const auto split = metric.labels.find("split");
  if (split != metric.labels.end() && split->second != "test") return false;
  const auto& metrics = AllMetrics();
  return std::any_of(metrics.begin(), metrics.end(),
                     [&](const MetricSpec& spec) { return spec.name == metric.name; });
}

void MetricColumns(Builder& builder) {
  builder.Text("metric", "Metric", "指标")
      .Text("labels", "Of", "标签")
      .Number("value", "Value", "数值")
      .Raw("unit");
  builder.Interval().Raw("low").Raw("high").Number("samples", "Samples", "样本数").Text("run", "Run", "运行");
}

}  // namespace

Table ProvenanceTable(Language language, const ReportData& data) {
  Builder builder(language, "provenance",
                  "Every number with the run and the attempt that measured it; the table of sources has the "
                  "rest of each run.",
                  "每个数字及测得它的运行和尝试；来源表给出各运行的其余信息。");
  MetricColumns(builder);
  builder.Number("attempt", "Attempt", "尝试")
      .Text("worker", "Worker", "工作节点")
      .Text("device", "Device", "设备");
  builder.Raw("source_run").Raw("config_sha256").Raw("dataset_sha256");
  for (const RunReport& run : data.runs) {
    if (run.run.state != RunState::kSucceeded) continue;
    const AttemptRecord* const attempt = AttemptOf(run);
    const std::string digest = ConfigDigest(run.config);
    for (const Metric& metric : run.metrics) {
      if (metric.step > 0) continue;
      Row row = MetricRow(language, run, metric);
      Append(row, {attempt == nullptr ? EmptyCell() : CountCell(attempt->key.number),
                   CodeCell(attempt == nullptr ? "" : attempt->worker_id),
                   TextCell(run.run.device),
                   {"", attempt == nullptr ? "" : attempt->key.run_id},
                   {"", digest},
                   {"", run.config.dataset.asset.digest}});
      builder.Add(row);
    }
  }
  return builder.Build();
}

Table CurvesTable(Language language, const ReportData& data) {
  Builder builder(language, "curves", "Curves: where each begins and ends.", "曲线的起点与终点。");
  builder.Text("run", "Run", "运行").Text("metric", "Metric", "指标").Text("labels", "Of", "标签");
  builder.Number("points", "Points", "点数").Number("first_step", "First step", "首步");
  builder.Number("first", "Value", "数值")
      .Number("last_step", "Last step", "末步")
      .Number("last", "Value", "数值");
  for (const RunReport& run : data.runs) {
    for (const auto& [key, points] : CurvesOf(run)) {
      builder.Add({CodeCell(run.run.name), Cell{Title(language, key.first), key.first}, TextCell(key.second),
                   CountCell(static_cast<int64_t>(points.size())), CountCell(points.front()->step),
                   ValueCell(language, *points.front()), CountCell(points.back()->step),
                   ValueCell(language, *points.back())});
    }
  }
  return builder.Build();
}

Table CurvePointsTable(Language language, const ReportData& data) {
  Builder builder(language, "curve_points", "Curves, point by point.", "曲线的每个点。");
  builder.Text("run", "Run", "运行").Text("metric", "Metric", "指标").Text("labels", "Of", "标签");
  builder.Number("step", "Step", "步").Number("value", "Value", "数值").Raw("unit");
  for (const RunReport& run : data.runs) {
    for (const auto& [key, points] : CurvesOf(run)) {
      for (const Metric* point : points) {
        builder.Add({CodeCell(run.run.name),
                     Cell{Title(language, key.first), key.first},
                     TextCell(key.second),
                     CountCell(point->step),
                     ValueCell(language, *point),
                     {"", OneLine(point->unit)}});
      }
    }
  }
  return builder.Build();
}

Table OtherTable(Language language, const Facts& facts, OtherRows rows) {
  Builder builder(language, "other", "Numbers that have no place in the tables above.",
                  "未列入以上各表的指标。");
  MetricColumns(builder);
  for (const OtherMetric& other : facts.other) {
    if (rows == OtherRows::kAskedFor && !CanBeAskedFor(other.metric)) continue;
    builder.Add(MetricRow(language, *other.run, other.metric));
  }
  return builder.Build();
}

}  // namespace quantlab::report
