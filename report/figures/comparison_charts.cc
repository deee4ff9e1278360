// Figures that compare the variants: radar, accuracy over size, and an overview page.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "report/facts/format.h"
#include "report/facts/quality.h"
#include "report/facts/verdict.h"
#include "report/figures/charts.h"
#include "report/figures/label_placer.h"
#include "report/figures/scripts.h"

namespace quantlab::report {
namespace {

constexpr std::array<const char*, 5> kAxes = {"accuracy", "f1", "size", "speed", "memory"};
using Profile = std::array<double, 5>;

// Values on all five axes; nullopt if one is missing or not positive.
std::optional<Profile> ProfileOf(const VariantFacts& variant, const InputShape& shape) {
  const Result* const speedup = SpeedupOf(variant, 0, shape);
  const Result* const size = FirstSize(variant);
  const Result* const peak = FirstPeak(variant);
  const std::optional<Result>& second = SecondQuality(variant);
  if (!variant.accuracy || !second || size == nullptr || peak == nullptr) return std::nullopt;
  if (speedup == nullptr && !variant.baseline) return std::nullopt;
  const Profile profile = {variant.accuracy->value, second->value, size->value,
                           speedup == nullptr ? 1.0 : speedup->value, peak->value};
  const bool usable = std::all_of(profile.begin(), profile.end(),
                                  [](double value) { return std::isfinite(value) && value > 0; });
  if (!usable) return std::nullopt;
  return profile;
}

// 1 is the best in the experiment; lower is better for size and memory.
double Score(const std::vector<Profile>& profiles, size_t axis, double value) {
  double best = profiles[0][axis];
  const bool less = axis == 2 || axis == 4;
  for (const Profile& profile : profiles)
    best = less ? std::min(best, profile[axis]) : std::max(best, profile[axis]);
  return less ? best / value : value / best;
}

// Follows the name of an unreliable speed, as in the figure of speeds; `mark` may be shorter if there is
// little space.
Text MarkUnreliable(const Facts& facts, const InputShape& shape, const Text& mark) {
  return facts.comparisons.empty() || facts.comparisons[0].Reliable(shape) ? Text() : mark;
}

// The height of the polygon or of the legend, whichever is larger.
void SetRadarSize(Script& script, const std::vector<PlotRow>& rows) {
  constexpr double kNotes = 46, kPolygon = 540, kAboveLegend = 63, kLegendRow = 24;
  const double legend = kAboveLegend + kLegendRow * static_cast<double>(rows.size()) + kNotes;
  script.Set("rows", static_cast<double>(rows.size())).Set("width", 1040);
  script.Set("height", std::max(kPolygon, legend)).Set("note_height", kNotes);
  std::vector<double> marks;
  for (const PlotRow& row : rows) marks.push_back(static_cast<double>(row.mark));
  script.Array("marks", marks);
}

void SetRadarTexts(Script& script, const TaskSpec& task, const InputShape& shape, const Text& mark) {
  script.Set("axis_accuracy", task.numeric ? Text{"Pearson", "Pearson"} : Text{"accuracy", "准确率"});
  script.Set("axis_f1", task.numeric ? Text{"Spearman", "Spearman"} : Text{"F1", "F1"});
  script.Set("axis_size", Text{"small size", "体积小"}).Set("axis_speed", Text{"speed", "速度"});
  script.Set("axis_memory", Text{"little memory", "内存少"});
  script.Set("note_1",
             task.numeric
                 ? Text{"Outward is better; 1 is the best variant on that axis. Correlations, speed: value / "
                        "largest value.",
                        "越靠外越好；1 为该轴上的最优方案。相关系数、速度：数值 / 最大值；"}
                 : Text{"Outward is better; 1 is the best variant on that axis. Accuracy, F1, speed: value / "
                        "largest value.",
                        "越靠外越好；1 为该轴上的最优方案。准确率、F1、速度：数值 / 最大值；"});
  script.Set("note_2",
             Text{absl::StrCat("Size, memory: smallest value / value. Speed is the speedup at ",
                               ShapeText(Language::kEnglish, shape), mark.english, "; FP32 is 1."),
                  absl::StrCat("体积、内存：最小值 / 数值。速度取", ShapeText(Language::kChinese, shape),
                               "的加速比", mark.chinese, "，FP32 为 1。")});
}

struct Candidate {
  const PlotRow* row;
  double bytes, accuracy;
};

std::vector<Candidate> ParetoCandidates(const std::vector<PlotRow>& rows) {
  std::vector<Candidate> candidates;
  for (const PlotRow& row : rows) {
    const Result* const size = FirstSize(*row.variant);
    if (size == nullptr || !row.variant->accuracy.has_value()) continue;
    if (!std::isfinite(size->value) || !std::isfinite(row.variant->accuracy->value)) continue;
    candidates.push_back({&row, size->value, row.variant->accuracy->value});
  }
  return candidates;
}

bool Dominated(const Candidate& one, const std::vector<Candidate>& all) {
  return std::any_of(all.begin(), all.end(), [&](const Candidate& other) {
    return other.bytes <= one.bytes && other.accuracy >= one.accuracy &&
           (other.bytes < one.bytes || other.accuracy > one.accuracy);
  });
}

std::string FrontCsv(const std::vector<Candidate>& all) {
  std::vector<Candidate> front;
  for (const Candidate& one : all) {
    if (!Dominated(one, all)) front.push_back(one);
  }
  std::stable_sort(front.begin(), front.end(),
                   [](const Candidate& a, const Candidate& b) { return a.bytes < b.bytes; });
  Csv csv({"variant", "bytes", "accuracy"});
  for (const Candidate& one : front) {
    csv.Add({one.row->variant->name, FormatExact(one.bytes), FormatExact(one.accuracy)});
  }
  return csv.Take();
}

// The position of the data in the frame of the scatter plot: in MB (or another unit), and the quality
// as it is shown (QualityScale).
struct Frame {
  double unit = 1e6, x_low = 0, x_high = 1, y_low = 0, y_high = 1;
  double height = 540, scale = 100;
  static constexpr double kWidth = 900, kLeft = 100, kRight = 24, kTop = 40, kBottom = 66;

  Frame(const TaskSpec& task, const std::vector<Candidate>& all) : scale(QualityScale(task)) {
    // Many labels need space.
    height = std::max(height, 240 + 22 * static_cast<double>(all.size()));
    double largest = 0, low = 1e9, high = -1e9;
    for (const Candidate& one : all) {
      largest = std::max(largest, one.bytes);
      low = std::min(low, scale * one.accuracy);
      high = std::max(high, scale * one.accuracy);
    }
    unit = largest >= 2e9 ? 1e9 : largest >= 2e6 ? 1e6 : largest >= 2e3 ? 1e3 : 1;
    x_high = std::max(largest / unit * 1.12, 1e-9);
    const double pad = std::max(0.15 * (high - low), 0.002 * scale);
    y_low = low - pad;
    y_high = high + pad;
  }

  const char* Name() const { return unit == 1e9 ? "GB" : unit == 1e6 ? "MB" : unit == 1e3 ? "kB" : "B"; }
  double Width() const { return kWidth - kLeft - kRight; }
  double Height() const { return height - kTop - kBottom; }

  Spot Pixels(const Candidate& one) const {
    return {(one.bytes / unit - x_low) / (x_high - x_low) * Width(),
            (scale * one.accuracy - y_low) / (y_high - y_low) * Height()};
  }
  double X(double pixels) const { return x_low + pixels / Width() * (x_high - x_low); }
  double Y(double pixels) const { return y_low + pixels / Height() * (y_high - y_low); }
};

// The position of a label, in the units of the axes, and whether it needs a line to its point.
struct Label {
  double x, y;
  bool lead;
};

std::vector<Label> Labels(const Frame& frame, const std::vector<Candidate>& all, Language language) {
  std::vector<Spot> points;
  std::vector<LabelSize> sizes;
  for (const Candidate& one : all) {
    points.push_back(frame.Pixels(one));
    sizes.push_back({TextWidth(one.row->label.In(language)) * 13 + 6, 18});
  }
  const std::vector<Spot> spots = PlaceLabels(points, sizes, frame.Width(), frame.Height());
  std::vector<Label> labels;
  for (size_t i = 0; i < spots.size(); ++i) {
    labels.push_back({frame.X(spots[i].x), frame.Y(spots[i].y), NeedsLine(points[i], spots[i], sizes[i])});
  }
  return labels;
}

// The largest and smallest value of one number over the variants.
struct Extent {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();

  void Add(const Result* result) {
    if (result == nullptr) return;
    for (const double value :
         {result->value, result->low.value_or(result->value), result->high.value_or(result->value),
          result->value + result->deviation.value_or(0), result->value - result->deviation.value_or(0)}) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  bool empty() const { return low > high; }
  // The start of an axis of the quality (scale: QualityScale) that need not begin at 0; 0 if there are no
  // values.
  double QualityLow(double scale) const { return empty() ? 0 : scale * low - Pad(scale); }
  double QualityHigh(double scale) const { return empty() ? 0 : scale * high + Pad(scale); }
  double QualityStep(double scale) const {
    return TickStep(empty() ? 1 : QualityHigh(scale) - QualityLow(scale), 5);
  }
  double BarStep(double scale) const { return TickStep(empty() ? 1 : BarHigh(scale), 5); }
  double Pad(double scale) const { return std::max(0.06 * scale * (high - low), 0.003 * scale); }
  double BarHigh(double scale) const { return empty() ? 0 : high * scale * 1.06; }
};

const Result* Pointer(const std::optional<Result>& result) {
  return result.has_value() ? &*result : nullptr;
}

std::string ValueOf(const Result* result) {
  return result == nullptr ? "" : CsvNumber(result->value);
}

struct DashboardData {
  Csv csv{RowHeader({"accuracy", "accuracy_low", "accuracy_high", "f1", "size", "memory", "speedup",
                     "speedup_low", "speedup_high"})};
  Extent accuracy, f1, size, memory, speedup;
};

DashboardData CollectDashboard(const std::vector<PlotRow>& rows, const InputShape& shape) {
  DashboardData data;
  for (size_t i = 0; i < rows.size(); ++i) {
    const VariantFacts& variant = *rows[i].variant;
    const Result* const speedup = SpeedupOf(variant, 0, shape);
    data.accuracy.Add(Pointer(variant.accuracy));
    data.f1.Add(Pointer(SecondQuality(variant)));
    data.size.Add(FirstSize(variant));
    data.memory.Add(FirstPeak(variant));
    data.speedup.Add(speedup);
    const std::optional<Result> ratio = speedup == nullptr ? std::nullopt : std::optional<Result>(*speedup);
    data.csv.Add(RowFields(rows[i], i,
                           {CsvValue(variant.accuracy), CsvLow(variant.accuracy), CsvHigh(variant.accuracy),
                            CsvValue(SecondQuality(variant)), ValueOf(FirstSize(variant)),
                            ValueOf(FirstPeak(variant)), CsvValue(ratio), CsvLow(ratio), CsvHigh(ratio)}));
  }
  return data;
}

void SetDashboardTexts(Script& script, const TaskSpec& task, const char* unit, const InputShape& shape,
                       const Text& mark) {
  const Text quality = QualityText(task);
  script.Set("title_accuracy", quality).Set("title_f1", SecondQualityTitle(task));
  script.Set("title_size", Text{absl::StrCat("model size, ", unit), absl::StrCat("模型大小（", unit, "）")});
  script.Set("title_memory",
             Text{absl::StrCat("peak memory, ", unit), absl::StrCat("内存峰值（", unit, "）")});
  script.Set("title_speedup",
             Text{absl::StrCat("speedup, ", ShapeText(Language::kEnglish, shape), mark.english),
                  absl::StrCat("加速比，", ShapeText(Language::kChinese, shape), mark.chinese)});
  script.Set("title_pareto", Text{absl::StrCat(quality.english, " over size, ", unit),
                                  absl::StrCat(quality.chinese, "与模型大小（", unit, "）")});
}

}  // namespace

std::optional<Figure> RadarChart(const Facts& facts) {
  const InputShape shape = HeadlineShape(facts);
  std::vector<PlotRow> rows;
  std::vector<Profile> profiles;
  for (const PlotRow& row : PlotRows(facts)) {
    if (const auto profile = ProfileOf(*row.variant, shape)) {
      rows.push_back(row);
      profiles.push_back(*profile);
    }
  }
  if (rows.size() < 2) return std::nullopt;
  Csv csv(RowHeader({"axis", "axis_name", "value", "score"}));
  for (size_t i = 0; i < rows.size(); ++i) {
    // Repeats the first axis to close the line.
    for (size_t axis = 0; axis <= kAxes.size(); ++axis) {
      const size_t at = axis % kAxes.size();
      const double value = profiles[i][at];
      csv.Add(RowFields(
          rows[i], i,
          {std::to_string(axis), kAxes[at], FormatExact(value), FormatExact(Score(profiles, at, value))}));
    }
  }
  Script script("comparisons/radar", "Five qualities of each variant, each against the best.");
  SetRadarSize(script, rows);
  SetRadarTexts(
      script, facts.task(), shape,
      MarkUnreliable(facts, shape, {" (unreliable: A/A check failed)", "（不可靠：A/A 检验未通过）"}));
  return Figure{
      "comparisons/radar",
      facts.task().numeric
          ? Text{"Radar of correlations, size, speed and memory", "相关系数、体积、速度与内存的雷达图"}
          : Text{"Radar of accuracy, F1, size, speed and memory", "准确率、F1、体积、速度与内存的雷达图"},
      {"Five qualities of each variant, each divided by the best of the experiment as written under the "
       "figure.",
       "各方案的五项指标，均按图下所写方法相对本实验最优值归一化。"},
      script.Body(scripts::kRadar),
      {{"comparisons/radar.csv", csv.Take()}}};
}

std::optional<Figure> ParetoChart(const Facts& facts) {
  const std::vector<PlotRow> rows = PlotRows(facts);
  const std::vector<Candidate> all = ParetoCandidates(rows);
  if (all.size() < 2) return std::nullopt;
  const Frame frame(facts.task(), all);
  const std::vector<Label> english = Labels(frame, all, Language::kEnglish);
  const std::vector<Label> chinese = Labels(frame, all, Language::kChinese);
  Csv csv(RowHeader({"bytes", "accuracy", "on_front", "label_x_en", "label_y_en", "lead_en", "label_x_zh",
                     "label_y_zh", "lead_zh"}));
  for (size_t i = 0; i < all.size(); ++i) {
    csv.Add(RowFields(
        *all[i].row, i,
        {FormatExact(all[i].bytes), FormatExact(all[i].accuracy), Dominated(all[i], all) ? "0" : "1",
         FormatExact(english[i].x), FormatExact(english[i].y), english[i].lead ? "1" : "0",
         FormatExact(chinese[i].x), FormatExact(chinese[i].y), chinese[i].lead ? "1" : "0"}));
  }
  Script script("comparisons/pareto", "Accuracy over size, with the Pareto front.");
  script.Set("width", Frame::kWidth).Set("height", frame.height).Set("left", Frame::kLeft);
  script.Set("right", Frame::kRight).Set("top", Frame::kTop).Set("bottom", Frame::kBottom);
  script.Set("unit", frame.unit).Set("x_low", frame.x_low).Set("x_high", frame.x_high);
  script.Set("y_low", frame.y_low).Set("y_high", frame.y_high);
  script.Set("x_axis", Text{absl::StrCat("saved model, ", frame.Name()),
                            absl::StrCat("模型大小（", frame.Name(), "）")});
  const TaskSpec& task = facts.task();
  const Text quality = QualityText(task);
  script.Set("y_axis", QualityText(task));
  script.Set("front_title", Text{absl::StrCat("Pareto front: nothing is both smaller and ", task.better),
                                 absl::StrCat("帕累托前沿：没有方案同时更小且", task.better_zh)});
  return Figure{
      "comparisons/pareto",
      {absl::StrCat(QualityTitle(Language::kEnglish, task), " over model size"),
       absl::StrCat(QualityTitle(Language::kChinese, task), "与模型大小")},
      {absl::StrCat(QualityTitle(Language::kEnglish, task),
                    " over the size of the saved model, with the Pareto front. Differences smaller than the "
                    "intervals of ",
                    quality.english, " mean nothing."),
       FillChinese("$0与模型大小，虚线为帕累托前沿。小于$0区间的差异没有意义。", {quality.chinese})},
      OfQuality(task, script.Body(scripts::kPareto)),
      {{"comparisons/pareto.csv", csv.Take()}, {"comparisons/pareto_front.csv", FrontCsv(all)}}};
}

std::optional<Figure> Dashboard(const Facts& facts) {
  const std::vector<PlotRow> rows = PlotRows(facts);
  const InputShape shape = HeadlineShape(facts);
  DashboardData data = CollectDashboard(rows, shape);
  if (data.accuracy.empty() || data.size.empty()) return std::nullopt;
  const double largest = std::max(data.size.high, data.memory.empty() ? 0 : data.memory.high);
  const double unit = largest >= 2e9 ? 1e9 : largest >= 2e6 ? 1e6 : largest >= 2e3 ? 1e3 : 1;
  const char* const name = unit == 1e9 ? "GB" : unit == 1e6 ? "MB" : unit == 1e3 ? "kB" : "B";
  Script script("comparisons/dashboard", "The whole comparison on one page.");
  script.Set("rows", static_cast<double>(rows.size())).Set("width", 1240);
  script.Set("height", std::max(2 * (30.0 * static_cast<double>(rows.size()) + 90), 560.0));
  script.Set("left", LabelPixels(rows, Language::kEnglish) + 18);
  const double scale = QualityScale(facts.task());
  script.Flag("has_accuracy", true).Flag("has_pareto", true).Set("unit", unit);
  // Points on a narrow panel are smaller than in a separate figure.
  script.Set("accuracy_low", data.accuracy.QualityLow(scale))
      .Set("accuracy_high", data.accuracy.QualityHigh(scale));
  script.Set("accuracy_step", data.accuracy.QualityStep(scale)).Set("f1_step", data.f1.QualityStep(scale));
  script.Set("f1_low", data.f1.QualityLow(scale)).Set("f1_high", data.f1.QualityHigh(scale));
  script.Set("size_high", data.size.BarHigh(1 / unit)).Set("memory_high", data.memory.BarHigh(1 / unit));
  script.Set("speedup_high", data.speedup.BarHigh(1));
  script.Set("size_step", data.size.BarStep(1 / unit)).Set("memory_step", data.memory.BarStep(1 / unit));
  script.Set("speedup_step", data.speedup.BarStep(1));
  SetDashboardTexts(script, facts.task(), name, shape,
                    MarkUnreliable(facts, shape, {" (unreliable)", "（不可靠）"}));
  return Figure{"comparisons/dashboard",
                {"The comparison on one page", "对比总览"},
                {"The comparison on one page.", "对比总览。"},
                OfQuality(facts.task(), script.Body(scripts::kDashboard)),
                {{"comparisons/dashboard.csv", data.csv.Take()}}};
}

}  // namespace quantlab::report
