#include "report/figures/runtime_chart.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/config/runtime_names.h"
#include "report/facts/input_shape.h"
#include "report/facts/plot_label.h"
#include "report/facts/runtimes.h"
#include "report/facts/verdict.h"
#include "report/figures/scripts.h"

namespace quantlab::report {
namespace {

constexpr double kMargin = 0.06;  // of the axis, at both ends
constexpr int kMostTitle = 24;    // characters

// The axis, which always shows 1.
struct Axis {
  double low = 1, high = 1;
  void Add(const std::optional<Result>& speedup) {
    if (!speedup.has_value()) return;
    for (const std::optional<double>& value : {std::optional(speedup->value), speedup->low, speedup->high}) {
      if (!value.has_value() || !std::isfinite(*value)) continue;
      low = std::min(low, *value);
      high = std::max(high, *value);
    }
  }
  double margin() const { return std::max(kMargin * (high - low), 0.02); }
};

}  // namespace

std::optional<Figure> RuntimeChart(const Facts& facts) {
  const InputShape shape = HeadlineShape(facts);
  const std::vector<RuntimeFacts> all = CollectRuntimes(facts);
  const std::vector<std::string> runtimes = TimedRuntimes(all);
  std::vector<PlotRow> rows = PlotRows(facts);
  std::erase_if(rows, [&](const PlotRow& row) { return TimingsAt(all, *row.variant, shape) == nullptr; });
  if (rows.empty() || runtimes.empty()) return std::nullopt;
  std::vector<std::string> columns;
  for (const std::string& runtime : runtimes) {
    columns.insert(columns.end(),
                   {PlotLabel(RuntimeTitle(runtime), kMostTitle), runtime + "_low", runtime + "_high"});
  }
  Csv csv(RowHeader(columns));
  Axis axis;
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto& timings = *TimingsAt(all, *rows[i].variant, shape);
    std::vector<std::string> fields;
    for (const std::string& runtime : runtimes) {
      const auto it = timings.find(runtime);
      const std::optional<Result> speedup = it == timings.end() ? std::nullopt : it->second.speedup;
      axis.Add(speedup);
      fields.insert(fields.end(), {CsvValue(speedup), CsvLow(speedup), CsvHigh(speedup)});
    }
    csv.Add(RowFields(rows[i], i, fields));
  }
  const auto pixels = [&](Language language) { return absl::StrCat(LabelPixels(rows, language) + 18, ".0"); };
  Script script("results/runtimes", "Speed in each runtime, over the best FP32 of any.");
  script.Set("rows", static_cast<double>(rows.size())).Set("width", 900).Set("right", 30);
  script.Set("left_text", Text{pixels(Language::kEnglish), pixels(Language::kChinese)});
  script.Set("top", 44).Set("bottom", 62).Set("row_height", 22.0 + 12 * static_cast<double>(runtimes.size()));
  script.Set("runtimes", static_cast<double>(runtimes.size()));
  script.Set("low", axis.low - axis.margin()).Set("high", axis.high + axis.margin());
  script.Set("step", TickStep(axis.high - axis.low + 2 * axis.margin(), 8));
  const bool reliable = all[0].comparison->Reliable(shape);
  script.Set("axis", Text{absl::StrCat("times the speed of the best FP32 of any runtime",
                                       reliable ? "" : " (unreliable: A/A check failed)"),
                          absl::StrCat("相对各运行时中最优 FP32 的倍数",
                                       reliable ? "" : "（不可靠：A/A 检验未通过）")});
  const std::string body = absl::StrCat("left = left_text + 0\n", scripts::kRows, scripts::kRuntimes);
  return Figure{
      "results/runtimes",
      {"Speed of each variant in each runtime", "各方案在各运行时中的速度"},
      {absl::StrCat("Speed in each runtime at ", ShapeText(Language::kEnglish, shape),
                    ", over the best FP32 of any, with its 95% interval; the dashed line is that FP32."),
       absl::StrCat(ShapeText(Language::kChinese, shape),
                    "时各运行时中的速度，相对其中最优的 FP32，附 95% 置信区间；虚线为该 FP32。")},
      script.Body(body),
      {{"results/runtimes.csv", csv.Take()}}};
}

}  // namespace quantlab::report
