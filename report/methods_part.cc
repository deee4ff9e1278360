// One section per variant: what it is, its parameters, its result and what that means.
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "report/facts/format.h"
#include "report/facts/names.h"
#include "report/facts/verdict.h"
#include "report/figures/charts.h"
#include "report/parts.h"
#include "report/tables/tables.h"
#include "report/text/method_sentences.h"
#include "report/text/sentences.h"

namespace quantlab::report {
namespace {

void WriteParameters(Writer& writer, const VariantFacts& variant) {
  const Params& params = variant.runs[0]->config.method.params;
  if (params.empty()) return;
  std::vector<std::string> parts;
  for (const auto& [name, value] : params) {
    const std::string text = Code(ParamToString(value));
    parts.push_back(absl::StrCat(Code(name), " = ", text.empty() ? writer.Say("(empty)", "（空）") : text));
  }
  writer.Paragraph(
      writer.Fill("Parameters: $0.", "参数：$0。", absl::StrJoin(parts, writer.Say(", ", "，"))));
}

void WriteAccuracy(Writer& writer, const VariantFacts& variant) {
  const Language language = writer.language();
  writer.Paragraph(Join(language, {AccuracySentence(language, variant),
                                   DifferenceSentence(language, variant, writer.facts().baseline()),
                                   FlipsSentence(language, variant), MarginSentence(language, variant)}));
}

void WriteMeasured(Writer& writer, const VariantFacts& variant) {
  const Language language = writer.language();
  const std::vector<ComparisonFacts>& comparisons = writer.facts().comparisons;
  for (size_t i = 0; i < comparisons.size(); ++i) {
    const Measured& measured = variant.measured[i];
    std::vector<std::string> sentences;
    for (const auto& [shape, timing] : measured.by_shape) {
      if (variant.baseline) continue;
      sentences.push_back(SpeedSentence(language, shape, timing, comparisons[i].Reliable(shape)));
    }
    sentences.push_back(SizeSentence(language, measured, variant.baseline));
    sentences.push_back(MemorySentence(language, measured));
    writer.Paragraph(Join(language, sentences));
  }
}

void WriteLayers(Writer& writer, const VariantFacts& variant) {
  const Language language = writer.language();
  for (const RunReport* run : variant.runs) {
    if (run->run.state != RunState::kSucceeded || run->layers.empty()) continue;
    writer.Paragraph(
        Join(language, {PrecisionSentence(language, run->layers), NoiseSentence(language, run->layers)}));
    break;
  }
  writer.Paragraph(SensitivitySentence(language, variant));
}

void WriteFront(Writer& writer, const VariantFacts& variant) {
  if (variant.front.empty()) return;
  const bool drawn = DrawnFront(writer.facts()) == &variant;
  writer.Paragraph(
      Join(writer.language(), {FrontSentence(writer.language(), variant),
                               drawn ? writer.About("results/front", "$0 draws it.", "前沿见 $0。") : ""}));
  if (drawn) writer.ShowFigure("results/front");
}

void WritePairs(Writer& writer, const VariantFacts& variant) {
  // The others stand in the table of pairs.
  std::vector<std::string> sentences;
  for (const PairFacts& pair : writer.facts().pairs) {
    if (pair.variant == variant.name && IsSignificant(pair)) {
      sentences.push_back(PairSentence(writer.language(), pair));
    }
  }
  writer.Paragraph(Join(writer.language(), sentences));
}

void WriteVariant(Writer& writer, const VariantFacts& variant) {
  const Language language = writer.language();
  writer.Subsection(absl::StrCat(MethodTitle(language, variant), writer.Say(": ", "："), Code(variant.name)));
  writer.Paragraph(MethodTheory(writer, variant));
  WriteParameters(writer, variant);
  for (const RunReport* run : variant.runs) writer.Paragraph(EndSentence(language, *run));
  if (variant.succeeded == 0) return;
  if (variant.same_as.empty()) {
    WriteAccuracy(writer, variant);
    WritePairs(writer, variant);
    WriteMeasured(writer, variant);
  } else {
    writer.Paragraph(
        Join(language, {SameModelSentence(language, writer.facts(), variant),
                        writer.Say("What is said there of accuracy, speed, size and memory holds here.",
                                   "该处关于准确率、速度、体积与内存的结论同样适用于此。")}));
  }
  WriteLayers(writer, variant);
  WriteFront(writer, variant);
  writer.Paragraph(CurveSentence(language, variant));
  if (variant.same_as.empty()) writer.Paragraph(MeaningSentence(language, writer.facts(), variant));
}

}  // namespace

void WriteMethods(Writer& writer) {
  writer.Section("Methods and their results", "各方法及其结果");
  for (const VariantFacts& variant : writer.facts().variants) WriteVariant(writer, variant);
  if (writer.facts().variants.empty()) {
    writer.Paragraph(writer.Say("The experiment has no runs.", "本实验没有运行。"));
    return;
  }
  writer.Paragraph(
      writer.About("results/curves", "$0 sets the training curves side by side.", "各训练曲线见 $0。"));
  writer.ShowFigure("results/curves");
}

}  // namespace quantlab::report
