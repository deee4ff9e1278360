// The figures of a report, each with its data and script: see figure.h.
#ifndef QUANTLAB_REPORT_FIGURES_CHARTS_H_
#define QUANTLAB_REPORT_FIGURES_CHARTS_H_

#include <optional>
#include <string>
#include <vector>

#include "report/figures/figure.h"

namespace quantlab::report {

// Each is absent where there is nothing to draw.
std::optional<Figure> AccuracyChart(const Facts& facts);
// Of the first comparison; other comparisons ran elsewhere, and are in the tables.
std::optional<Figure> SizeChart(const Facts& facts);
std::optional<Figure> MemoryChart(const Facts& facts);
std::optional<Figure> SpeedChart(const Facts& facts);
std::optional<Figure> RadarChart(const Facts& facts);
std::optional<Figure> ParetoChart(const Facts& facts);
// Accuracy over speed; absent too where the speeds are unreliable.
std::optional<Figure> TradeChart(const Facts& facts);
std::optional<Figure> Dashboard(const Facts& facts);
std::optional<Figure> LayerChart(const Facts& facts);
std::optional<Figure> FrontChart(const Facts& facts);
std::optional<Figure> CurvesChart(const Facts& facts);
// The variant whose front FrontChart draws: the first that has one to draw. Null: none.
const VariantFacts* DrawnFront(const Facts& facts);
// How the system is put together: the same in every report.
Figure SystemDiagram();
// The encoder, and what each variant runs each part of it in.
Figure ModelDiagram(const Facts& facts);

// All that there is to draw, in the order of the report.
std::vector<Figure> AllFigures(const Facts& facts);
// What every script loads, and redraw.sh.
std::vector<FigureData> FigureTools(const std::vector<Language>& languages);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FIGURES_CHARTS_H_
