#include "report/page_charts.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "report/facts/format.h"
#include "report/facts/layer_names.h"
#include "report/facts/phrases.h"
#include "report/facts/quality.h"
#include "report/facts/verdict.h"
#include "report/figures/charts.h"
#include "report/page_json.h"

namespace quantlab::report {
namespace {

// Of one curve: more would only enlarge the page.
constexpr size_t kMostPoints = 250;

// The ends of the interval, or one deviation to each side; without either, none.
std::pair<std::optional<double>, std::optional<double>> Ends(const Result& result) {
  if (result.deviation.has_value())
    return {result.value - *result.deviation, result.value + *result.deviation};
  return {result.low, result.high};
}

void AddEnds(JsonObject& point, const char* low, const char* high, const Result& result, double scale) {
  const auto [from, to] = Ends(result);
  if (!from.has_value() || !to.has_value()) return;
  point.NumberIfKnown(low, *from * scale).NumberIfKnown(high, *to * scale);
}

std::string Lines(const std::vector<std::string>& lines) {
  std::vector<std::string> quoted;
  for (const std::string& line : lines) {
    if (!line.empty()) quoted.push_back(JsonText(line));
  }
  return JsonList(quoted);
}

// Collects the series of a view.
class View {
 public:
  View(std::string name, const char* kind) { object_.Text("name", name).Text("kind", kind); }

  View& X(const std::string& title) {
    object_.Text("x", title);
    return *this;
  }
  View& Y(const std::string& title) {
    object_.Text("y", title);
    return *this;
  }
  JsonObject& more() { return object_; }

  void Add(const std::string& variant, const std::string& label, const std::string& color,
           const std::vector<std::string>& points) {
    if (points.empty()) return;
    series_.push_back(JsonObject()
                          .Text("variant", variant)
                          .Text("label", label)
                          .Text("color", "#" + color)
                          .Raw("points", JsonList(points))
                          .Build());
  }
  void Add(Language language, const PlotRow& row, const std::vector<std::string>& points) {
    const std::string& label = row.variant->label.In(language);
    Add(row.variant->name, label.empty() ? row.variant->name : label, row.color, points);
  }

  bool empty() const { return series_.empty(); }
  std::string Build() { return object_.Raw("series", JsonList(series_)).Build(); }

 private:
  JsonObject object_;
  std::vector<std::string> series_;
};

class Charts {
 public:
  Charts(Language language, const Facts& facts)
      : language_(language),
        facts_(facts),
        task_(facts.task()),
        scale_(QualityScale(task_)),
        rows_(PlotRows(facts)),
        figures_(AllFigures(facts)) {}

  std::string Build() {
    AddTrade();
    AddAccuracy();
    AddPredictions();
    AddSpeed();
    AddBytes();
    AddPareto();
    AddFront();
    AddCurves();
    AddLayers();
    return JsonList(charts_);
  }

 private:
  std::string Say(const char* english, const char* chinese) const {
    return report::Say(language_, english, chinese);
  }

  template <typename... Args>
  std::string Fill(const char* english, const char* chinese, const Args&... args) const {
    return report::Fill(language_, english, chinese, args...);
  }

  // Of a figure that the report has.
  void Show(const char* path, std::vector<View> views) {
    const auto it = std::find_if(figures_.begin(), figures_.end(),
                                 [&](const Figure& figure) { return figure.path == path; });
    if (it == figures_.end()) return;
    std::vector<std::string> built;
    for (View& view : views) {
      if (!view.empty()) built.push_back(view.Build());
    }
    if (built.empty()) return;
    charts_.push_back(
        JsonObject().Text("figure", it->title.In(language_)).Raw("views", JsonList(built)).Build());
  }

  std::string SizeLine(const VariantFacts& variant) const {
    const Result* const size = FirstSize(variant);
    return size == nullptr ? "" : Fill("size $0", "体积 $0", FormatBytes(size->value));
  }

  std::string AccuracyLine(const VariantFacts& variant) const {
    return absl::StrCat(QualityName(language_, task_), " ",
                        QualityWithSpread(language_, task_, *variant.accuracy));
  }

  void AddTrade() {
    const InputShape shape = HeadlineShape(facts_);
    View view(Fill("$0 and speed", "$0与速度", QualityTitle(language_, task_)), "points");
    view.X(Fill("speed relative to FP32, $0", "相对 FP32 的速度（$0）", ShapeText(language_, shape)))
        .Y(DifferenceAxis(task_).In(language_));
    view.more().Number("reference", 1).Number("level", 0);
    const std::vector<const VariantFacts*> set = ParetoSet(facts_);
    double largest = 0;
    for (const PlotRow& row : rows_) {
      if (const Result* const size = FirstSize(*row.variant)) largest = std::max(largest, size->value);
    }
    for (const PlotRow& row : rows_) {
      const VariantFacts& variant = *row.variant;
      const Result* const speed = SpeedupOf(variant, 0, shape);
      const auto difference = DifferenceOf(variant, facts_.baseline());
      if (!variant.baseline && (speed == nullptr || !difference.has_value())) continue;
      JsonObject point;
      point.Number("x", variant.baseline ? 1 : speed->value);
      point.Number("y", variant.baseline ? 0 : scale_ * difference->value);
      if (!variant.baseline) {
        AddEnds(point, "xl", "xh", *speed, 1);
        AddEnds(point, "yl", "yh", *difference, scale_);
      }
      if (const Result* const size = FirstSize(variant); size != nullptr && largest > 0)
        point.NumberIfKnown("size", size->value / largest);
      const bool pareto = std::find(set.begin(), set.end(), &variant) != set.end();
      point.Flag("ring", pareto);
      point.Raw(
          "text",
          Lines({variant.accuracy.has_value() ? AccuracyLine(variant) : "",
                 variant.baseline ? ""
                                  : Fill("difference $0", "与 FP32 之差 $0",
                                         DifferenceWithSpread(language_, task_, *difference)),
                 variant.baseline ? "" : Fill("speed $0", "速度 $0", RatioWithSpread(language_, *speed)),
                 SizeLine(variant), pareto ? Say("in the Pareto set", "属于帕累托集") : ""}));
      AddP(variant, point);
      view.Add(language_, row, {point.Build()});
    }
    Show("comparisons/trade", {std::move(view)});
  }

  static void AddP(const VariantFacts& variant, JsonObject& point) {
    if (!variant.p_value.has_value() || variant.p_value->seeds != 1) return;
    point.Text("p", FormatPValue(variant.holm_p.value_or(*variant.p_value).value));
    point.Text("rawP", FormatPValue(variant.p_value->value));
  }

  // The title of an axis of the quality: of a share with its unit.
  std::string Axis(const std::string& quality) const {
    return task_.numeric ? quality : Fill("$0, %", "$0（%）", quality);
  }

  // The quality by which variants are judged, or the second one.
  View Qualities(const std::string& name, bool second) const {
    const auto of = [&](const VariantFacts& variant) -> const std::optional<Result>& {
      return second ? SecondQuality(variant) : variant.accuracy;
    };
    View view(name, "rows");
    view.X(Axis(name));
    const VariantFacts* const baseline = facts_.baseline();
    if (baseline != nullptr && of(*baseline).has_value())
      view.more().NumberIfKnown("reference", scale_ * of(*baseline)->value);
    for (const PlotRow& row : rows_) {
      const std::optional<Result>& result = of(*row.variant);
      if (!result.has_value()) continue;
      JsonObject point;
      point.Number("x", scale_ * result->value);
      AddEnds(point, "xl", "xh", *result, scale_);
      point.Raw("text", Lines({absl::StrCat(name, " ", QualityWithSpread(language_, task_, *result)),
                               second ? "" : DifferenceLine(*row.variant)}));
      if (!second) AddP(*row.variant, point);
      view.Add(language_, row, {point.Build()});
    }
    return view;
  }

  std::string DifferenceLine(const VariantFacts& variant) const {
    if (variant.baseline) return "";
    const auto difference = DifferenceOf(variant, facts_.baseline());
    if (!difference.has_value()) return "";
    return Fill("difference $0", "与 FP32 之差 $0", DifferenceWithSpread(language_, task_, *difference));
  }

  void AddAccuracy() {
    Show("results/accuracy", {Qualities(QualityName(language_, task_), false),
                              Qualities(SecondQualityTitle(task_).In(language_), true)});
  }

  void AddPredictions() {
    View view(Say("median prediction of texts with neighbouring labels", "标签相近的文本的预测值中位数"),
              "lines");
    view.X(Say("label, mean of the group", "标签（组内均值）"))
        .Y(Say("predicted number, median", "预测值（中位数）"));
    for (const PlotRow& row : rows_) {
      std::vector<std::string> points;
      for (const LabelGroup& group : DrawnGroups(*row.variant)) {
        points.push_back(
            JsonObject()
                .Number("x", *group.label)
                .Number("y", *group.median)
                .Raw("text", Lines({Fill("label $0: predicted $1 (10th to 90th percentile $2 to $3)",
                                         "标签 $0：预测值 $1（第 10 至第 90 百分位 $2 至 $3）",
                                         FormatNumber(*group.label, 3), FormatNumber(*group.median, 3),
                                         FormatNumber(*group.p10, 3), FormatNumber(*group.p90, 3))}))
                .Build());
      }
      if (points.size() >= 2) view.Add(language_, row, points);
    }
    Show("results/predictions", {std::move(view)});
  }

  std::string Unreliable(const InputShape& shape) const {
    return facts_.comparisons[0].Reliable(shape)
               ? ""
               : Say(" (unreliable: A/A check failed)", "（不可靠：A/A 检验未通过）");
  }

  View Speedups(const InputShape& shape) const {
    View view(Fill("speedup, $0$1", "加速比，$0$1", ShapeText(language_, shape), Unreliable(shape)), "rows");
    view.X(Say("times the speed of the best FP32 path", "相对最优 FP32 路径的倍数"));
    view.more().Number("reference", 1);
    for (const PlotRow& row : rows_) {
      const Result* const speedup = SpeedupOf(*row.variant, 0, shape);
      if (speedup == nullptr) continue;
      JsonObject point;
      point.Number("x", speedup->value);
      AddEnds(point, "xl", "xh", *speedup, 1);
      point.Raw("text", Lines({Fill("speed $0", "速度 $0", RatioWithSpread(language_, *speedup))}));
      view.Add(language_, row, {point.Build()});
    }
    return view;
  }

  View Latencies(const InputShape& shape) const {
    View view(Fill("latency, $0$1", "延迟，$0$1", ShapeText(language_, shape), Unreliable(shape)), "rows");
    view.X(Say("milliseconds per batch: median, and to the 90th percentile",
               "每批毫秒数：中位数，延伸至第 90 百分位"));
    for (const PlotRow& row : rows_) {
      if (row.variant->measured.empty()) continue;
      const auto it = row.variant->measured[0].by_shape.find(shape);
      if (it == row.variant->measured[0].by_shape.end() || !it->second.p50.has_value()) continue;
      const Timing& timing = it->second;
      JsonObject point;
      point.Number("x", 1e3 * timing.p50->value);
      if (timing.p90.has_value())
        point.NumberIfKnown("xl", 1e3 * timing.p50->value).NumberIfKnown("xh", 1e3 * timing.p90->value);
      point.Raw("text", Lines({TimeLine("p50", timing.p50), TimeLine("p90", timing.p90)}));
      view.Add(language_, row, {point.Build()});
    }
    return view;
  }

  std::string TimeLine(const char* name, const std::optional<Result>& time) const {
    if (!time.has_value()) return "";
    return absl::StrCat(name, " ", FormatSeconds(time->value),
                        Brackets(language_, SpreadOf(language_, *time, FormatSeconds)));
  }

  void AddSpeed() {
    if (facts_.comparisons.empty()) return;
    std::vector<View> views;
    for (const InputShape& shape : facts_.ShapesWithSpeedup(0)) views.push_back(Speedups(shape));
    for (const InputShape& shape : facts_.ShapesWithSpeedup(0)) views.push_back(Latencies(shape));
    Show("results/speed", std::move(views));
  }

  View Bytes(const std::string& title, const Result* (*bytes)(const VariantFacts&),
             std::string (Charts::*line)(const VariantFacts&) const) const {
    View view(title, "bars");
    view.X(Fill("$0, MB", "$0（MB）", title));
    for (const PlotRow& row : rows_) {
      const Result* const result = bytes(*row.variant);
      if (result == nullptr) continue;
      JsonObject point;
      point.Number("x", result->value / 1e6);
      AddEnds(point, "xl", "xh", *result, 1e-6);
      point.Raw("text", Lines({FormatBytes(result->value), (this->*line)(*row.variant)}));
      view.Add(language_, row, {point.Build()});
    }
    return view;
  }

  std::string CompressionLine(const VariantFacts& variant) const {
    if (variant.measured.empty() || !variant.measured[0].ratio.has_value()) return "";
    return Fill("compression ratio $0", "压缩比 $0", FormatCompression(variant.measured[0].ratio->value));
  }
  std::string NoLine(const VariantFacts&) const { return ""; }

  void AddBytes() {
    Show("results/size", {Bytes(Say("saved model", "模型大小"), FirstSize, &Charts::CompressionLine)});
    Show("results/memory", {Bytes(Say("peak memory", "内存峰值"), FirstPeak, &Charts::NoLine)});
  }

  void AddPareto() {
    View view(Fill("$0 and size", "$0与体积", QualityTitle(language_, task_)), "points");
    view.X(Say("saved model, MB", "模型大小（MB）")).Y(Axis(QualityName(language_, task_)));
    for (const PlotRow& row : rows_) {
      const VariantFacts& variant = *row.variant;
      const Result* const size = FirstSize(variant);
      if (size == nullptr || !variant.accuracy.has_value()) continue;
      JsonObject point;
      point.Number("x", size->value / 1e6).Number("y", scale_ * variant.accuracy->value);
      AddEnds(point, "yl", "yh", *variant.accuracy, scale_);
      point.Raw("text", Lines({AccuracyLine(variant), SizeLine(variant)}));
      view.Add(language_, row, {point.Build()});
    }
    Show("comparisons/pareto", {std::move(view)});
  }

  View Front(const VariantFacts& variant, const std::string& name,
             std::optional<double> FrontPoint::*member) const {
    View view(name, "points");
    const bool by_size = FrontIsBySize(variant);
    view.X(by_size ? Say("size of the linear layers, MB", "线性层的体积（MB）")
                   : Say("time of the linear layers, each timed alone, ms",
                         "线性层耗时之和，逐层单独计时（毫秒）"))
        .Y(name);
    std::vector<std::string> points;
    for (const FrontPoint& one : DrawnPoints(variant)) {
      const std::optional<double>& value = one.*member;
      if (!value.has_value() || !std::isfinite(*value)) continue;
      const double cost = CostOf(variant, one);
      JsonObject point;
      point.Number("x", cost).Number("y", value).Flag("ring", one.chosen);
      point.Raw(
          "text",
          Lines({Fill("cost $0", "代价 $0", absl::StrCat(FormatNumber(cost, 3), by_size ? " MB" : " ms")),
                 absl::StrCat(name, " ", FormatNumber(*value, 3)),
                 one.accuracy.has_value()
                     ? Fill("validation $1 $0", "验证集$1 $0", QualityFormat(task_)(*one.accuracy),
                            QualityName(language_, task_))
                     : "",
                 one.chosen ? Say("chosen", "所选") : ""}));
      points.push_back(point.Build());
    }
    const std::string& label = variant.label.In(language_);
    view.Add(variant.name, label.empty() ? variant.name : label, MethodColor(variant), points);
    return view;
  }

  void AddFront() {
    const VariantFacts* const variant = DrawnFront(facts_);
    if (variant == nullptr) return;
    Show("results/front",
         {Front(*variant, Say("predicted divergence, nats", "预测散度（nat）"), &FrontPoint::divergence),
          Front(*variant, Say("measured loss increase", "实测损失增量"), &FrontPoint::loss_increase)});
  }

  // At most kMostPoints, evenly spaced.
  std::vector<std::string> CurvePoints(const std::map<int64_t, double>& curve, bool smooth) const {
    std::vector<double> values;
    for (const auto& [step, value] : curve) values.push_back(value);
    const std::vector<double> shown = smooth ? Smoothed(values) : values;
    const size_t stride = (values.size() + kMostPoints - 1) / kMostPoints;
    std::vector<std::string> points;
    size_t i = 0;
    for (const auto& [step, value] : curve) {
      if (i % stride == 0 || i + 1 == values.size()) {
        points.push_back(
            JsonObject()
                .Number("x", static_cast<double>(step))
                .Number("y", shown[i])
                .Raw("text", Lines({Fill("step $0: $1", "第 $0 步：$1", step, FormatNumber(shown[i], 3))}))
                .Build());
      }
      ++i;
    }
    return points;
  }

  View Curves(const std::string& name, const char* metric, bool smooth) const {
    View view(name, "lines");
    view.X(Say("step", "步")).Y(name);
    for (const PlotRow& row : rows_) {
      for (const RunReport* run : row.variant->runs) {
        if (run->run.state != RunState::kSucceeded) continue;
        const std::map<int64_t, double> curve = CurveOf(*run, metric);
        if (curve.size() < 2) continue;
        const std::string& label = row.variant->label.In(language_);
        const bool one = row.variant->runs.size() == 1 && !label.empty();
        view.Add(row.variant->name, one ? label : run->run.name, row.color, CurvePoints(curve, smooth));
      }
    }
    return view;
  }

  void AddCurves() {
    Show("results/curves",
         {Curves(Say("training loss, moving mean", "训练损失（滑动平均）"), "train_loss", true),
          Curves(Say("training loss of each step", "每步训练损失"), "train_loss", false),
          Curves(Say("learning rate", "学习率"), "learning_rate", false)});
  }

  // Positions on an axis that all variants share.
  struct LayerAxis {
    std::map<std::string, size_t> index;
    std::vector<std::string> ticks;

    size_t Of(const Layer& layer, Language language) {
      const auto [it, added] = index.emplace(layer.name, ticks.size());
      if (added) ticks.push_back(JsonText(PlaceOf(layer).short_name.In(language)));
      return it->second;
    }
  };

  View NoiseOfLayers(LayerAxis& axis) const {
    View view(Say("output SQNR, dB", "输出信噪比 SQNR（dB）"), "lines");
    view.X(Say("layer, from input to answer", "层（由输入到答案）")).Y("dB");
    for (const PlotRow& row : rows_) {
      std::vector<std::string> points;
      for (const RunReport* run : row.variant->runs) {
        if (run->run.state != RunState::kSucceeded || run->layers.empty()) continue;
        for (const Layer& layer : run->layers) {
          const auto x = static_cast<double>(axis.Of(layer, language_));
          if (!layer.sqnr_db.has_value() || !std::isfinite(*layer.sqnr_db)) continue;
          points.push_back(
              JsonObject()
                  .Number("x", x)
                  .Number("y", *layer.sqnr_db)
                  .Raw("text",
                       Lines({layer.name, absl::StrCat(PrecisionTitle(layer.effective).In(language_),
                                                       ", SQNR ", FormatNumber(*layer.sqnr_db, 3), " dB")}))
                  .Build());
        }
        break;
      }
      view.Add(language_, row, points);
    }
    return view;
  }

  View DamageOfLayers(LayerAxis& axis) const {
    View view(Say("sensitivity of each layer alone", "单独量化各层的敏感度"), "lines");
    view.X(Say("layer, from input to answer", "层（由输入到答案）"))
        .Y(Say("divergence of the answers, nats", "答案的散度（nat）"));
    for (const PlotRow& row : rows_) {
      std::map<std::string, std::vector<std::string>> by_precision;
      std::vector<std::string> precisions;
      for (const LayerSensitivity& one : row.variant->sensitivity) {
        if (!one.divergence.has_value() || !std::isfinite(*one.divergence)) continue;
        Layer layer;
        layer.name = one.layer;
        std::vector<std::string>& points = by_precision[one.precision];
        if (points.empty()) precisions.push_back(one.precision);
        points.push_back(JsonObject()
                             .Number("x", static_cast<double>(axis.Of(layer, language_)))
                             .Number("y", *one.divergence)
                             .Raw("text", Lines({one.layer, Fill("divergence $0 nats", "散度 $0 nat",
                                                                 FormatNumber(*one.divergence, 3))}))
                             .Build());
      }
      for (const std::string& precision : precisions) {
        view.Add(row.variant->name, PrecisionTitle(precision).In(language_), PrecisionColor(precision),
                 by_precision[precision]);
      }
    }
    return view;
  }

  void AddLayers() {
    LayerAxis axis;
    std::vector<View> views;
    views.push_back(NoiseOfLayers(axis));
    views.push_back(DamageOfLayers(axis));
    for (View& view : views) view.more().Raw("ticks", JsonList(axis.ticks));
    Show("results/layers", std::move(views));
  }

  const Language language_;
  const Facts& facts_;
  const TaskSpec& task_;
  const double scale_;  // of the quality in charts: QualityScale
  const std::vector<PlotRow> rows_;
  const std::vector<Figure> figures_;
  std::vector<std::string> charts_;
};

}  // namespace

std::string ChartsJson(Language language, const Facts& facts) {
  return Charts(language, facts).Build();
}

}  // namespace quantlab::report
