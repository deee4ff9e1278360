// The variants side by side, in tables and figures.
#include "absl/strings/str_cat.h"
#include "report/facts/format.h"
#include "report/facts/phrases.h"
#include "report/facts/quality.h"
#include "report/facts/verdict.h"
#include "report/parts.h"
#include "report/tables/runtime_tables.h"
#include "report/tables/tables.h"
#include "report/text/method_sentences.h"
#include "report/text/runtime_sentences.h"
#include "report/text/sentences.h"

namespace quantlab::report {
namespace {

void WriteQuality(Writer& writer) {
  const Language language = writer.language();
  const Facts& facts = writer.facts();
  const TaskSpec& task = facts.task();
  const std::string quality = QualityName(language, task);
  writer.Subsection(QualityTitle(language, task));
  writer.Paragraph(
      Join(language,
           {task.numeric
                ? writer.About("results/accuracy", "$0 shows the correlations of the variants side by side.",
                               "$0 并列给出各方案的相关系数。")
                : writer.About("results/accuracy", "$0 shows accuracy and F1 of the variants side by side.",
                               "$0 并列给出各方案的准确率与 F1。"),
            task.numeric
                ? writer.About("accuracy", "$0 adds the squared error and the difference from the baseline.",
                               "$0 另给出均方误差及与基线之差。")
                : writer.About("accuracy", "$0 adds precision, recall and the difference from the baseline.",
                               "$0 另给出精确率、召回率及与基线之差。"),
            writer.About("results/predictions", "$0 sets the predicted numbers against the labels.",
                         "$0 对照预测值与标签。"),
            writer.About("paired", "The tests behind it are in $0.", "所依据的检验见 $0。")}));
  if (!writer.ShowFigure("results/accuracy")) {
    writer.Paragraph(writer.Fill("No $0 was measured.", "未测得$0。", quality));
  }
  writer.ShowFigure("results/predictions");
  writer.Show(AccuracyTable(language, facts));
  if (!facts.pairs.empty()) {
    std::string significant;
    for (const PairFacts& pair : facts.pairs) {
      if (IsSignificant(pair)) significant = Join(language, {significant, PairSentence(language, pair)});
    }
    writer.Paragraph(significant.empty() ? writer.Fill("No pair of variants differs significantly in $0.",
                                                       "没有任何两个方案的$0有显著差异。", quality)
                                         : significant);
  }
}

void WriteSpeed(Writer& writer) {
  const Language language = writer.language();
  const Facts& facts = writer.facts();
  if (facts.comparisons.empty()) return;
  writer.Subsection(writer.Say("Speed", "速度"));
  writer.Paragraph(Join(
      language, {writer.About("results/speed", "$0 shows latency and speedup at each input shape.",
                              "$0 给出各输入形状下的延迟与加速比。"),
                 writer.About("speed", "$0 has the numbers with their intervals.", "数值与区间见 $0。")}));
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

void WriteRuntimes(Writer& writer) {
  const Language language = writer.language();
  const Facts& facts = writer.facts();
  const Table table = RuntimesTable(language, facts);
  if (table.rows.empty()) return;
  writer.Subsection(writer.Say("Speed in other runtimes", "在其他运行时中的速度"));
  writer.Paragraph(Join(
      language,
      {FastestRuntimeSentence(language, facts), RuntimeVersionsSentence(language, facts),
       writer.About("results/runtimes", "$0 shows them at that shape.", "$0 给出该形状下的结果。"),
       writer.About("runtimes", "$0 has each variant in each runtime.", "$0 给出各方案在各运行时中的速度。"),
       writer.About("runtime_times", "The times and the checks of the logits are in $0.",
                    "时间与 logit 的检查见 $0。")}));
  writer.ShowFigure("results/runtimes");
  writer.Show(table);
  writer.Show(RuntimeTimesTable(language, facts));
}

void WriteCosts(Writer& writer) {
  const Language language = writer.language();
  const Facts& facts = writer.facts();
  if (facts.comparisons.empty()) return;
  writer.Subsection(writer.Say("Size and memory", "体积与内存"));
  writer.Paragraph(Join(
      language,
      {writer.About("results/size", "$0 compares the sizes of the saved models.", "$0 比较各模型的体积。"),
       writer.About("size", "$0 counts the quantized layers apart.", "$0 另计被量化的层。")}));
  writer.ShowFigure("results/size");
  writer.Show(SizeTable(language, facts));
  writer.Paragraph(
      Join(language, {writer.About("results/memory", "$0 compares the peaks of memory.", "$0 比较内存峰值。"),
                      writer.About("memory", "$0 divides them into anonymous and file-backed memory.",
                                   "$0 将其分为匿名内存与文件映射内存。")}));
  writer.ShowFigure("results/memory");
  writer.Show(MemoryTable(language, facts));
}

void WriteLayerByLayer(Writer& writer) {
  const Table table = LayersTable(writer.language(), writer.facts());
  if (table.rows.empty()) return;
  writer.Subsection(writer.Say("Layers", "各层"));
  writer.Paragraph(Join(
      writer.language(),
      {writer.About("layers", "$0 counts the layers by the precision that ran.", "$0 按实际精度统计各层。"),
       writer.About("results/layers", "$0 shows them one by one, from input to answer.",
                    "$0 按计算顺序逐层给出。")}));
  writer.Show(table);
  writer.ShowFigure("results/layers");
}

void WriteTogether(Writer& writer) {
  const Facts& facts = writer.facts();
  if (facts.comparisons.empty()) return;
  writer.Subsection(writer.Say("All together", "综合比较"));
  writer.Paragraph(Join(
      writer.language(),
      {writer.About("summary", "$0 puts everything in one table.", "$0 将全部结果汇于一表。"),
       writer.HasFigure("comparisons/trade")
           ? writer.About(
                 "comparisons/pareto",
                 absl::StrCat("$0 sets ", writer.facts().task().quality_name, " against size.").c_str(),
                 FillChinese("$0 为$1与体积之对照。", {"$0", writer.facts().task().quality_name_zh}).c_str())
           : "",
       writer.About("comparisons/radar", "$0 compares five qualities of each variant.",
                    "$0 从五个方面比较各方案。"),
       writer.About("comparisons/dashboard", "$0 is for a slide.", "$0 可直接用于幻灯片。")}));
  writer.Show(SummaryTable(writer.language(), facts));
  // It stands on the first page where that has no trade with speed.
  if (writer.HasFigure("comparisons/trade")) writer.ShowFigure("comparisons/pareto");
  writer.ShowFigure("comparisons/radar");
  writer.ShowFigure("comparisons/dashboard");
}

void WriteRecommendations(Writer& writer) {
  const Language language = writer.language();
  writer.Subsection(writer.Say("What to ship, with its proof", "建议及其依据"));
  writer.Paragraph(ShipForSpeed(language, writer.facts()));
  writer.Paragraph(ShipForSize(language, writer.facts()));
  writer.Paragraph(ShipForAccuracy(language, writer.facts()));
}

}  // namespace

void WriteComparison(Writer& writer) {
  writer.Section("Comparison", "对比");
  writer.Paragraph(NoComparisonSentence(writer.language(), writer.facts()));
  WriteQuality(writer);
  WriteSpeed(writer);
  WriteRuntimes(writer);
  WriteCosts(writer);
  WriteLayerByLayer(writer);
  WriteTogether(writer);
  WriteRecommendations(writer);
  writer.Paragraph(writer.About("other", "$0 has the other metrics that the experiment file asked for.",
                                "实验文件要求的其他指标见 $0。"));
  writer.Show(OtherTable(writer.language(), writer.facts(), OtherRows::kAskedFor));
}

}  // namespace quantlab::report
