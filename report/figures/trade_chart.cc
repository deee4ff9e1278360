// Gain and cost of the variants in one figure: accuracy over speed, with size as area.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "report/facts/format.h"
#include "report/facts/quality.h"
#include "report/facts/verdict.h"
#include "report/figures/charts.h"
#include "report/figures/label_placer.h"
#include "report/figures/scripts.h"

namespace quantlab::report {
namespace {

// gnuplot's point size of the largest disc, and of the smallest one that is still visible.
constexpr double kLargestDisc = 3.4, kSmallestDisc = 0.7;

struct Point {
  const PlotRow* row;
  Result speed, difference;  // FP32: 1 and 0, exactly
  double bytes;              // 0: unknown
};

std::vector<Point> PointsOf(const Facts& facts, const std::vector<PlotRow>& rows, const InputShape& shape) {
  std::vector<Point> points;
  for (const PlotRow& row : rows) {
    const VariantFacts& variant = *row.variant;
    Point point = {&row, {}, {}, 0};
    if (const Result* const size = FirstSize(variant)) point.bytes = std::max(0.0, size->value);
    point.speed.value = 1;
    point.speed.low = point.speed.high = 1;
    point.difference.low = point.difference.high = 0;
    if (!variant.baseline) {
      const Result* const speed = SpeedupOf(variant, 0, shape);
      const auto difference = DifferenceOf(variant, facts.baseline());
      if (speed == nullptr || !difference.has_value()) continue;
      point.speed = *speed;
      point.difference = *difference;
    }
    if (std::isfinite(point.speed.value) && std::isfinite(point.difference.value)) points.push_back(point);
  }
  return points;
}

// One axis: its range and its length in pixels.
struct Axis {
  double low = 0, high = 1, step = 1, pixels = 1;

  double Pixel(double value) const { return (value - low) / (high - low) * pixels; }
  double Value(double pixel) const { return low + pixel / pixels * (high - low); }
};

Axis AxisOf(const std::vector<Point>& points, Result Point::*member, double scale, double pixels) {
  double low = (points[0].*member).value, high = low;
  for (const Point& point : points) {
    const Result& result = point.*member;
    const double spread = result.deviation.value_or(0);
    for (const double end : {result.value - spread, result.value + spread, result.low.value_or(result.value),
                             result.high.value_or(result.value)}) {
      if (!std::isfinite(end)) continue;
      low = std::min(low, end);
      high = std::max(high, end);
    }
  }
  const double pad = std::max(0.12 * (high - low), 0.002);
  Axis axis = {scale * (low - pad), scale * (high + pad), 1, pixels};
  axis.step = TickStep(axis.high - axis.low, 7);
  return axis;
}

struct Frame {
  static constexpr double kWidth = 900, kLeft = 92, kRight = 24, kTop = 40, kBottom = 66;
  double scale = 100, height = 500;
  Axis x, y;

  Frame(const TaskSpec& task, const std::vector<Point>& points)
      : scale(QualityScale(task)),
        height(std::max(500.0, 260 + 22 * static_cast<double>(points.size()))),
        x(AxisOf(points, &Point::speed, 1, kWidth - kLeft - kRight)),
        y(AxisOf(points, &Point::difference, scale, height - kTop - kBottom)) {}
};

// Label fields of one language for each point: x, y, and whether it has a line.
std::vector<std::vector<std::string>> LabelFields(const Frame& frame, const std::vector<Point>& points,
                                                  Language language) {
  std::vector<Spot> spots;
  std::vector<LabelSize> sizes;
  for (const Point& point : points) {
    spots.push_back({frame.x.Pixel(point.speed.value), frame.y.Pixel(frame.scale * point.difference.value)});
    sizes.push_back({TextWidth(point.row->label.In(language)) * 13 + 30, 30});
  }
  const std::vector<Spot> labels = PlaceLabels(spots, sizes, frame.x.pixels, frame.y.pixels);
  std::vector<std::vector<std::string>> fields;
  for (size_t i = 0; i < labels.size(); ++i) {
    fields.push_back({FormatExact(frame.x.Value(labels[i].x)), FormatExact(frame.y.Value(labels[i].y)),
                      NeedsLine(spots[i], labels[i], sizes[i]) ? "1" : "0"});
  }
  return fields;
}

double DiscOf(const Point& point, double largest) {
  if (largest <= 0) return kSmallestDisc;
  return std::max(kSmallestDisc, kLargestDisc * std::sqrt(point.bytes / largest));
}

std::string DataCsv(const Facts& facts, const Frame& frame, const std::vector<Point>& points) {
  const auto english = LabelFields(frame, points, Language::kEnglish);
  const auto chinese = LabelFields(frame, points, Language::kChinese);
  const std::vector<const VariantFacts*> set = ParetoSet(facts);
  double largest = 0;
  for (const Point& point : points) largest = std::max(largest, point.bytes);
  Csv csv(RowHeader({"speed", "speed_low", "speed_high", "difference", "difference_low", "difference_high",
                     "bytes", "disc", "pareto", "label_x_en", "label_y_en", "lead_en", "label_x_zh",
                     "label_y_zh", "lead_zh"}));
  for (size_t i = 0; i < points.size(); ++i) {
    const Point& point = points[i];
    const bool pareto = std::find(set.begin(), set.end(), point.row->variant) != set.end();
    csv.Add(RowFields(
        *point.row, i,
        {CsvNumber(point.speed.value), CsvLow(point.speed), CsvHigh(point.speed),
         CsvNumber(point.difference.value), CsvLow(point.difference), CsvHigh(point.difference),
         CsvNumber(point.bytes), FormatExact(DiscOf(point, largest)), pareto ? "1" : "0", english[i][0],
         english[i][1], english[i][2], chinese[i][0], chinese[i][1], chinese[i][2]}));
  }
  return csv.Take();
}

}  // namespace

std::optional<Figure> TradeChart(const Facts& facts) {
  const InputShape shape = HeadlineShape(facts);
  // Unreliable speeds must not be the basis of a choice.
  if (facts.comparisons.empty() || !facts.comparisons[0].Reliable(shape)) return std::nullopt;
  const std::vector<PlotRow> rows = PlotRows(facts);
  const std::vector<Point> points = PointsOf(facts, rows, shape);
  if (points.size() < 2) return std::nullopt;
  const TaskSpec& task = facts.task();
  const Frame frame(task, points);
  Script script("comparisons/trade", "Accuracy over speed, with size as area.");
  script.Set("width", Frame::kWidth).Set("height", frame.height).Set("left", Frame::kLeft);
  script.Set("right", Frame::kRight).Set("top", Frame::kTop).Set("bottom", Frame::kBottom);
  script.Set("x_low", frame.x.low).Set("x_high", frame.x.high).Set("x_step", frame.x.step);
  script.Set("y_low", frame.y.low).Set("y_high", frame.y.high).Set("y_step", frame.y.step);
  script.Set("x_axis", Text{absl::StrCat("speed relative to FP32, ", ShapeText(Language::kEnglish, shape)),
                            absl::StrCat("相对 FP32 的速度（", ShapeText(Language::kChinese, shape), "）")});
  const Text quality = QualityText(task);
  script.Set("y_axis", DifferenceAxis(task));
  script.Set("pareto_title", Text{"Pareto set", "帕累托集"});
  return Figure{
      "comparisons/trade",
      {absl::StrCat(QualityTitle(Language::kEnglish, task), " over speed, with model size as area"),
       absl::StrCat(QualityTitle(Language::kChinese, task), "与速度的取舍，面积表示模型大小")},
      {absl::StrCat(
           "The trade: ", quality.english,
           " on the same texts against speed, both relative to FP32 (dotted), with 95% "
           "intervals, or one standard deviation over seeds. The area of a disc is the size of the saved "
           "model; a ring marks the Pareto set."),
       FillChinese("取舍：同一批文本上的$0与速度，均相对 FP32（点线），附 95% "
                   "置信区间或各随机种子的一个标准差。圆面积为所存模型的大小，圆环标出帕累托集。",
                   {quality.chinese})},
      OfQuality(task, script.Body(scripts::kTrade)),
      {{"comparisons/trade.csv", DataCsv(facts, frame, points)}}};
}

}  // namespace quantlab::report
