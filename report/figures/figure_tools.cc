// Files and captions that figures share.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "report/facts/names.h"
#include "report/figures/charts.h"
#include "report/figures/scripts.h"

namespace quantlab::report {
namespace {

// Layers, fronts and curves belong to runs.
bool ShowsVariants(const std::string& path) {
  return path != "results/layers" && path != "results/front" && path != "results/curves";
}

// Lists the variants that are drawn as another one; follows a caption.
std::string SameModelNote(Language language, const Facts& facts) {
  std::string note;
  for (const VariantFacts& variant : facts.variants) {
    if (variant.same_as.empty()) continue;
    absl::StrAppend(&note, Say(language, " ", ""),
                    Fill(language, "$0 is the same model as $1 and not drawn again.",
                         "$0 与 $1 是同一模型，不再重复绘制。", Named(language, variant),
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
  for (auto* make : {&AccuracyChart, &SizeChart, &SpeedChart, &MemoryChart, &RadarChart, &ParetoChart,
                     &TradeChart, &Dashboard, &LayerChart, &FrontChart, &CurvesChart}) {
    auto figure = make(facts);
    if (!figure.has_value()) continue;
    if (ShowsVariants(figure->path)) {
      figure->caption.english += SameModelNote(Language::kEnglish, facts);
      figure->caption.chinese += SameModelNote(Language::kChinese, facts);
    }
    figures.push_back(*std::move(figure));
  }
  return figures;
}

}  // namespace quantlab::report
