// Background, theory of each method, and the system's architecture: the only prose here that states no number
// of the experiment.
#include "base/config/method_text.h"
#include "report/facts/format.h"
#include "report/facts/quality.h"
#include "report/parts.h"
#include "report/prose/prose.h"
#include "report/text/method_sentences.h"

namespace quantlab::report {
namespace {

std::string Quality(const Writer& writer) {
  return QualityName(writer.language(), writer.facts().task());
}

void WriteMapping(Writer& writer) {
  const std::string integer = writer.Cite(Source::kInteger), paper = writer.Cite(Source::kWhitePaper);
  writer.Paragraph(writer.Fill(prose::kMapping, integer, paper));
}

void WriteError(Writer& writer) {
  const std::string paper = writer.Cite(Source::kWhitePaper), integer = writer.Cite(Source::kInteger);
  writer.Paragraph(writer.Fill(prose::kRoundingError, paper, integer, Quality(writer)));
}

void WriteEncoder(Writer& writer) {
  const std::string attention = writer.Cite(Source::kAttention), bert = writer.Cite(Source::kBert);
  const std::string q8bert = writer.Cite(Source::kQ8Bert);
  writer.Paragraph(writer.Fill(prose::kEncoder, attention, bert, q8bert));
}

std::string StaticTheory(Writer& writer) {
  const std::string integer = writer.Cite(Source::kInteger), smooth = writer.Cite(Source::kSmoothQuant);
  return writer.Fill(prose::kStaticQuantization, integer, smooth);
}

std::string QatTheory(Writer& writer) {
  const std::string ste = writer.Cite(Source::kStraightThrough), lsq = writer.Cite(Source::kLsq);
  const std::string distill = writer.Cite(Source::kDistillation);
  return writer.Fill(prose::kQat, ste, lsq, distill);
}

std::string MixedTheory(Writer& writer) {
  const std::string hawq = writer.Cite(Source::kHawq), bf16 = writer.Cite(Source::kBf16);
  return writer.Fill(prose::kMixedPrecision, hawq, bf16, Quality(writer));
}

std::string HalfTheory(Writer& writer) {
  return writer.Fill(prose::kHalfPrecision, writer.Cite(Source::kBf16));
}

std::string WeightOnlyTheory(Writer& writer) {
  const std::string gptq = writer.Cite(Source::kGptq);
  return writer.Fill(prose::kWeightOnly, gptq);
}

std::string DynamicTheory(Writer& writer) {
  const std::string paper = writer.Cite(Source::kWhitePaper);
  return writer.Fill(prose::kDynamicQuantization, paper);
}

std::string Fp8Theory(Writer& writer) {
  return writer.Fill(prose::kFp8Quantization, writer.Cite(Source::kFp8));
}

}  // namespace

void WriteBackground(Writer& writer) {
  writer.Section("Background and theory", "背景与原理");
  WriteMapping(writer);
  WriteError(writer);
  WriteEncoder(writer);
}

void WriteArchitecture(Writer& writer) {
  writer.Section("Architecture of the system", "系统架构");
  writer.Paragraph(writer.Fill(prose::kSystem));
  writer.Paragraph(writer.About("architecture/system", "$0 shows its programs.", "$0 给出各程序及其关系。"));
  writer.ShowFigure("architecture/system");
}

std::string MethodTheory(Writer& writer, const VariantFacts& variant) {
  if (variant.baseline) {
    return writer.Say("The FP32 checkpoint that every other variant starts from and is compared with.",
                      "其他方案以之为起点并与之比较的 FP32 检查点。");
  }
  if (variant.method == "dynamic_quantization") return DynamicTheory(writer);
  if (variant.method == "static_quantization") return StaticTheory(writer);
  if (variant.method == "qat") return QatTheory(writer);
  if (variant.method == "mixed_precision") {
    return ParamOf(variant, "mode") == "whole" ? HalfTheory(writer) : MixedTheory(writer);
  }
  if (variant.method == "weight_only") return WeightOnlyTheory(writer);
  if (variant.method == "fp8_quantization") return Fp8Theory(writer);
  if (variant.spec != nullptr && !variant.spec->control_of.empty()) {
    return ControlSentence(writer.language(), writer.facts(), variant);
  }
  return variant.spec == nullptr ? "" : EscapeMarkdown(HelpText(*variant.spec, writer.language()));
}

}  // namespace quantlab::report
