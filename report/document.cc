#include "report/document.h"

#include <algorithm>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/substitute.h"
#include "base/messages/messages.h"
#include "report/facts/analysis.h"
#include "report/facts/decision.h"
#include "report/facts/format.h"
#include "report/facts/message_text.h"
#include "report/facts/names.h"
#include "report/facts/quality.h"
#include "report/page.h"
#include "report/parts.h"
#include "report/prose/prose.h"
#include "report/tables/tables.h"
#include "report/text/decision_sentences.h"
#include "report/text/method_sentences.h"
#include "report/text/sentences.h"

namespace quantlab::report {
namespace {

// "Course: … · Author: …", of the lines that the cover has.
std::string CoverLine(Language language, const CoverOptions& cover) {
  std::vector<std::string> parts;
  for (const CoverField& field : CoverFields(language, cover)) {
    parts.push_back(absl::StrCat(field.name, Say(language, ": ", "："), EscapeMarkdown(field.value)));
  }
  return absl::StrJoin(parts, " · ");
}

void WriteHead(Writer& writer, const ReportOptions& options) {
  const ExperimentRecord& experiment = writer.data().experiment;
  const std::string title = options.cover.has_value() ? options.cover->title : "";
  writer.Title(title.empty() ? absl::StrCat(writer.Say("Quantization report: ", "课程设计报告："),
                                            EscapeMarkdown(experiment.name))
                             : EscapeMarkdown(title));
  if (options.cover.has_value()) writer.Paragraph(CoverLine(writer.language(), *options.cover));
  std::string line = writer.Fill("Experiment $0, submitted $1", "实验 $0，提交于 $1", Code(experiment.id),
                                 FormatUtc(experiment.create_time));
  if (experiment.end_time.has_value()) {
    absl::StrAppend(&line, writer.Fill(", ended $0", "，结束于 $0", FormatUtc(*experiment.end_time)));
  } else {
    absl::StrAppend(&line, writer.Say("; **it has not ended: this report is preliminary**",
                                      "；**实验尚未结束，本报告为中间结果**"));
  }
  if (!writer.data().coordinator_version.empty()) {
    absl::StrAppend(&line, writer.Fill("; Quantlab $0", "；Quantlab $0",
                                       EscapeMarkdown(writer.data().coordinator_version)));
  }
  writer.Paragraph(absl::StrCat(line, writer.Say(".", "。")));
}

// Whether there is anything to show in the appendix of tests.
bool HasProof(const Facts& facts) {
  return !PairedTable(Language::kEnglish, facts).rows.empty() || !facts.pairs.empty();
}

// What the experiment file asks to be decided; nothing where it asks nothing.
void WriteDecision(Writer& writer, const std::optional<DecisionOptions>& options) {
  if (!options.has_value()) return;
  const Decision decision = Decide(writer.facts(), ConstraintsOf(*options), GoalNamed(options->goal));
  writer.Unnumbered("Decision", "决定");
  writer.Paragraph(QuestionSentence(writer.language(), decision));
  writer.Paragraph(AnswerSentence(writer.language(), decision));
  for (const std::string& sentence : ChecksSentences(writer.language(), decision)) writer.Item(sentence);
  writer.EndList();
}

void WriteAbstract(Writer& writer) {
  writer.Unnumbered("Abstract", "摘要");
  const auto item = [&](const char* english, const char* chinese, Goal goal) {
    const std::string line = GoalLine(writer.language(), writer.facts(), goal);
    if (!line.empty()) writer.Item(absl::StrCat(writer.Say(english, chinese), line));
  };
  item("**Speed:** ", "**速度**：", Goal::kSpeed);
  item("**Size:** ", "**体积**：", Goal::kSize);
  item("**Memory:** ", "**内存**：", Goal::kMemory);
  const TaskSpec& task = writer.facts().task();
  item(absl::StrCat("**", QualityTitle(Language::kEnglish, task), ":** ").c_str(),
       absl::StrCat("**", QualityTitle(Language::kChinese, task), "**：").c_str(), Goal::kAccuracy);
  writer.EndList();
  writer.Paragraph(
      Join(writer.language(),
           {writer.About("comparisons/trade", "$0 shows what each variant trades.", "$0 给出各方案的取舍。"),
            writer.HasFigure("comparisons/trade")
                ? ""
                : writer.About("comparisons/pareto",
                               absl::StrCat("$0 shows ", task.quality_name, " and size.").c_str(),
                               FillChinese("$0 给出$1与体积。", {"$0", task.quality_name_zh}).c_str()),
            writer.About("answer", "$0 lists the variants.", "$0 列出各方案。")}));
  if (!writer.ShowFigure("comparisons/trade")) writer.ShowFigure("comparisons/pareto");
  writer.Show(AnswerTable(writer.language(), writer.facts()));
  for (const VariantFacts& variant : writer.facts().variants) {
    if (variant.same_as.empty()) continue;
    writer.Paragraph(writer.Fill("$0: $1", "$0：$1", Named(writer.language(), variant),
                                 SameModelSentence(writer.language(), writer.facts(), variant)));
  }
  if (HasProof(writer.facts())) {
    writer.Paragraph(writer.Say("The proof: [paired tests](#appendix-paired-tests).",
                                "依据见[配对检验](#附录配对检验)。"));
  }
  const auto failed =
      std::count_if(writer.data().runs.begin(), writer.data().runs.end(),
                    [](const RunReport& run) { return run.run.state != RunState::kSucceeded; });
  if (failed > 0) {
    writer.Paragraph(writer.Fill("$0 of $1 runs $2 no result; the section on runs says why.",
                                 "$1 个运行中有 $0 个没有结果，原因见“运行情况”一节。", failed,
                                 writer.data().runs.size(), failed == 1 ? "has" : "have"));
  }
  if (!writer.data().runs.empty()) {
    const RunConfig& config = writer.data().runs[0].config;
    const SplitSizes sizes = SizesOfSplits(writer, config.dataset);
    writer.Paragraph(writer.Fill(
        "Model $0; dataset $1, split into training ($2), validation ($3) and test ($4).",
        "模型 $0；数据集 $1，划分为训练集（$2）、验证集（$3）和测试集（$4）。", Code(config.model.name),
        Code(config.dataset.asset.name), sizes.train, sizes.validation, sizes.test));
  }
}

void WriteNotRun(Writer& writer) {
  std::vector<std::string> names;
  for (const MethodSpec& spec : AllMethods()) {
    const bool ran = std::any_of(writer.facts().variants.begin(), writer.facts().variants.end(),
                                 [&](const VariantFacts& variant) { return variant.method == spec.name; });
    if (!ran) names.push_back(Code(spec.name));
  }
  if (names.empty()) return;
  writer.Paragraph(
      writer.Fill("Not run here (disabled, left out of the experiment file, or not selected): $0.",
                  "此处未运行的方法（已禁用、未写入实验文件或未被选中）：$0。",
                  absl::StrJoin(names, writer.Say(", ", "、"))));
}

void WriteRuns(Writer& writer) {
  writer.Section("Runs", "运行情况");
  writer.Paragraph(writer.About("runs", "$0 says how each run ended.", "$0 说明每个运行如何结束。"));
  writer.Show(RunsTable(writer.language(), writer.data()));
  for (const RunReport& run : writer.data().runs) writer.Item(EndSentence(writer.language(), run));
  writer.EndList();
  WriteNotRun(writer);
}

// Why a precision was not on offer is said where the choice among the others is discussed.
bool SaidWithTheChoice(const Writer& writer, const RunReport& run, const Caveat& caveat) {
  if (caveat.coded_message.code != messages::kPrecisionNotOffered("", Message()).code) return false;
  return std::any_of(
      writer.facts().variants.begin(), writer.facts().variants.end(), [&](const VariantFacts& variant) {
        return std::find(variant.runs.begin(), variant.runs.end(), &run) != variant.runs.end() &&
               ChoiceOf(variant).has_value();
      });
}

void WriteCaveats(Writer& writer) {
  std::set<std::string> seen;
  for (const RunReport& run : writer.data().runs) {
    for (const Caveat& caveat : run.caveats) {
      // The first is said with the data, the second in the abstract.
      if (caveat.code == "subset" || caveat.code == "same_model") continue;
      if (SaidWithTheChoice(writer, run, caveat)) continue;
      const std::string text =
          absl::StrCat(CaveatText(writer.language(), caveat), Brackets(writer.language(), Code(caveat.code)));
      if (seen.insert(text).second) writer.Item(text);
    }
  }
}

void WriteThreats(Writer& writer) {
  writer.Section("Threats to validity", "有效性威胁");
  WriteCaveats(writer);
  const bool one_seed = std::all_of(writer.facts().variants.begin(), writer.facts().variants.end(),
                                    [](const VariantFacts& variant) { return variant.runs.size() == 1; });
  if (one_seed && !writer.facts().variants.empty()) {
    writer.Item(writer.Fill(prose::kOneSeed, QualityName(writer.language(), writer.facts().task())));
  }
  if (!writer.facts().comparisons.empty() && writer.facts().SeveralSeeds()) {
    writer.Item(
        writer.Say("Speed, size and memory are those of the first seed's models: how they vary with the seed "
                   "is not known.",
                   "速度、体积与内存只反映第一个随机种子的模型：它们随种子的波动未知。"));
  }
  if (!writer.facts().comparisons.empty()) {
    writer.Item(writer.Say(
        "Speed and memory hold for the one machine, thread count and text length given above; other CPUs "
        "may rank the variants differently.",
        "速度与内存只对上文所述的机器、线程数和文本长度成立；其他 CPU 上各方案的名次可能不同。"));
  }
  if (writer.facts().variants.size() > 2) {
    writer.Item(
        writer.Say("The variants are ranked by the same test examples that describe them: the figures of the "
                   "first in a ranking "
                   "are, by that choice, a little too good.",
                   "各方案按同一测试集排名并由其描述：排名第一者的数字因这种选择而略显乐观。"));
  }
  writer.Item(writer.Say(
      "The test examples come from the same source as the training examples: the figures say nothing about "
      "other domains.",
      "测试文本与训练文本来源相同：这些数字不说明其他领域的表现。"));
  const bool reused = std::any_of(writer.data().runs.begin(), writer.data().runs.end(),
                                  [](const RunReport& run) { return run.run.reused; });
  if (reused) {
    writer.Item(writer.Say(
        "Some results were taken from earlier runs with the same inputs, execution fingerprint and runner "
        "(“reused”); timings never are.",
        "部分结果取自输入、执行指纹和执行程序均相同的先前运行（“复用”）；时间数据从不复用。"));
  }
  writer.EndList();
}

void WriteTests(Writer& writer) {
  if (!HasProof(writer.facts())) return;
  writer.Unnumbered("Appendix: paired tests", "附录：配对检验");
  writer.Paragraph(
      Join(writer.language(),
           {writer.About("paired", "$0 has the tests against the baseline.", "$0 为与基线的检验。"),
            writer.About("pairs", "$0 has those between variants.", "$0 为方案之间的检验。")}));
  writer.Show(PairedTable(writer.language(), writer.facts()));
  writer.Show(PairsTable(writer.language(), writer.facts()));
}

void WriteAppendices(Writer& writer) {
  writer.Unnumbered("Appendix: where every number comes from", "附录：每个数字的来源");
  writer.Paragraph(writer.About("sources", "$0 names the attempt, worker and device of each run.",
                                "$0 列出每个运行的尝试、工作节点与设备。"));
  writer.Show(SourcesTable(writer.language(), writer.data()));
  const char* const code = LanguageCode(writer.language());
  std::vector<std::string> links;
  for (const Table& table : AllTables(writer.language(), writer.facts())) {
    if (table.rows.empty()) continue;
    links.push_back(absl::Substitute("[$0](tables/$0.csv)", table.name));
  }
  if (links.empty()) return;
  writer.Paragraph(writer.Say(
      "`tables/provenance.csv` names for every number the run, the attempt, the worker and the digests of "
      "configuration and dataset that it comes from.",
      "`tables/provenance.csv` 为每个数字列出其来源的运行、尝试、工作节点，以及配置与数据集的摘要。"));
  writer.Paragraph(
      writer.Fill("Every table as CSV with all digits: $0; the same as Markdown in `tables/*.$1.md`.",
                  "各表的 CSV（全部有效数字）：$0；Markdown 版本见 `tables/*.$1.md`。",
                  absl::StrJoin(links, writer.Say(", ", "、")), code));
  writer.Paragraph(writer.Say(
      "Every figure stands in `figures/` as SVG and PNG with the data that it draws; `sh figures/redraw.sh` "
      "draws "
      "all of them anew.",
      "所有图以 SVG 与 PNG 格式连同所绘数据存放于 `figures/`；运行 `sh figures/redraw.sh` 可全部重绘。"));
}

void WriteDocument(Writer& writer, const ReportOptions& options) {
  WriteHead(writer, options);
  WriteDecision(writer, options.decide);
  WriteAbstract(writer);
  WriteBackground(writer);
  WriteArchitecture(writer);
  WriteDesign(writer);
  WriteMethods(writer);
  WriteComparison(writer);
  WriteAnalysis(writer);
  WriteRuns(writer);
  WriteThreats(writer);
  WriteConclusion(writer);
  writer.Unnumbered("References", "参考文献");
  writer.Raw(absl::StrCat(writer.References(), "\n"));
  WriteTests(writer);
  WriteAppendices(writer);
}

}  // namespace

// Twice: what the first pass numbered, sentences of the second refer to.
std::string RenderDocument(Language language, const Facts& facts, const ReportOptions& options, bool draw) {
  Writer first(language, facts, draw);
  WriteDocument(first, options);
  Writer writer(language, facts, draw, first.numbers());
  WriteDocument(writer, options);
  return writer.Take();
}

}  // namespace quantlab::report
