// Accuracy, size, memory and speed: one row per variant.
#include "report/figures/charts.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "absl/strings/str_cat.h"
#include "report/facts/format.h"
#include "report/facts/quality.h"
#include "report/figures/scripts.h"

namespace quantlab::report {
namespace {

// The smallest and largest value shown, with a margin on both sides.
class Range {
 public:
  void Add(std::optional<double> value) {
    if (!value.has_value() || !std::isfinite(*value)) return;
    low_ = std::min(low_, *value);
    high_ = std::max(high_, *value);
  }
  void Add(const std::optional<Result>& result) {
    if (!result.has_value()) return;
    Add(result->value);
    if (result->deviation.has_value()) {
      Add(result->value - *result->deviation);
      Add(result->value + *result->deviation);
    }
    Add(result->low);
    Add(result->high);
  }
  bool empty() const { return low_ > high_; }
  double low() const { return low_ - Pad(); }
  double high() const { return high_ + Pad(); }
  double largest() const { return high_; }

 private:
  // Never 0, so that the axis has a length.
  double Pad() const {
    const double length = high_ - low_;
    return length > 0 ? 0.06 * length : std::max(std::abs(high_) * 0.05, 0.01);
  }

  double low_ = std::numeric_limits<double>::infinity(), high_ = -std::numeric_limits<double>::infinity();
};

bool AnyDeviation(const std::vector<PlotRow>& rows) {
  return std::any_of(rows.begin(), rows.end(), [](const PlotRow& row) {
    return row.variant->accuracy.has_value() && row.variant->accuracy->deviation.has_value();
  });
}

// Sets the variables of scripts/rows.gp.
void SetRows(Script& script, const std::vector<PlotRow>& rows, double right) {
  const auto pixels = [&](Language language) { return absl::StrCat(LabelPixels(rows, language) + 18, ".0"); };
  script.Set("rows", static_cast<double>(rows.size())).Set("width", 900).Set("right", right);
  script.Set("left_text", Text{pixels(Language::kEnglish), pixels(Language::kChinese)});
}

const Measured& FirstMeasured(const VariantFacts& variant) {
  static const auto* const none = new Measured();
  return variant.measured.empty() ? *none : variant.measured[0];
}

struct Unit {
  double bytes;
  const char* name;
};

Unit UnitFor(double bytes) {
  if (bytes >= 2e9) return {1e9, "GB"};
  if (bytes >= 2e6) return {1e6, "MB"};
  return bytes >= 2e3 ? Unit{1e3, "kB"} : Unit{1, "B"};
}

// Follows the caption of results of a comparison if there are several seeds.
Text FirstSeedNote(const Facts& facts) {
  if (!facts.SeveralSeeds()) return {};
  return {" Measured with the models of the first seed.", "以第一个随机种子的模型测得。"};
}

Text Followed(const Text& text, const Text& more) {
  return {text.english + more.english, text.chinese + more.chinese};
}

struct BarChart {
  const char* path;
  const char* what;
  Text title, axis, caption;
  std::optional<Result> (*bytes)(const Measured&);
  std::optional<Result> (*ratio)(const Measured&);
};

std::optional<Figure> DrawBars(const Facts& facts, const BarChart& chart) {
  std::vector<PlotRow> rows = PlotRows(facts);
  rows.erase(std::remove_if(
                 rows.begin(), rows.end(),
                 [&](const PlotRow& row) { return !chart.bytes(FirstMeasured(*row.variant)).has_value(); }),
             rows.end());
  if (rows.empty()) return std::nullopt;
  Csv csv(RowHeader({"bytes", "ratio"}));
  Range range;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Measured& measured = FirstMeasured(*rows[i].variant);
    range.Add(chart.bytes(measured)->value);
    csv.Add(RowFields(rows[i], i, {CsvValue(chart.bytes(measured)), CsvValue(chart.ratio(measured))}));
  }
  const Unit unit = UnitFor(range.largest());
  Script script(chart.path, chart.what);
  SetRows(script, rows, 30);
  script.Set("top", 14).Set("bottom", 62).Set("row_height", 36).Set("unit", unit.bytes);
  script.Set("unit_name", Text{unit.name, unit.name});
  script.Set("high", std::max(range.largest() / unit.bytes * 1.28, 1e-9));
  script.Set("axis", Text{absl::StrCat(chart.axis.english, ", ", unit.name),
                          absl::StrCat(chart.axis.chinese, "（", unit.name, "）")});
  const std::string body = absl::StrCat("left = left_text + 0\n", scripts::kRows, scripts::kBars);
  return Figure{chart.path,
                chart.title,
                Followed(chart.caption, FirstSeedNote(facts)),
                script.Body(body),
                {{absl::StrCat(chart.path, ".csv"), csv.Take()}}};
}

// The input shapes that were timed.
std::set<InputShape> TimedShapes(const Facts& facts) {
  std::set<InputShape> shapes;
  for (const VariantFacts& variant : facts.variants) {
    for (const auto& [shape, timing] : FirstMeasured(variant).by_shape) {
      if (timing.p50.has_value() || timing.speedup.has_value()) shapes.insert(shape);
    }
  }
  return shapes;
}

std::string Milliseconds(std::optional<Result> result) {
  if (!result.has_value()) return "";
  return CsvNumber(result->value * 1e3);
}

// The variables of the panels, one element each.
struct SpeedPanels {
  Csv csv{RowHeader({"panel", "batch_size", "sequence_length", "p50_ms", "p90_ms", "p99_ms", "speedup",
                     "speedup_low", "speedup_high"})};
  std::vector<double> batch_sizes, lengths, latency_high, latency_step, speedup_low, speedup_high,
      speedup_step, reliable;

  void Add(const Facts& facts, const std::vector<PlotRow>& rows, size_t panel, const InputShape& shape) {
    Range latency, speedup;
    speedup.Add(1.0);
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto& timings = FirstMeasured(*rows[i].variant).by_shape;
      const auto it = timings.find(shape);
      const Timing timing = it == timings.end() ? Timing() : it->second;
      latency.Add(timing.p50);
      latency.Add(timing.p90);
      speedup.Add(timing.speedup);
      csv.Add(RowFields(
          rows[i], i,
          {std::to_string(panel), std::to_string(shape.batch_size), std::to_string(shape.sequence_length),
           Milliseconds(timing.p50), Milliseconds(timing.p90), Milliseconds(timing.p99),
           CsvValue(timing.speedup), CsvLow(timing.speedup), CsvHigh(timing.speedup)}));
    }
    batch_sizes.push_back(static_cast<double>(shape.batch_size));
    lengths.push_back(static_cast<double>(shape.sequence_length));
    latency_high.push_back(latency.empty() ? 1 : std::max(latency.largest() * 1.22e3, 1e-6));
    latency_step.push_back(TickStep(latency_high.back(), 6));
    speedup_low.push_back(speedup.low());
    speedup_high.push_back(speedup.high());
    speedup_step.push_back(TickStep(speedup.high() - speedup.low(), 6));
    reliable.push_back(facts.comparisons[0].Reliable(shape) ? 1 : 0);
  }
};

void SetSpeedTexts(Script& script) {
  script.Set("latency_axis", Text{"milliseconds per batch", "每批毫秒数"});
  script.Set("speedup_axis", Text{"times the speed of the best FP32 path", "相对最优 FP32 路径的倍数"});
  script.Set("texts", Text{" per batch", " 条一批"});
  script.Set("texts_of", Text{" × %d tokens", " × %d 词元"});
  script.Set("latency_title", Text{": latency", "：延迟"});
  script.Set("speedup_title", Text{"speedup", "加速比"});
  script.Set("unreliable", Text{" (unreliable: A/A check failed)", "（不可靠：A/A 检验未通过）"});
}

}  // namespace

std::optional<Figure> AccuracyChart(const Facts& facts) {
  std::vector<PlotRow> rows = PlotRows(facts);
  rows.erase(std::remove_if(rows.begin(), rows.end(),
                            [](const PlotRow& row) { return !row.variant->accuracy.has_value(); }),
             rows.end());
  if (rows.empty()) return std::nullopt;
  const TaskSpec& task = facts.task();
  const Text quality = QualityText(task), second = SecondQualityTitle(task);
  const double scale = QualityScale(task);
  Csv csv(RowHeader({"accuracy", "accuracy_low", "accuracy_high", "f1"}));
  Range range;
  for (size_t i = 0; i < rows.size(); ++i) {
    const VariantFacts& variant = *rows[i].variant;
    range.Add(variant.accuracy);
    range.Add(SecondQuality(variant));
    csv.Add(RowFields(rows[i], i,
                      {CsvValue(variant.accuracy), CsvLow(variant.accuracy), CsvHigh(variant.accuracy),
                       CsvValue(SecondQuality(variant))}));
  }
  Script script("results/accuracy", "Accuracy with its interval, and F1.");
  SetRows(script, rows, 84);
  script.Set("top", 44).Set("bottom", 62).Set("row_height", 40);
  script.Set("low", scale * range.low()).Set("high", scale * range.high());
  script.Set("step", TickStep(scale * (range.high() - range.low()), 8));
  script.Set("reference", scale * rows[0].variant->accuracy->value);
  script.Set("axis",
             task.numeric ? Text{"on the test split", "测试集上"} : Text{"of the test examples", "测试集上"});
  const bool seeds = AnyDeviation(rows);
  script.Set("accuracy_title",
             seeds ? Text{quality.english + ", mean ± deviation", quality.chinese + "（均值 ± 标准差）"}
                   : Text{quality.english + ", 95% interval", quality.chinese + "（95% 置信区间）"});
  script.Set("f1_title", second);
  const std::string body = absl::StrCat("left = left_text + 0\n", scripts::kRows, scripts::kAccuracy);
  const Text alternative = task.numeric ? Text{"Pearson and Spearman correlation of each variant",
                                               "各方案的 Pearson 与 Spearman 相关系数"}
                                        : Text{"Accuracy and F1 of each variant", "各方案的准确率与 F1"};
  const Text caption =
      task.numeric
          ? Text{"Pearson correlation on the test split with its interval, and the Spearman correlation. "
                 "The dashed line is the first variant's; the axis does not begin at 0.",
                 "测试集上的 Pearson 相关系数及其区间，以及 Spearman 相关系数。虚线为第一个方案的值；横轴不从 "
                 "0 开始。"}
          : Text{"Accuracy on the test split with its interval, and the F1 score. The dashed line is the first "
                 "variant's accuracy; the axis does not begin at 0.",
                 "测试集准确率及其区间，以及 F1 分数。虚线为第一个方案的准确率；横轴不从 0 开始。"};
  return Figure{"results/accuracy",
                alternative,
                caption,
                OfQuality(task, script.Body(body)),
                {{"results/accuracy.csv", csv.Take()}}};
}

std::optional<Figure> SizeChart(const Facts& facts) {
  return DrawBars(facts, {"results/size",
                          "Bytes of the saved model.",
                          {"Size of each saved model", "各方案保存后的模型大小"},
                          {"saved model", "模型大小"},
                          {"Size of the saved, reloadable model; × is the compression ratio over FP32.",
                           "保存后可重新加载的模型大小；× 为相对 FP32 的压缩比。"},
                          [](const Measured& measured) { return measured.size; },
                          [](const Measured& measured) { return measured.ratio; }});
}

std::optional<Figure> MemoryChart(const Facts& facts) {
  return DrawBars(facts, {"results/memory",
                          "Peak memory of a process that loads only this variant.",
                          {"Peak memory of each variant", "各方案的内存峰值"},
                          {"peak memory", "内存峰值"},
                          {"Peak memory of a fresh process that loads only this variant.",
                           "只加载该方案的新进程的内存峰值。"},
                          [](const Measured& measured) -> std::optional<Result> {
                            const auto it = measured.memory.find("peak");
                            if (it == measured.memory.end()) return std::nullopt;
                            return it->second;
                          },
                          [](const Measured&) { return std::optional<Result>(); }});
}

std::optional<Figure> SpeedChart(const Facts& facts) {
  const std::set<InputShape> shapes = TimedShapes(facts);
  if (shapes.empty()) return std::nullopt;
  std::vector<PlotRow> rows = PlotRows(facts);
  rows.erase(std::remove_if(rows.begin(), rows.end(),
                            [](const PlotRow& row) { return FirstMeasured(*row.variant).by_shape.empty(); }),
             rows.end());
  SpeedPanels panels;
  size_t panel = 0;
  for (const InputShape& shape : shapes) panels.Add(facts, rows, panel++, shape);
  Script script("results/speed", "Latency and speedup at each batch size and length of texts.");
  SetRows(script, rows, 70);
  script.Set("batches", static_cast<double>(shapes.size())).Set("top", 40).Set("bottom", 64);
  script.Set("row_height", 30).Array("batch_sizes", panels.batch_sizes).Array("lengths", panels.lengths);
  script.Array("latency_high", panels.latency_high).Array("speedup_low", panels.speedup_low);
  script.Array("speedup_high", panels.speedup_high).Array("reliable", panels.reliable);
  script.Array("latency_step", panels.latency_step).Array("speedup_step", panels.speedup_step);
  SetSpeedTexts(script);
  const std::string body = absl::StrCat("left = left_text + 0\n", scripts::kSpeed);
  return Figure{
      "results/speed",
      {"Latency and speedup of each variant", "各方案的延迟与加速比"},
      Followed({"Median latency of a batch, the whisker reaching to the 90th percentile; and speedup over "
                "the best FP32 path, from paired ratios, with its 95% interval.",
                "每批延迟的中位数，须线延伸至第 90 百分位；以及相对最优 FP32 "
                "路径的加速比，由配对比值得出，附 95% 置信区间。"},
               FirstSeedNote(facts)),
      script.Body(body),
      {{"results/speed.csv", panels.csv.Take()}}};
}

}  // namespace quantlab::report
