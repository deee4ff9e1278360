// Error and precision of single layers, the Pareto front of mixed precision, and training curves.
#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "report/facts/format.h"
#include "report/facts/layer_names.h"
#include "report/facts/names.h"
#include "report/figures/charts.h"
#include "report/figures/scripts.h"

namespace quantlab::report {
namespace {

// Layers by their position in the model, and their data in the figures.
class LayerGrid {
 public:
  explicit LayerGrid(const Facts& facts) {
    for (const PlotRow& row : PlotRows(facts)) {
      rows_.push_back(row);
      for (const Layer& layer : LayersOf(*row.variant)) {
        const size_t index = Index(layer.name);
        places_[index] = PlaceOf(layer);
      }
      for (const LayerSensitivity& one : row.variant->sensitivity) Index(one.layer);
    }
  }

  static const std::vector<Layer>& LayersOf(const VariantFacts& variant) {
    static const auto* const none = new std::vector<Layer>();
    for (const RunReport* run : variant.runs) {
      if (run->run.state == RunState::kSucceeded && !run->layers.empty()) return run->layers;
    }
    return *none;
  }

  size_t Index(const std::string& layer) {
    const auto [it, added] = index_.emplace(layer, names_.size());
    if (added) {
      names_.push_back(layer);
      Layer named;
      named.name = layer;
      places_.push_back(PlaceOf(named));
    }
    return it->second;
  }

  const std::vector<PlotRow>& rows() const { return rows_; }
  const std::vector<std::string>& names() const { return names_; }
  const LayerPlace& place(size_t index) const { return places_[index]; }

  // Boundaries between encoder blocks, between columns.
  std::vector<double> Blocks() const {
    std::vector<double> blocks;
    for (size_t i = 1; i < names_.size(); ++i) {
      if (places_[i].block != places_[i - 1].block) blocks.push_back(static_cast<double>(i) - 0.5);
    }
    return blocks;
  }

 private:
  std::vector<PlotRow> rows_;
  std::vector<std::string> names_;
  std::vector<LayerPlace> places_;  // of the layers of names_
  std::map<std::string, size_t> index_;
};

struct Panel {
  std::string kind;
  std::vector<Text> labels;
  double low = 1e300, high = -1e300;

  void Saw(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

struct LayerData {
  Csv cells{{"panel", "row", "layer_index", "layer", "precision", "value", "color"}};
  Csv rows{{"panel", "row", "label_en", "label_zh"}};
  std::vector<Panel> panels;
  std::vector<std::string> precisions;  // seen, in order

  void Add(const Panel& panel, LayerGrid& grid, const std::string& layer, const std::string& precision,
           std::optional<double> value) {
    cells.Add({panel.kind, std::to_string(panel.labels.size() - 1), std::to_string(grid.Index(layer)), layer,
               precision, CsvNumber(value), PrecisionColor(precision)});
  }
  void StartRow(Panel& panel, const Text& label) {
    rows.Add({panel.kind, std::to_string(panel.labels.size()), label.english, label.chinese});
    panel.labels.push_back(label);
  }
};

void AddSqnr(LayerGrid& grid, LayerData& data) {
  Panel panel{"sqnr", {}};
  for (const PlotRow& row : grid.rows()) {
    const std::vector<Layer>& layers = LayerGrid::LayersOf(*row.variant);
    const bool any = std::any_of(layers.begin(), layers.end(), [](const Layer& layer) {
      return layer.sqnr_db.has_value() && std::isfinite(*layer.sqnr_db);
    });
    if (!any) continue;
    data.StartRow(panel, row.label);
    for (const Layer& layer : layers) {
      if (!layer.sqnr_db.has_value() || !std::isfinite(*layer.sqnr_db)) continue;
      panel.Saw(*layer.sqnr_db);
      data.Add(panel, grid, layer.name, layer.effective, layer.sqnr_db);
    }
  }
  if (!panel.labels.empty()) data.panels.push_back(panel);
}

// The precisions that a variant measured on single layers.
std::vector<std::string> TriedPrecisions(const VariantFacts& variant) {
  std::vector<std::string> precisions;
  for (const LayerSensitivity& one : variant.sensitivity) {
    const bool known = std::find(precisions.begin(), precisions.end(), one.precision) != precisions.end();
    if (!known && one.Damage().has_value()) precisions.push_back(one.precision);
  }
  return precisions;
}

bool HasDivergence(const LayerGrid& grid) {
  for (const PlotRow& row : grid.rows()) {
    for (const LayerSensitivity& one : row.variant->sensitivity) {
      if (one.divergence.has_value()) return true;
    }
  }
  return false;
}

// One line per measured precision.
void AddDamage(LayerGrid& grid, LayerData& data) {
  Panel panel{HasDivergence(grid) ? "divergence" : "loss", {}};
  for (const PlotRow& row : grid.rows()) {
    for (const std::string& precision : TriedPrecisions(*row.variant)) {
      data.StartRow(panel, PrecisionTitle(precision));
      for (const LayerSensitivity& one : row.variant->sensitivity) {
        if (one.precision != precision || !one.Damage() || !std::isfinite(*one.Damage())) continue;
        panel.Saw(*one.Damage());
        data.Add(panel, grid, one.layer, precision, one.Damage());
      }
    }
  }
  if (!panel.labels.empty()) data.panels.push_back(panel);
}

void AddPrecisions(LayerGrid& grid, LayerData& data) {
  Panel panel{"precision", {}};
  for (const PlotRow& row : grid.rows()) {
    const std::vector<Layer>& layers = LayerGrid::LayersOf(*row.variant);
    if (layers.empty()) continue;
    data.StartRow(panel, row.label);
    for (const Layer& layer : layers) {
      // All unknown precisions share one colour and one entry in the legend.
      const std::string shown = KnownPrecision(layer.effective) ? layer.effective : "";
      const bool seen =
          std::find(data.precisions.begin(), data.precisions.end(), shown) != data.precisions.end();
      if (!seen) data.precisions.push_back(shown);
      data.Add(panel, grid, layer.name, layer.effective, std::nullopt);
    }
  }
  // In the order of the legend's colours, not of execution.
  std::sort(data.precisions.begin(), data.precisions.end(),
            [](const std::string& a, const std::string& b) { return PrecisionOrder(a) < PrecisionOrder(b); });
  panel.low = panel.high = 0;
  if (!panel.labels.empty()) data.panels.push_back(panel);
}

std::string NamesCsv(const LayerGrid& grid) {
  Csv csv({"layer_index", "layer", "short_en", "short_zh"});
  for (size_t i = 0; i < grid.names().size(); ++i) {
    const Text& name = grid.place(i).short_name;
    csv.Add({std::to_string(i), grid.names()[i], name.english, name.chinese});
  }
  return csv.Take();
}

double WidestLabel(const LayerData& data, Language language) {
  double em = 6;
  for (const Panel& panel : data.panels) {
    for (const Text& text : panel.labels) em = std::max(em, TextWidth(text.In(language)));
  }
  return std::ceil(em * 13) + 16;
}

Text Same(const std::string& text) {
  return {text, text};
}

// One word or element per panel.
void SetPanels(Script& script, const LayerData& data) {
  std::string kinds, colors, english, chinese;
  std::vector<double> rows, low, high;
  for (const Panel& panel : data.panels) {
    const double pad = panel.high > panel.low ? 0 : std::max(std::abs(panel.high) * 0.05, 1e-9);
    absl::StrAppend(&kinds, panel.kind, " ");
    rows.push_back(static_cast<double>(panel.labels.size()));
    low.push_back(panel.low - pad);
    high.push_back(panel.high + pad);
  }
  for (const std::string& precision : data.precisions) {
    const Text title = KnownPrecision(precision) ? PrecisionTitle(precision) : Text{"other", "其他"};
    absl::StrAppend(&colors, PrecisionColor(precision), " ");
    // A non-breaking space, which does not end a word.
    absl::StrAppend(&english, absl::StrReplaceAll(title.english, {{" ", "\xC2\xA0"}}), " ");
    absl::StrAppend(&chinese, absl::StrReplaceAll(title.chinese, {{" ", "\xC2\xA0"}}), " ");
  }
  script.Set("panels", static_cast<double>(data.panels.size())).Set("panel_kinds", Same(kinds));
  script.Array("panel_rows", rows).Array("panel_low", low).Array("panel_high", high);
  script.Set("legend_colors", Same(colors)).Set("legend_names", Text{english, chinese});
}

struct CurveData {
  Csv csv{{"series", "run", "step", "train_loss", "train_loss_smoothed", "learning_rate", "color"}};
  Csv legend{{"series", "run", "label_en", "label_zh", "color"}};
  std::vector<double> marks;               // of each series: its index among those with the same colour
  std::map<std::string, double> of_color;  // number of series by colour
  int series = 0;
  int64_t last = 0;
  double highest = 0, legend_em = 4;
  double highest_rate = 0;
};

void AddCurve(const PlotRow& row, const RunReport& run, CurveData& data) {
  const std::map<int64_t, double> losses = CurveOf(run, "train_loss");
  const std::map<int64_t, double> rates = CurveOf(run, "learning_rate");
  if (losses.size() < 2) return;
  std::vector<double> values;
  for (const auto& [step, loss] : losses) values.push_back(loss);
  const std::vector<double> smoothed = Smoothed(values);
  size_t i = 0;
  for (const auto& [step, loss] : losses) {
    const auto rate = rates.find(step);
    const bool known = rate != rates.end();
    if (known) data.highest_rate = std::max(data.highest_rate, rate->second);
    data.csv.Add({std::to_string(data.series), run.run.name, std::to_string(step), FormatExact(loss),
                  FormatExact(smoothed[i++]), known ? FormatExact(rate->second) : "", row.color});
    data.last = std::max(data.last, step);
    data.highest = std::max(data.highest, loss);
  }
  const bool one = row.variant->runs.size() == 1;
  const Text label = one ? row.label : Same(PlotLabelEnd(run.run.name, 22));
  data.marks.push_back(data.of_color[row.color]++);
  data.legend.Add({std::to_string(data.series), run.run.name, label.english, label.chinese, row.color});
  data.legend_em = std::max({data.legend_em, TextWidth(label.english), TextWidth(label.chinese)});
  ++data.series;
}

// The range of an axis, with a margin on both sides.
class AxisRange {
 public:
  void Add(double value) {
    low_ = std::min(low_, value);
    high_ = std::max(high_, value);
  }
  void Set(Script& script, const char* low, const char* high, double least) const {
    const double pad = std::max(0.08 * (high_ - low_), least);
    script.Set(low, low_ - pad).Set(high, high_ + pad);
  }

 private:
  double low_ = 1e300, high_ = -1e300;
};

Text FrontCaption(const VariantFacts& variant, bool predicted) {
  const std::string english = Named(Language::kEnglish, variant),
                    chinese = Named(Language::kChinese, variant);
  const Text below = {
      "The same assignments as whole models: the loss that was measured on the validation examples, minus "
      "FP32's, which need not fall as the prediction does.",
      "同一批分配作为整个模型在验证集上实测的损失与 FP32 之差，不必随预测值单调下降。"};
  if (!predicted) {
    return {
        absl::StrCat("Assignments of precisions to layers that ", english, " chose from. ", below.english),
        absl::StrCat(chinese, "可选的逐层精度分配。", below.chinese)};
  }
  return {
      absl::StrCat("The Pareto front from which ", english,
                   " chose. The quantities that it is built on: the cost of the linear layers and the "
                   "divergence predicted as the sum of each layer's own. ",
                   below.english),
      absl::StrCat(chinese,
                   "所用的帕累托前沿。构成前沿的两个量为线性层的代价，以及由各层散度相加预测的散度。另给出",
                   below.chinese)};
}

}  // namespace

std::vector<double> Smoothed(const std::vector<double>& values) {
  const size_t reach = values.size() / 30;
  std::vector<double> smoothed;
  for (size_t i = 0; i < values.size(); ++i) {
    // Symmetric also at the ends, where an asymmetric window would shift the curve.
    const size_t wide = std::min({reach, i, values.size() - 1 - i});
    double sum = 0;
    for (size_t j = i - wide; j <= i + wide; ++j) sum += values[j];
    smoothed.push_back(sum / static_cast<double>(2 * wide + 1));
  }
  return smoothed;
}

std::map<int64_t, double> CurveOf(const RunReport& run, const char* name) {
  std::map<int64_t, double> points;
  for (const Metric& metric : run.metrics) {
    if (metric.name == name && metric.step > 0 && std::isfinite(metric.value))
      points[metric.step] = metric.value;
  }
  return points;
}

double CostOf(const VariantFacts& variant, const FrontPoint& point) {
  return FrontIsBySize(variant) ? point.bytes.value_or(NAN) / 1e6 : 1e3 * point.seconds.value_or(NAN);
}

std::vector<FrontPoint> DrawnPoints(const VariantFacts& variant) {
  std::vector<FrontPoint> points;
  for (const FrontPoint& point : variant.front) {
    if (point.loss_increase && std::isfinite(*point.loss_increase) && std::isfinite(CostOf(variant, point))) {
      points.push_back(point);
    }
  }
  std::stable_sort(points.begin(), points.end(), [&](const FrontPoint& a, const FrontPoint& b) {
    return CostOf(variant, a) < CostOf(variant, b);
  });
  return points;
}

std::optional<Figure> LayerChart(const Facts& facts) {
  LayerGrid grid(facts);
  LayerData data;
  AddSqnr(grid, data);
  AddDamage(grid, data);
  AddPrecisions(grid, data);
  if (data.panels.empty()) return std::nullopt;
  const auto layers = static_cast<double>(grid.names().size());
  const double left = std::max(WidestLabel(data, Language::kEnglish), WidestLabel(data, Language::kChinese));
  Script script("results/layers", "Layer by layer: noise, sensitivity, and the precision that ran.");
  script.Set("layers", layers).Set("left", left).Set("right", 84).Set("top", 34).Set("bottom", 54);
  script.Set("gap", 44).Set("width", std::max(900.0, left + 84 + 19 * layers));
  script.Set("legend_start", 210)
      .Set("legend_step", 122)
      .Set("block_count", static_cast<double>(grid.Blocks().size()));
  if (!grid.Blocks().empty()) script.Array("blocks", grid.Blocks());
  SetPanels(script, data);
  script.Set("title_sqnr", Text{"output SQNR, dB (dark: noisier)", "输出信噪比 SQNR，dB（深色：噪声更大）"});
  script.Set("title_damage",
             HasDivergence(grid)
                 ? Text{"divergence of the answers with this layer alone quantized, nats (dark: more "
                        "sensitive)",
                        "单独量化该层时答案的散度（nat；深色：更敏感）"}
                 : Text{"loss increase with this layer alone quantized (dark: more sensitive)",
                        "单独量化该层时的损失增量（深色：更敏感）"});
  script.Set("title_precision", Text{"precision that ran", "实际运行精度"});
  return Figure{
      "results/layers",
      {"Sensitivity and precision of each layer", "各层的敏感度与精度"},
      {"Layer by layer: signal-to-noise ratio of the output, sensitivity as mixed precision measured it, "
       "and the precision that ran.",
       "逐层：输出信噪比、混合精度所测的敏感度，以及实际运行的精度。"},
      script.Body(scripts::kLayers),
      {{"results/layers.csv", data.cells.Take()},
       {"results/layers_rows.csv", data.rows.Take()},
       {"results/layers_names.csv", NamesCsv(grid)}}};
}

const VariantFacts* DrawnFront(const Facts& facts) {
  for (const VariantFacts& variant : facts.variants) {
    if (DrawnPoints(variant).size() >= 2) return &variant;
  }
  return nullptr;
}

std::optional<Figure> FrontChart(const Facts& facts) {
  const VariantFacts* const variant = DrawnFront(facts);
  if (variant == nullptr) return std::nullopt;
  const std::vector<FrontPoint> points = DrawnPoints(*variant);
  // Earlier versions did not record the quantities of the front.
  const bool predicted = std::all_of(points.begin(), points.end(), [](const FrontPoint& point) {
    return point.divergence && std::isfinite(*point.divergence);
  });
  Csv csv({"point", "seconds", "bytes", "divergence", "loss_increase", "chosen"});
  AxisRange cost, divergence, loss;
  for (const FrontPoint& point : points) {
    csv.Add({std::to_string(point.number), CsvNumber(point.seconds), CsvNumber(point.bytes),
             CsvNumber(point.divergence), CsvNumber(point.loss_increase), point.chosen ? "1" : "0"});
    cost.Add(CostOf(*variant, point));
    divergence.Add(predicted ? *point.divergence : 0);
    loss.Add(*point.loss_increase);
  }
  Script script("results/front", "The assignments of precisions that mixed precision chose from.");
  script.Set("width", 900).Set("height", predicted ? 640 : 380).Flag("predicted", predicted);
  script.Flag("by_size", FrontIsBySize(*variant));
  cost.Set(script, "x_low", "x_high", 1e-6);
  divergence.Set(script, "divergence_low", "divergence_high", 1e-12);
  loss.Set(script, "loss_low", "loss_high", 1e-9);
  script.Set("x_axis", FrontIsBySize(*variant) ? Text{"size of the linear layers, MB", "线性层的体积（MB）"}
                                               : Text{"time of the linear layers, each timed alone, ms",
                                                      "线性层耗时之和，逐层单独计时（毫秒）"});
  script.Set("divergence_axis", Text{"predicted divergence, nats", "预测散度（nat）"});
  script.Set("loss_axis", Text{"measured loss increase", "实测损失增量"});
  script.Set("front_title", Text{"on the Pareto front", "帕累托前沿上的分配"});
  script.Set("measured_title",
             Text{"as whole models, on the validation examples", "作为整个模型在验证集上的实测值"});
  script.Set("chosen_title", Text{"chosen", "所选"});
  return Figure{"results/front",
                {"Pareto front of mixed precision", "混合精度的帕累托前沿"},
                FrontCaption(*variant, predicted),
                script.Body(scripts::kFront),
                {{"results/front.csv", csv.Take()}}};
}

std::optional<Figure> CurvesChart(const Facts& facts) {
  CurveData data;
  for (const PlotRow& row : PlotRows(facts)) {
    for (const RunReport* run : row.variant->runs) {
      if (run->run.state == RunState::kSucceeded) AddCurve(row, *run, data);
    }
  }
  if (data.series == 0) return std::nullopt;
  Script script("results/curves", "Training and QAT curves.");
  script.Set("width", 900).Set("series", data.series).Set("last", static_cast<double>(data.last));
  script.Set("loss_high", data.highest * 1.05).Flag("has_rate", data.highest_rate > 0);
  script.Set("legend_width", std::ceil(data.legend_em * 12) + 70);
  script.Set("legend_height", 60 + 22.0 * data.series).Array("marks", data.marks);
  script.Set("rate_high", data.highest_rate * 1.1 + 1e-12).Set("rate_step", TickStep(data.highest_rate, 3));
  script.Set("x_axis", Text{"step", "步"}).Set("loss_axis", Text{"training loss", "训练损失"});
  script.Set("rate_axis", Text{"learning rate", "学习率"});
  return Figure{"results/curves",
                {"Training and QAT curves", "训练与 QAT 曲线"},
                {"Training curves: loss of each step and its moving mean, and the learning rate.",
                 "训练曲线：每步损失及其滑动平均，以及学习率。"},
                script.Body(scripts::kCurves),
                {{"results/curves.csv", data.csv.Take()}, {"results/curves_legend.csv", data.legend.Take()}}};
}

}  // namespace quantlab::report
