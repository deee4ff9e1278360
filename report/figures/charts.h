// The figures of a report, each with its data and script: see figure.h.
#ifndef QUANTLAB_REPORT_FIGURES_CHARTS_H_
#define QUANTLAB_REPORT_FIGURES_CHARTS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "report/figures/figure.h"

namespace quantlab::report {

// Each is absent if there is nothing to draw.
std::optional<Figure> AccuracyChart(const Facts& facts);
// Of a regression: predicted numbers against the labels.
std::optional<Figure> PredictionChart(const Facts& facts);
// Groups of a variant that have coordinates, by label.
std::vector<LabelGroup> DrawnGroups(const VariantFacts& variant);
// From the first comparison; other comparisons ran on other machines and are only in the tables.
std::optional<Figure> SizeChart(const Facts& facts);
std::optional<Figure> MemoryChart(const Facts& facts);
std::optional<Figure> SpeedChart(const Facts& facts);
std::optional<Figure> RadarChart(const Facts& facts);
std::optional<Figure> ParetoChart(const Facts& facts);
// Accuracy over speed; also absent if the speeds are unreliable.
std::optional<Figure> TradeChart(const Facts& facts);
std::optional<Figure> Dashboard(const Facts& facts);
std::optional<Figure> LayerChart(const Facts& facts);
std::optional<Figure> FrontChart(const Facts& facts);
std::optional<Figure> CurvesChart(const Facts& facts);
// The variant whose front FrontChart draws: the first that has one. Null: none.
const VariantFacts* DrawnFront(const Facts& facts);
// The points of a variant's front that have coordinates, cheapest first, and the cost that the front weighs:
// MB, or milliseconds.
std::vector<FrontPoint> DrawnPoints(const VariantFacts& variant);
double CostOf(const VariantFacts& variant, const FrontPoint& point);
// A curve of a run by step ("train_loss"), and values smoothed by their mean over a window around each, so
// that the trend is visible despite the noise of single batches.
std::map<int64_t, double> CurveOf(const RunReport& run, const char* name);
std::vector<double> Smoothed(const std::vector<double>& values);
// The components of the system: the same in every report.
Figure SystemDiagram();
// The encoder, and the precision of each of its parts in each variant.
Figure ModelDiagram(const Facts& facts);

// All figures, in the order of the report.
std::vector<Figure> AllFigures(const Facts& facts);
// The files that every script loads, and redraw.sh.
std::vector<FigureData> FigureTools(const std::vector<Language>& languages);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FIGURES_CHARTS_H_
