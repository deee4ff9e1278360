// The variants side by side, in tables and figures.
#include "absl/strings/str_cat.h"
#include "report/facts/format.h"
#include "report/facts/phrases.h"
#include "report/facts/verdict.h"
#include "report/parts.h"
#include "report/tables/tables.h"
#include "report/text/method_sentences.h"
#include "report/text/sentences.h"

namespace quantlab::report {
namespace {

void WriteQuality(Writer& writer) {
  const Language language = writer.language();
  const Facts& facts = writer.facts();
  writer.Subsection(writer.Say("Accuracy", "准确率"));
  if (!writer.ShowFigure("results/accuracy")) {
    writer.Paragraph(writer.Say("No accuracy was measured.", "未测得准确率。"));
  }
  writer.Show(AccuracyTable(language, facts));
  if (!facts.pairs.empty()) {
    std::string significant;
    for (const PairFacts& pair : facts.pairs) {
      if (IsSignificant(pair)) significant = Join(language, {significant, PairSentence(language, pair)});
    }
    writer.Paragraph(significant.empty()
                         ? writer.Say("No pair of variants differs significantly in accuracy.",
                                      "没有任何两个方案的准确率有显著差异。")
                         : significant);
  }
}

void WriteSpeed(Writer& writer) {
  const Language language = writer.language();
  const Facts& facts = writer.facts();
  if (facts.comparisons.empty()) return;
  writer.Subsection(writer.Say("Speed", "速度"));
  writer.ShowFigure("results/speed");
  if (facts.comparisons.size() > 1) {
    writer.Paragraph(writer.Fill(
        "Figures show the comparison $0; the others are in the tables, since times of different machines are "
        "never divided by each other.",
        "图中为对比运行 $0；其余见表，因为不同机器的时间从不相除。",
        Code(facts.comparisons[0].run->run.name)));
  }
  writer.Show(SpeedTable(language, facts));
  for (const ComparisonFacts& comparison : facts.comparisons)
    writer.Paragraph(AaSentence(language, comparison));
}

void WriteCosts(Writer& writer) {
  const Language language = writer.language();
  const Facts& facts = writer.facts();
  if (facts.comparisons.empty()) return;
  writer.Subsection(writer.Say("Size and memory", "体积与内存"));
  writer.ShowFigure("results/size");
  writer.Show(SizeTable(language, facts));
  writer.ShowFigure("results/memory");
  writer.Show(MemoryTable(language, facts));
}

void WriteLayerByLayer(Writer& writer) {
  const Table table = LayersTable(writer.language(), writer.facts());
  if (table.rows.empty()) return;
  writer.Subsection(writer.Say("Layers", "各层"));
  writer.Show(table);
  writer.ShowFigure("results/layers");
}

void WriteTogether(Writer& writer) {
  const Facts& facts = writer.facts();
  if (facts.comparisons.empty()) return;
  writer.Subsection(writer.Say("All together", "综合比较"));
  writer.Show(SummaryTable(writer.language(), facts));
  // It stands on the first page where that has no trade with speed.
  if (writer.HasFigure("comparisons/trade")) writer.ShowFigure("comparisons/pareto");
  writer.ShowFigure("comparisons/radar");
  writer.ShowFigure("comparisons/dashboard");
}

}  // namespace

void WriteComparison(Writer& writer) {
  writer.Section("Comparison", "对比");
  writer.Paragraph(NoComparisonSentence(writer.language(), writer.facts()));
  WriteQuality(writer);
  WriteSpeed(writer);
  WriteCosts(writer);
  WriteLayerByLayer(writer);
  WriteTogether(writer);
  writer.Show(OtherTable(writer.language(), writer.facts(), OtherRows::kAskedFor));
}

}  // namespace quantlab::report
