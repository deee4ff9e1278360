#include "report/tables.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/metric_spec.h"
#include "report/config_lines.h"
#include "report/format.h"
#include "report/sentences.h"

namespace quantlab::report {
namespace {

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
  // In CSV only.
  Builder& Raw(const std::string& id) {
    table_.columns.push_back({id, "", false});
    return *this;
  }
  // A result: value with deviation for people; value, deviation and interval for programs.
  Builder& Results(const std::string& id, const std::string& title) {
    table_.columns.push_back({id, title, true});
    return Raw(id + "_deviation").Raw(id + "_low").Raw(id + "_high");
  }
  // The interval of a result, for people only.
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

void Append(Row& row, Row cells) {
  row.insert(row.end(), cells.begin(), cells.end());
}

template <typename Format>
Row ResultCells(const std::optional<Result>& result, Format format) {
  if (!result.has_value()) return {EmptyCell(), {}, {}, {}};
  std::string shown = format(result->value);
  // What does not vary (a size) needs no "± 0".
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

std::string Title(Language language, const std::string& metric) {
  const MetricSpec* const spec = DescribeMetric(metric);
  if (spec == nullptr) return EscapeMarkdown(metric);
  return language == Language::kEnglish ? spec->title : spec->title_zh;
}

const char* YesNo(Language language, bool yes) {
  return yes ? Say(language, "yes", "是") : Say(language, "no", "否");
}

Cell FlagCell(Language language, bool yes) {
  return {YesNo(language, yes), yes ? "true" : "false"};
}

std::string LabelsText(const Metric& metric) {
  return absl::StrJoin(metric.labels, " ", absl::PairFormatter("="));
}

// For people: a run of the same name as its variant needs no second mention.
Cell LabelsCell(const Metric& metric) {
  Metric shown = metric;
  const auto run = shown.labels.find("run"), variant = shown.labels.find("variant");
  const auto end = shown.labels.end();
  if (run != end && variant != end && run->second == variant->second) shown.labels.erase(run);
  return {EscapeMarkdown(LabelsText(shown)), OneLine(LabelsText(metric))};
}

// Shares are shown as percentages, ratios with ×, others by their unit.
std::string Shown(Language language, const Metric& metric, double value) {
  static const auto* const shares =
      new std::set<std::string>{"accuracy", "precision", "recall", "f1_score", "agreement"};
  static const auto* const ratios = new std::set<std::string>{"compression_ratio", "speedup"};
  if (shares->count(metric.name) > 0) return FormatShare(value);
  if (ratios->count(metric.name) > 0) return FormatRatio(value);
  if (metric.name == "aa_ratio") return FormatNumber(value, 4);
  if (metric.name == "mcnemar_p_value") return FormatPValue(value);
  if (metric.name == "accuracy_difference") return FormatPoints(value, language);
  return EscapeMarkdown(FormatByUnit(value, metric.unit, language));
}

Cell PCell(const std::optional<Result>& p, int significant) {
  if (!p.has_value()) return EmptyCell();
  if (p->seeds > 1) {
    return {absl::StrCat(significant, "/", p->seeds, " p < 0.05"), ""};
  }
  return NumberCell(p->value, FormatPValue(p->value));
}

Cell SeedsCell(const VariantFacts& variant) {
  return {absl::StrJoin(variant.runs, ", ",
                        [](std::string* out, const RunReport* run) { absl::StrAppend(out, run->run.seed); }),
          absl::StrJoin(variant.runs, ";",
                        [](std::string* out, const RunReport* run) { absl::StrAppend(out, run->run.seed); })};
}

// Calls `add` for every comparison and variant of which the comparison measured anything.
template <typename Function>
void ForEachMeasured(const Facts& facts, Function add) {
  for (size_t i = 0; i < facts.comparisons.size(); ++i) {
    for (const VariantFacts& variant : facts.variants)
      add(facts.comparisons[i], variant, variant.measured[i]);
  }
}

// The comparison's run name is for programs, and for people only where there are several.
void ComparisonColumn(Builder& builder, Language language, const Facts& facts) {
  if (facts.comparisons.size() > 1) {
    builder.Text("comparison", "Comparison", "对比运行");
  } else {
    builder.Raw("comparison");
  }
  (void)language;
}

bool HasP99(const Facts& facts) {
  bool any = false;
  ForEachMeasured(facts, [&](const ComparisonFacts&, const VariantFacts&, const Measured& measured) {
    for (const auto& [size, timing] : measured.by_batch_size) any = any || timing.p99.has_value();
  });
  return any;
}

Row SpeedRow(Language language, const ComparisonFacts& comparison, const VariantFacts& variant,
             int64_t batch_size, const Timing& timing, bool p99) {
  Row row = {CodeCell(comparison.run->run.name), CodeCell(variant.name), CountCell(batch_size)};
  Append(row, ResultCells(timing.p50, FormatSeconds));
  Append(row, ResultCells(timing.p90, FormatSeconds));
  if (p99) Append(row, ResultCells(timing.p99, FormatSeconds));
  const auto rate = [](double value) { return FormatNumber(value, 3); };
  Append(row, ResultCells(timing.throughput, rate));
  Append(row, ResultCells(timing.speedup, FormatRatio));
  row.push_back(IntervalCell(language, timing.speedup, FormatRatio));
  const int64_t samples = timing.p50.has_value() ? timing.p50->samples : 0;
  row.push_back(samples > 0 ? CountCell(samples) : EmptyCell());
  row.push_back(FlagCell(language, comparison.Reliable(batch_size)));
  return row;
}

// Those at which the first comparison has a speedup.
std::vector<int64_t> BatchSizes(const Facts& facts) {
  std::set<int64_t> sizes;
  for (const VariantFacts& variant : facts.variants) {
    if (variant.measured.empty()) continue;
    for (const auto& [size, timing] : variant.measured[0].by_batch_size) {
      if (timing.speedup.has_value()) sizes.insert(size);
    }
  }
  return {sizes.begin(), sizes.end()};
}

// A speedup with its interval, and whether to trust it, in one cell.
Row SpeedupCells(Language language, const std::optional<Result>& speedup, bool reliable) {
  Row cells = ResultCells(speedup, FormatRatio);
  if (!speedup.has_value()) return cells;
  const Cell interval = IntervalCell(language, speedup, FormatRatio);
  if (speedup->low.has_value()) absl::StrAppend(&cells[0].markdown, " (", interval.markdown, ")");
  if (!reliable) absl::StrAppend(&cells[0].markdown, " ", Say(language, "**unreliable**", "**不可靠**"));
  return cells;
}

Row SummaryRow(Language language, const Facts& facts, const VariantFacts& variant,
               const std::vector<int64_t>& sizes) {
  const Measured measured = variant.measured.empty() ? Measured() : variant.measured[0];
  Row row = {CodeCell(variant.name)};
  Append(row, ResultCells(variant.accuracy, FormatShare));
  row.push_back(IntervalCell(language, variant.accuracy, FormatShare));
  Append(row, ResultCells(variant.difference, FormatPointsBare));
  row.push_back(PCell(variant.p_value, variant.significant_seeds));
  for (const int64_t size : sizes) {
    const auto it = measured.by_batch_size.find(size);
    Append(row, SpeedupCells(language, it == measured.by_batch_size.end() ? std::nullopt : it->second.speedup,
                             facts.comparisons[0].Reliable(size)));
  }
  Append(row, ResultCells(measured.size, FormatBytes));
  const auto peak = measured.memory.find("peak");
  Append(row, ResultCells(peak == measured.memory.end() ? std::nullopt : std::optional<Result>(peak->second),
                          FormatBytes));
  return row;
}

// Kinds of memory in the order of their meaning; others follow by name.
std::vector<std::string> MemoryKinds(const Facts& facts) {
  std::set<std::string> seen;
  ForEachMeasured(facts, [&](const ComparisonFacts&, const VariantFacts&, const Measured& measured) {
    for (const auto& [kind, result] : measured.memory) seen.insert(kind);
  });
  std::vector<std::string> kinds;
  for (const char* stem : {"peak", "load", "forward"}) {
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
      {"peak_anonymous", {"Peak, anonymous", "峰值（匿名）"}},
      {"peak_file", {"Peak, file-backed", "峰值（文件映射）"}},
      {"load", {"Growth on load", "加载增量"}},
      {"load_anonymous", {"On load, anonymous", "加载增量（匿名）"}},
      {"load_file", {"On load, file-backed", "加载增量（文件映射）"}},
      {"forward", {"Growth after a pass", "前向增量"}},
      {"forward_anonymous", {"After a pass, anonymous", "前向增量（匿名）"}},
      {"forward_file", {"After a pass, file-backed", "前向增量（文件映射）"}}};
  const auto it = titles->find(kind);
  return it == titles->end() ? EscapeMarkdown(kind) : Say(language, it->second.first, it->second.second);
}

struct LayerGroup {
  int64_t count = 0;
  double macs = 0;
  int64_t bytes_fp32 = 0, bytes = 0;
};

// Layers of a variant are the same for every seed but for faults; the first run that has any stands for all.
const RunReport* LayersOf(const VariantFacts& variant) {
  for (const RunReport* run : variant.runs) {
    if (run->run.state == RunState::kSucceeded && !run->layers.empty()) return run;
  }
  return nullptr;
}

double Seconds(const std::optional<absl::Time>& from, const std::optional<absl::Time>& to) {
  return from.has_value() && to.has_value() ? absl::ToDoubleSeconds(*to - *from) : 0;
}

Cell DurationCell(const RunRecord& run) {
  if (!run.start_time.has_value() || !run.end_time.has_value()) return EmptyCell();
  const double seconds = Seconds(run.start_time, run.end_time);
  return NumberCell(seconds, FormatSeconds(seconds));
}

// A list of CPU flags would fill a page: cut for people, whole for programs.
Cell LongTextCell(const std::string& text) {
  constexpr size_t kShown = 100;
  const std::string line = OneLine(text);
  if (line.size() <= kShown) return TextCell(line);
  size_t end = line.rfind(' ', kShown);
  if (end == std::string::npos || end == 0) end = kShown;
  while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) --end;  // whole characters
  return {absl::StrCat(EscapeMarkdown(line.substr(0, end)), " …"), line};
}

Cell DigestCell(const std::string& digest) {
  return {Code(ShortDigest(digest)), digest};
}

std::string Fact(const RunReport& run, const std::string& name) {
  const auto it = run.environment.facts.find(name);
  return it == run.environment.facts.end() ? "" : it->second;
}

// The result's attempt where there is one, else the last.
const AttemptRecord* AttemptOf(const RunReport& run) {
  if (run.attempt.has_value()) return &*run.attempt;
  return run.attempts.empty() ? nullptr : &run.attempts.back();
}

Row SourceRow(Language language, const RunReport& run) {
  const AttemptRecord* const attempt = AttemptOf(run);
  const std::string fingerprint = !run.environment.fingerprint.empty() ? run.environment.fingerprint
                                  : attempt != nullptr                 ? attempt->worker_fingerprint
                                                                       : "";
  return {CodeCell(run.run.name),
          CodeCell(attempt == nullptr ? "" : attempt->key.run_id),
          attempt == nullptr ? EmptyCell() : CountCell(attempt->key.number),
          FlagCell(language, run.run.reused),
          CodeCell(attempt == nullptr ? "" : attempt->worker_id),
          TextCell(attempt == nullptr ? "" : attempt->worker_hostname),
          TextCell(run.run.device),
          {std::to_string(run.run.seed), std::to_string(run.run.seed)},
          DigestCell(fingerprint),
          DigestCell(ConfigDigest(run.config)),
          DigestCell(run.config.dataset.asset.digest),
          DigestCell(run.config.model.digest),
          DigestCell(Fact(run, "runner_sha256"))};
}

// Where one curve is: name and labels.
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

void MetricColumns(Builder& builder) {
  builder.Text("metric", "Metric", "指标")
      .Text("labels", "Of", "标签")
      .Number("value", "Value", "数值")
      .Raw("unit");
  builder.Interval().Raw("low").Raw("high").Number("samples", "Samples", "样本数").Text("run", "Run", "运行");
}

}  // namespace

Table SummaryTable(Language language, const Facts& facts) {
  Builder builder(
      language, "summary",
      "The variants at a glance. The speedup is over the best FP32 path; p is McNemar's paired test "
      "against the baseline.",
      "各方案一览。加速比相对最优 FP32 路径；p 为与基线的 McNemar 配对检验。");
  builder.Text("variant", "Variant", "方案").Results("accuracy", Title(language, "accuracy")).Interval();
  builder.Results("accuracy_difference", Say(language, "Difference, points", "准确率差（百分点）"));
  builder.Number("mcnemar_p_value", "p");
  const std::vector<int64_t> sizes = BatchSizes(facts);
  for (const int64_t size : sizes) {
    builder.Results(absl::StrCat("speedup_batch_", size),
                    absl::StrCat(Say(language, "Speedup, batch ", "加速比，批大小 "), size));
  }
  builder.Results("model_bytes", Title(language, "model_size"));
  builder.Results("peak_bytes", Say(language, "Peak memory", "内存峰值"));
  for (const VariantFacts& variant : facts.variants) builder.Add(SummaryRow(language, facts, variant, sizes));
  return builder.Build();
}

Table AccuracyTable(Language language, const Facts& facts) {
  Builder builder(language, "accuracy",
                  "Quality on the test split; the interval of one run is Wilson's, several seeds give mean ± "
                  "standard deviation.",
                  "测试集上的质量指标；单次运行给出 Wilson 区间，多个随机种子给出均值 ± 标准差。");
  builder.Text("variant", "Variant", "方案").Text("seeds", "Seeds", "种子");
  builder.Results("accuracy", Title(language, "accuracy")).Interval().Number("samples", "Texts", "文本数");
  builder.Results("accuracy_difference", Say(language, "Difference, points", "准确率差（百分点）"))
      .Interval();
  builder.Number("mcnemar_p_value", Title(language, "mcnemar_p_value"));
  builder.Results("agreement", Title(language, "agreement"));
  for (const char* name : {"precision", "recall", "f1_score"}) builder.Results(name, Title(language, name));
  builder.Results("f1_macro", Say(language, "F1, macro", "F1（宏平均）"));
  for (const VariantFacts& variant : facts.variants) {
    Row row = {CodeCell(variant.name), SeedsCell(variant)};
    Append(row, ResultCells(variant.accuracy, FormatShare));
    row.push_back(IntervalCell(language, variant.accuracy, FormatShare));
    const int64_t samples = variant.accuracy.has_value() ? variant.accuracy->samples : 0;
    row.push_back(samples > 0 ? CountCell(samples) : EmptyCell());
    Append(row, ResultCells(variant.difference, FormatPointsBare));
    row.push_back(IntervalCell(language, variant.difference, FormatPointsBare));
    row.push_back(PCell(variant.p_value, variant.significant_seeds));
    for (const auto* result :
         {&variant.agreement, &variant.precision, &variant.recall, &variant.f1, &variant.f1_macro}) {
      Append(row, ResultCells(*result, FormatShare));
    }
    builder.Add(row);
  }
  return builder.Build();
}

Table PairedTable(Language language, const Facts& facts) {
  Builder builder(language, "paired",
                  "Against the baseline on the same texts: how many change class, McNemar's test with Holm's "
                  "correction, and whether the variant is shown to be no worse by the margin.",
                  "与基线在相同文本上的比较：类别改变的文本数、McNemar 检验及 Holm "
                  "校正，以及是否可证明不比基线差超过界值。");
  builder.Text("variant", "Variant", "方案");
  builder.Results("right_to_wrong", Say(language, "Right to wrong", "由对变错"));
  builder.Results("wrong_to_right", Say(language, "Wrong to right", "由错变对"));
  builder.Results("wrong_to_wrong", Say(language, "Wrong to wrong", "由错变错"));
  builder.Number("mcnemar_p_value", "p")
      .Number("mcnemar_p_holm", Say(language, "p (Holm)", "p（Holm 校正）"));
  builder.Text("non_inferior", "No worse", "不劣于基线").Text("margin", "Margin", "界值");
  const auto count = [](double value) {
    return value == std::floor(value) ? FormatCount(static_cast<int64_t>(value)) : FormatNumber(value, 3);
  };
  for (const VariantFacts& variant : facts.variants) {
    if (!variant.lost && !variant.gained && !variant.holm_p && !variant.non_inferior) continue;
    Row row = {CodeCell(variant.name)};
    for (const auto* result : {&variant.lost, &variant.gained, &variant.other_flips}) {
      Append(row, ResultCells(*result, count));
    }
    row.push_back(PCell(variant.p_value, variant.significant_seeds));
    row.push_back(PCell(variant.holm_p, variant.significant_seeds));
    row.push_back(variant.non_inferior ? FlagCell(language, variant.non_inferior->value == 1) : EmptyCell());
    row.push_back(TextCell(variant.margin));
    builder.Add(row);
  }
  return builder.Build();
}

Table PairsTable(Language language, const Facts& facts) {
  Builder builder(language, "pairs",
                  "Variants against one another on the same texts; not corrected for the number of tests.",
                  "各方案之间在相同文本上的比较；未按检验次数校正。");
  builder.Text("variant", "Variant", "方案").Text("against", "Against", "对照");
  builder.Results("accuracy_difference", Say(language, "Difference, points", "准确率差（百分点）"))
      .Interval();
  builder.Number("mcnemar_p_value", Title(language, "mcnemar_p_value"));
  for (const PairFacts& pair : facts.pairs) {
    Row row = {CodeCell(pair.variant), CodeCell(pair.against)};
    Append(row, ResultCells(pair.difference, FormatPointsBare));
    row.push_back(IntervalCell(language, pair.difference, FormatPointsBare));
    row.push_back(PCell(pair.p_value, 0));
    builder.Add(row);
  }
  return builder.Build();
}

Table SensitivityTable(Language language, const Facts& facts) {
  Builder builder(language, "sensitivity",
                  "What quantizing each layer alone does: to the loss, to its output (SQNR), and its time.",
                  "单独量化每一层的影响：对损失、对其输出（SQNR）以及耗时。");
  builder.Text("variant", "Variant", "方案")
      .Text("layer", "Layer", "层")
      .Text("precision", "Precision", "精度");
  builder.Number("divergence", "Divergence, nats", "答案散度（nat）");
  builder.Number("loss_increase", "Loss increase", "损失增量").Number("sqnr_db", "SQNR, dB", "SQNR（dB）");
  builder.Number("seconds", "Time", "耗时");
  const auto cell = [](std::optional<double> value, auto format) {
    return value.has_value() ? NumberCell(*value, format(*value)) : EmptyCell();
  };
  const auto number = [](double value) { return FormatNumber(value, 3); };
  for (const VariantFacts& variant : facts.variants) {
    for (const LayerSensitivity& one : variant.sensitivity) {
      builder.Add({CodeCell(variant.name), CodeCell(one.layer), TextCell(one.precision),
                   cell(one.divergence, number), cell(one.loss_increase, number), cell(one.sqnr_db, number),
                   cell(one.seconds, FormatSeconds)});
    }
  }
  return builder.Build();
}

Table FrontTable(Language language, const Facts& facts) {
  Builder builder(language, "front", "The Pareto front of mixed precision, by time.",
                  "混合精度的帕累托前沿，按耗时排列。");
  builder.Text("variant", "Variant", "方案").Number("point", "Point", "序号");
  builder.Number("seconds", "Estimated time", "估计耗时")
      .Number("loss_increase", "Loss increase", "损失增量");
  builder.Number("accuracy", "Accuracy (validation)", "准确率（验证集）");
  builder.Number("bytes", "Bytes", "字节").Text("chosen", "Chosen", "选用");
  for (const VariantFacts& variant : facts.variants) {
    for (const FrontPoint& point : variant.front) {
      builder.Add({CodeCell(variant.name), CountCell(point.number),
                   point.seconds ? NumberCell(*point.seconds, FormatSeconds(*point.seconds)) : EmptyCell(),
                   point.loss_increase
                       ? NumberCell(*point.loss_increase, FormatNumber(*point.loss_increase, 3))
                       : EmptyCell(),
                   point.accuracy ? NumberCell(*point.accuracy, FormatShare(*point.accuracy)) : EmptyCell(),
                   point.bytes ? NumberCell(*point.bytes, FormatBytes(*point.bytes)) : EmptyCell(),
                   FlagCell(language, point.chosen)});
    }
  }
  return builder.Build();
}

Table SpeedTable(Language language, const Facts& facts) {
  Builder builder(language, "speed",
                  "Speed, measured side by side in one process on one machine; the speedup is over the best "
                  "FP32 path, as the median of paired ratios.",
                  "速度，在同一台机器的同一进程内并排测量；加速比相对最优 FP32 路径，取配对比值的中位数。");
  ComparisonColumn(builder, language, facts);
  builder.Text("variant", "Variant", "方案").Number("batch_size", "Batch", "批大小");
  builder.Results("p50_seconds", "p50").Results("p90_seconds", "p90");
  const bool p99 = HasP99(facts);
  if (p99) builder.Results("p99_seconds", "p99");
  builder.Results("texts_per_second", Say(language, "Texts/s", "条/秒"));
  builder.Results("speedup", Title(language, "speedup")).Interval();
  builder.Number("samples", "Samples", "样本数").Text("reliable", "Reliable", "可靠");
  ForEachMeasured(
      facts, [&](const ComparisonFacts& comparison, const VariantFacts& variant, const Measured& measured) {
        for (const auto& [size, timing] : measured.by_batch_size) {
          builder.Add(SpeedRow(language, comparison, variant, size, timing, p99));
        }
      });
  return builder.Build();
}

Table SizeTable(Language language, const Facts& facts) {
  Builder builder(language, "size",
                  "Bytes of the saved, reloadable model, and the baseline's bytes over them; decimal units.",
                  "保存后可重新加载的模型字节数，以及基线与之的比值；十进制单位。");
  ComparisonColumn(builder, language, facts);
  builder.Text("variant", "Variant", "方案");
  builder.Results("model_bytes", Say(language, "Whole model", "整个模型"));
  builder.Results("compression_ratio", Title(language, "compression_ratio"));
  builder.Results("quantized_layers_bytes", Say(language, "Quantized layers", "被量化的层"));
  builder.Results("quantized_layers_compression_ratio", Say(language, "Their compression ratio", "其压缩比"));
  ForEachMeasured(
      facts, [&](const ComparisonFacts& comparison, const VariantFacts& variant, const Measured& measured) {
        if (!measured.size.has_value() && !measured.ratio.has_value()) return;
        Row row = {CodeCell(comparison.run->run.name), CodeCell(variant.name)};
        Append(row, ResultCells(measured.size, FormatBytes));
        Append(row, ResultCells(measured.ratio, FormatRatio));
        Append(row, ResultCells(measured.layers_size, FormatBytes));
        Append(row, ResultCells(measured.layers_ratio, FormatRatio));
        builder.Add(row);
      });
  return builder.Build();
}

Table MemoryTable(Language language, const Facts& facts) {
  Builder builder(language, "memory",
                  "Memory of a fresh process that loads only this variant; anonymous and file-backed pages "
                  "apart, since mapped weights would flatter FP32.",
                  "只加载该方案的新进程的内存；匿名内存与文件映射分开统计，否则映射的权重会美化 FP32。");
  ComparisonColumn(builder, language, facts);
  builder.Text("variant", "Variant", "方案");
  const std::vector<std::string> kinds = MemoryKinds(facts);
  for (const std::string& kind : kinds) builder.Results(kind + "_bytes", MemoryTitle(language, kind));
  ForEachMeasured(facts, [&](const ComparisonFacts& comparison, const VariantFacts& variant,
                             const Measured& measured) {
    if (measured.memory.empty()) return;
    Row row = {CodeCell(comparison.run->run.name), CodeCell(variant.name)};
    for (const std::string& kind : kinds) {
      const auto it = measured.memory.find(kind);
      Append(row, ResultCells(it == measured.memory.end() ? std::nullopt : std::optional<Result>(it->second),
                              FormatBytes));
    }
    builder.Add(row);
  });
  return builder.Build();
}

Table LayersTable(Language language, const Facts& facts) {
  Builder builder(
      language, "layers",
      "Linear layers by precision: what was asked for, what ran, and why they differ; the share of "
      "multiply-adds is of all linear layers.",
      "线性层按精度统计：请求的精度、实际运行的精度及差异原因；乘加占比以全部线性层为分母。");
  builder.Text("variant", "Variant", "方案").Text("requested", "Requested", "请求");
  builder.Text("effective", "Ran", "实际")
      .Text("kernel", "Kernel", "内核")
      .Number("layers", "Layers", "层数");
  builder.Number("macs_share", "Multiply-adds", "乘加占比").Number("bytes_fp32", "FP32 bytes", "FP32 字节");
  builder.Number("bytes", "Bytes", "字节").Text("reason", "Reason", "原因");
  for (const VariantFacts& variant : facts.variants) {
    const RunReport* const run = LayersOf(variant);
    if (run == nullptr) continue;
    std::map<std::vector<std::string>, LayerGroup> groups;
    for (const Layer& layer : run->layers) {
      LayerGroup& group = groups[{layer.requested, layer.effective, layer.kernel, layer.reason}];
      ++group.count;
      group.macs += layer.macs_share;
      group.bytes_fp32 += layer.bytes_fp32;
      group.bytes += layer.bytes;
    }
    for (const auto& [key, group] : groups) {
      builder.Add({CodeCell(variant.name),
                   TextCell(key[0]),
                   TextCell(key[1]),
                   TextCell(key[2]),
                   CountCell(group.count),
                   NumberCell(group.macs, FormatShare(group.macs)),
                   {FormatBytes(static_cast<double>(group.bytes_fp32)), std::to_string(group.bytes_fp32)},
                   {FormatBytes(static_cast<double>(group.bytes)), std::to_string(group.bytes)},
                   TextCell(key[3])});
    }
  }
  return builder.Build();
}

Table LayerDetailsTable(Language language, const Facts& facts) {
  Builder builder(language, "layer_details", "Linear layers one by one.", "逐层列出线性层。");
  builder.Text("run", "Run", "运行").Text("layer", "Layer", "层").Number("in_features", "In", "输入");
  builder.Number("out_features", "Out", "输出").Text("requested", "Requested", "请求");
  builder.Text("effective", "Ran", "实际").Text("kernel", "Kernel", "内核").Text("reason", "Reason", "原因");
  builder.Number("macs_share", "Multiply-adds", "乘加占比").Number("bytes_fp32", "FP32 bytes", "FP32 字节");
  builder.Number("bytes", "Bytes", "字节").Number("sqnr_db", "SQNR, dB", "SQNR（dB）");
  for (const VariantFacts& variant : facts.variants) {
    for (const RunReport* run : variant.runs) {
      if (run->run.state != RunState::kSucceeded) continue;
      for (const Layer& layer : run->layers) {
        builder.Add(
            {CodeCell(run->run.name), CodeCell(layer.name), CountCell(layer.in_features),
             CountCell(layer.out_features), TextCell(layer.requested), TextCell(layer.effective),
             TextCell(layer.kernel), TextCell(layer.reason),
             NumberCell(layer.macs_share, FormatShare(layer.macs_share)), CountCell(layer.bytes_fp32),
             CountCell(layer.bytes),
             layer.sqnr_db ? NumberCell(*layer.sqnr_db, FormatNumber(*layer.sqnr_db, 3)) : EmptyCell()});
      }
    }
  }
  return builder.Build();
}

Table RunsTable(Language language, const ReportData& data) {
  Builder builder(language, "runs", "Runs of the experiment and how each ended.", "本实验的运行及其结局。");
  builder.Text("run", "Run", "运行").Text("kind", "Kind", "类型").Text("state", "State", "状态");
  builder.Number("seed", "Seed", "种子").Number("attempts", "Attempts", "尝试次数");
  builder.Text("reused", "Reused", "复用")
      .Number("seconds", "Took", "用时")
      .Text("message", "Message", "信息");
  for (const RunReport& run : data.runs) {
    builder.Add({CodeCell(run.run.name),
                 TextCell(RunKindName(run.run.kind)),
                 {StateWord(language, run.run.state), std::string(RunStateName(run.run.state))},
                 {std::to_string(run.run.seed), std::to_string(run.run.seed)},
                 CountCell(run.run.attempts),
                 FlagCell(language, run.run.reused),
                 DurationCell(run.run),
                 TextCell(run.run.message)});
  }
  return builder.Build();
}

Table SourcesTable(Language language, const ReportData& data) {
  Builder builder(language, "sources",
                  "Where each run's result comes from; digests and fingerprints are cut to 12 digits here, "
                  "whole in the CSV file.",
                  "每个运行的结果来源；摘要与指纹在此截为 12 位，CSV 文件中为全文。");
  builder.Text("run", "Run", "运行").Text("source_run", "Computed by", "计算者");
  builder.Number("attempt", "Attempt", "尝试").Text("reused", "Reused", "复用");
  builder.Text("worker", "Worker", "工作节点").Text("host", "Host", "主机").Text("device", "Device", "设备");
  builder.Number("seed", "Seed", "种子").Text("fingerprint", "Fingerprint", "执行指纹");
  builder.Text("config_sha256", "Configuration", "配置").Text("dataset_sha256", "Dataset", "数据集");
  builder.Text("model_sha256", "Model", "模型").Text("runner_sha256", "Runner", "执行程序");
  for (const RunReport& run : data.runs) builder.Add(SourceRow(language, run));
  return builder.Build();
}

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

Table EnvironmentTable(Language language, const ReportData& data) {
  Builder builder(
      language, "environment",
      "Hardware and software, as the runner saw them; long values are cut here, whole in the CSV file.",
      "执行程序所见的硬件与软件环境；过长的内容在此截短，CSV 文件中为全文。");
  builder.Text("fact", "Fact", "项目").Text("value", "Value", "内容").Text("runs", "Runs", "运行");
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> facts;
  for (const RunReport& run : data.runs) {
    for (const auto& [name, value] : run.environment.facts) facts[{name, value}].push_back(run.run.name);
    if (!run.environment.fingerprint.empty()) {
      facts[{"fingerprint", run.environment.fingerprint}].push_back(run.run.name);
    }
  }
  const auto described =
      static_cast<size_t>(std::count_if(data.runs.begin(), data.runs.end(),
                                        [](const RunReport& run) { return !run.environment.facts.empty(); }));
  for (const auto& [fact, runs] : facts) {
    const std::string names =
        runs.size() == described && described > 1
            ? Say(language, "all", "全部")
            : absl::StrJoin(runs, ", ", [](std::string* out, const std::string& run) { *out += Code(run); });
    builder.Add({CodeCell(fact.first), LongTextCell(fact.second), {names, absl::StrJoin(runs, ";")}});
  }
  return builder.Build();
}

Table ConfigurationTable(Language language, const ReportData& data) {
  Builder builder(language, "configuration",
                  "Every setting that decides a result, by run; the digest of a configuration is the SHA-256 "
                  "of its lines `key=value`.",
                  "决定结果的全部设置，按运行列出；配置摘要是其各行 `key=value` 的 SHA-256。");
  builder.Text("run", "Run", "运行").Text("config_sha256", "Digest", "摘要").Text("key", "Setting", "设置");
  builder.Text("value", "Value", "值");
  for (const RunReport& run : data.runs) {
    const std::string digest = ConfigDigest(run.config);
    for (const auto& [key, value] : ConfigLines(run.config)) {
      builder.Add({CodeCell(run.run.name), DigestCell(digest), CodeCell(key), TextCell(value)});
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

Table OtherTable(Language language, const Facts& facts) {
  Builder builder(language, "other", "Numbers that have no place in the tables above.",
                  "未列入以上各表的指标。");
  MetricColumns(builder);
  for (const OtherMetric& other : facts.other) builder.Add(MetricRow(language, *other.run, other.metric));
  return builder.Build();
}

std::vector<Table> AllTables(Language language, const Facts& facts) {
  const ReportData& data = *facts.data;
  return {
      SummaryTable(language, facts),      AccuracyTable(language, facts),  PairedTable(language, facts),
      PairsTable(language, facts),        SpeedTable(language, facts),     SizeTable(language, facts),
      MemoryTable(language, facts),       LayersTable(language, facts),    LayerDetailsTable(language, facts),
      SensitivityTable(language, facts),  FrontTable(language, facts),     RunsTable(language, data),
      SourcesTable(language, data),       ProvenanceTable(language, data), EnvironmentTable(language, data),
      ConfigurationTable(language, data), CurvesTable(language, data),     CurvePointsTable(language, data),
      OtherTable(language, facts)};
}

}  // namespace quantlab::report
