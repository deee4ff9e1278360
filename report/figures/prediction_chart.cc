// What a regression predicts, over the labels: whether it follows them over their whole range.
#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "report/facts/format.h"
#include "report/figures/charts.h"
#include "report/figures/scripts.h"

namespace quantlab::report {
namespace {

// The range of an axis, with a margin on both sides.
class AxisRange {
 public:
  void Add(double value) {
    low_ = std::min(low_, value);
    high_ = std::max(high_, value);
  }
  void Set(Script& script, const char* low, const char* high) const {
    const double pad = high_ > low_ ? 0.05 * (high_ - low_) : 1;
    script.Set(low, low_ - pad).Set(high, high_ + pad);
  }

 private:
  double low_ = std::numeric_limits<double>::infinity(), high_ = -std::numeric_limits<double>::infinity();
};

Text Caption(const Facts& facts) {
  const Text seeds = facts.SeveralSeeds() ? Text{" Of the first seed.", "取自第一个随机种子。"} : Text{};
  return {absl::StrCat(
              "Predicted numbers against the labels: the test examples, sorted by label, in groups of about "
              "equal size. A point is the median prediction of a group over its mean label; the band "
              "reaches from the 10th to the 90th percentile of the first variant's predictions. On the "
              "dotted line predictions and labels are equal.",
              seeds.english),
          absl::StrCat(
              "预测值与标签：测试文本按标签排序，分为大小大致相等的若干组。每个点为一组的预测值中位数，横坐标"
              "为该组标签的均值；色带为第一个方案预测值的第 10 至第 90 "
              "百分位。点线上预测值与标签相等。",
              seeds.chinese)};
}

}  // namespace

std::vector<LabelGroup> DrawnGroups(const VariantFacts& variant) {
  const auto known = [](const std::optional<double>& value) { return value && std::isfinite(*value); };
  std::vector<LabelGroup> groups;
  for (const LabelGroup& group : variant.label_groups) {
    if (known(group.label) && known(group.median) && known(group.p10) && known(group.p90))
      groups.push_back(group);
  }
  return groups;
}

std::optional<Figure> PredictionChart(const Facts& facts) {
  std::vector<PlotRow> rows = PlotRows(facts);
  // With fewer than two groups there is no line.
  std::erase_if(rows, [](const PlotRow& row) { return DrawnGroups(*row.variant).size() < 2; });
  if (rows.empty()) return std::nullopt;
  Script script("results/predictions", "Predicted numbers over the labels.");
  Csv csv(RowHeader({"group", "label", "median", "p10", "p90"}));
  AxisRange x, y;
  std::vector<double> marks;
  for (size_t i = 0; i < rows.size(); ++i) {
    for (const LabelGroup& group : DrawnGroups(*rows[i].variant)) {
      csv.Add(RowFields(rows[i], i,
                        {std::to_string(group.number), CsvNumber(group.label), CsvNumber(group.median),
                         CsvNumber(group.p10), CsvNumber(group.p90)}));
      x.Add(*group.label);
      y.Add(*group.median);
      if (i > 0) continue;
      for (const double value : {*group.label, *group.p10, *group.p90}) y.Add(value);
    }
    marks.push_back(static_cast<double>(rows[i].mark));
    script.Set(absl::StrCat("name_", i).c_str(), rows[i].label);
    script.Set(absl::StrCat("color_", i).c_str(), Text{rows[i].color, rows[i].color});
  }
  const Text band = {"10th to 90th percentile", "第 10 至第 90 百分位"};
  const double legend =
      std::max({LabelPixels(rows, Language::kEnglish), LabelPixels(rows, Language::kChinese),
                std::ceil(13 * TextWidth(band.english))});
  script.Set("rows", static_cast<double>(rows.size())).Set("width", 700 + legend);
  script.Set("height", std::max(520.0, 120 + 24 * static_cast<double>(rows.size())));
  script.Set("legend_text", legend).Array("marks", marks);
  script.Set("first_groups", static_cast<double>(DrawnGroups(*rows[0].variant).size()));
  x.Set(script, "x_low", "x_high");
  y.Set(script, "y_low", "y_high");
  script.Set("x_axis", Text{"label, mean of the group", "标签（组内均值）"});
  script.Set("y_axis", Text{"predicted number, median", "预测值（中位数）"});
  script.Set("band_title", band).Set("equal_title", Text{"prediction = label", "预测值 = 标签"});
  return Figure{"results/predictions",
                {"Predicted numbers against the labels", "预测值与标签"},
                Caption(facts),
                script.Body(scripts::kPredictions),
                {{"results/predictions.csv", csv.Take()}}};
}

}  // namespace quantlab::report
