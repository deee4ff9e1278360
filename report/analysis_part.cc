// Why the numbers are as they are, and what follows from them.
#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "report/facts/analysis.h"
#include "report/facts/format.h"
#include "report/facts/names.h"
#include "report/facts/phrases.h"
#include "report/parts.h"
#include "report/tables/tables.h"
#include "report/text/analysis.h"
#include "report/text/sentences.h"

namespace quantlab::report {
namespace {

// "**Static quantization**: …".
std::string About(Language language, const VariantFacts& variant, const std::string& text) {
  if (text.empty()) return "";
  return absl::StrCat("**", Named(language, variant), "**", Say(language, ": ", "："), text);
}

// One text per variant; a model that an earlier variant has too is not analysed again.
template <typename Function>
std::vector<std::string> OfVariants(const Writer& writer, Function text) {
  std::vector<std::string> texts;
  for (const VariantFacts& variant : writer.facts().variants) {
    if (variant.same_as.empty())
      texts.push_back(About(writer.language(), variant, text(writer.language(), variant)));
  }
  std::erase(texts, "");
  return texts;
}

void Items(Writer& writer, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) writer.Item(text);
  if (!texts.empty()) writer.EndList();
}

void WriteNoise(Writer& writer) {
  const std::vector<std::string> noise =
      OfVariants(writer, [](Language language, const VariantFacts& variant) {
        return Join(language, {NoisyPartSentence(language, variant), NoiseDipsSentence(language, variant)});
      });
  const Table table = NoiseTable(writer.language(), writer.facts());
  if (noise.empty() && table.rows.empty()) return;
  writer.Subsection(writer.Say("Where precision is lost", "精度损失在何处"));
  writer.Paragraph(Join(
      writer.language(),
      {writer.About("noise", "$0 gives the noise of each part of the model.", "$0 给出模型各部分的噪声。"),
       writer.About("results/layers", "$0 shows it layer by layer.", "逐层情况见 $0。")}));
  writer.Show(table);
  Items(writer, noise);
  writer.Paragraph(EvenNoiseSentence(writer.language(), writer.facts()));
}

void WriteSensitivity(Writer& writer) {
  std::vector<std::string> texts;
  for (const VariantFacts& variant : writer.facts().variants) {
    if (!variant.same_as.empty()) continue;
    for (const std::string& text : SensitivityAnalysis(writer.language(), variant))
      texts.push_back(About(writer.language(), variant, text));
  }
  if (texts.empty()) return;
  writer.Subsection(writer.Say("Which layers the answers depend on", "答案依赖哪些层"));
  Items(writer, texts);
}

void WriteTraining(Writer& writer) {
  const std::vector<std::string> texts =
      OfVariants(writer, [&](Language language, const VariantFacts& variant) {
        return TrainingAnalysis(language, writer.facts(), variant);
      });
  if (texts.empty()) return;
  writer.Subsection(writer.Say("Training and rounding apart", "训练与舍入的影响"));
  writer.Paragraph(
      writer.About("results/curves", "The losses of the trainings are in $0.", "训练损失见 $0。"));
  Items(writer, texts);
}

void WriteChoice(Writer& writer) {
  const std::vector<std::string> texts = OfVariants(writer, ChoiceAnalysis);
  if (texts.empty()) return;
  writer.Subsection(writer.Say("The choice of mixed precision", "混合精度的选择"));
  writer.Paragraph(
      writer.About("results/front", "The front that it chose from is in $0.", "供选择的前沿见 $0。"));
  Items(writer, texts);
}

void WriteBounds(Writer& writer) {
  const std::string size = SizeAnalysis(writer.language(), writer.facts()),
                    speed = SpeedAnalysis(writer.language(), writer.facts());
  if (size.empty() && speed.empty()) return;
  writer.Subsection(writer.Say("What bounds size and speed", "体积与速度的限制"));
  if (!size.empty()) {
    writer.Paragraph(
        Join(writer.language(), {size, writer.About("size", "The sizes are in $0.", "体积数据见 $0。")}));
  }
  if (!speed.empty()) {
    writer.Paragraph(
        Join(writer.language(), {speed, writer.About("speed", "The timings are in $0.", "时间数据见 $0。")}));
  }
}

// Whether any part of the analysis has something to say.
bool HasAnalysis(const Writer& writer) {
  const Facts& facts = writer.facts();
  const Language language = writer.language();
  if (!SizeAnalysis(language, facts).empty() || !SpeedAnalysis(language, facts).empty()) return true;
  return std::any_of(facts.variants.begin(), facts.variants.end(), [&](const VariantFacts& variant) {
    return !NoiseByPart(variant).empty() || !DamageOf(variant).empty() || ChoiceOf(variant).has_value() ||
           !TrainingAnalysis(language, facts, variant).empty();
  });
}

}  // namespace

void WriteAnalysis(Writer& writer) {
  if (!HasAnalysis(writer)) return;
  writer.Section("Analysis", "结果分析");
  WriteNoise(writer);
  WriteSensitivity(writer);
  WriteTraining(writer);
  WriteChoice(writer);
  WriteBounds(writer);
}

void WriteConclusion(Writer& writer) {
  const Language language = writer.language();
  writer.Section("Conclusion", "结论");
  const std::vector<std::string> findings = Findings(language, writer.facts()),
                                 open = OpenQuestions(language, writer.facts());
  Items(writer, findings);
  writer.Paragraph(Join(language, {ChoiceSentence(language, writer.facts()),
                                   writer.About("summary", "$0 has all of it.", "全部数据见 $0。")}));
  if (findings.empty() && ChoiceSentence(language, writer.facts()).empty()) {
    writer.Paragraph(writer.Say("There is no result to compare, and so nothing to conclude.",
                                "没有可比较的结果，无法得出结论。"));
  }
  if (open.empty()) return;
  writer.Paragraph(writer.Say("What remains open:", "尚待解决的问题："));
  Items(writer, open);
}

}  // namespace quantlab::report
