// What every script of a figure shares.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "report/figures/charts.h"
#include "report/figures/scripts.h"

namespace quantlab::report {
std::vector<FigureData> FigureTools(const std::vector<Language>& languages) {
  std::string redraw = scripts::kRedraw;
  const std::string codes = absl::StrJoin(
      languages, " ", [](std::string* out, Language language) { *out += LanguageCode(language); });
  const std::string mark = "LANGUAGES";
  redraw.replace(redraw.find(mark), mark.size(), codes);
  return {{"style.gp", scripts::kStyle}, {"terminal.gp", scripts::kTerminal}, {"redraw.sh", redraw}};
}

std::vector<Figure> AllFigures(const Facts& facts) {
  std::vector<Figure> figures = {SystemDiagram(), ModelDiagram(facts)};
  for (auto* make : {&AccuracyChart, &SizeChart, &SpeedChart, &MemoryChart, &RadarChart, &ParetoChart,
                     &Dashboard, &LayerChart, &FrontChart, &CurvesChart}) {
    if (auto figure = make(facts)) figures.push_back(*std::move(figure));
  }
  return figures;
}

}  // namespace quantlab::report
