// Files and captions that figures share.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "report/facts/names.h"
#include "report/figures/charts.h"
#include "report/figures/runtime_chart.h"
#include "report/figures/scripts.h"

namespace quantlab::report {
namespace {

// Lists the variants that are drawn as another one; follows a caption.
std::string SameModelNote(Language language, const Facts& facts) {
  std::string note;
  for (const VariantFacts& variant : facts.variants) {
    if (variant.same_as.empty()) continue;
    absl::StrAppend(&note, Say(language, " ", ""),
                    Fill(language, "$0 is the same model as $1 and not drawn again here or below.",
                         "$0 与 $1 是同一模型，此处及下文各图不再重复绘制。", Named(language, variant),
                         Named(language, *facts.Find(variant.same_as))));
  }
  return note;
}

}  // namespace

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
  for (auto* make :
       {&AccuracyChart, &PredictionChart, &SizeChart, &SpeedChart, &RuntimeChart, &MemoryChart, &RadarChart,
        &ParetoChart, &TradeChart, &Dashboard, &LayerChart, &FrontChart, &CurvesChart}) {
    if (auto figure = make(facts)) figures.push_back(*std::move(figure));
  }
  // Once, below the figure that a report begins with.
  for (const char* path : {"comparisons/trade", "comparisons/pareto"}) {
    const auto first = std::find_if(figures.begin(), figures.end(),
                                    [&](const Figure& figure) { return figure.path == path; });
    if (first == figures.end()) continue;
    first->caption.english += SameModelNote(Language::kEnglish, facts);
    first->caption.chinese += SameModelNote(Language::kChinese, facts);
    break;
  }
  return figures;
}

}  // namespace quantlab::report
