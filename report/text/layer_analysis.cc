// Which layers suffer, and why.
#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "report/facts/analysis.h"
#include "report/facts/format.h"
#include "report/facts/layer_names.h"
#include "report/facts/names.h"
#include "report/facts/phrases.h"
#include "report/text/analysis.h"
#include "report/text/answers.h"

namespace quantlab::report {
namespace {

// Outliers are called larger where they are this many times the others'.
constexpr double kLargerOutliers = 1.5;

std::string Decibels(double value) {
  return absl::StrCat(FormatNumber(value, 3), " dB");
}

// Whether any layer rounds its inputs too: else their outliers do not matter to a scale.
bool RoundsInputs(const VariantFacts& variant) {
  const std::vector<Layer>* const layers = LayersOf(variant);
  return layers != nullptr && std::any_of(layers->begin(), layers->end(), [](const Layer& layer) {
           return layer.effective == "int8" || layer.effective == "fp8" ||
                  absl::StartsWith(layer.effective, "int8_static") ||
                  absl::StartsWith(layer.effective, "int8_dynamic");
         });
}

std::string OutliersSentence(Language language, const VariantFacts& variant, const NoisyPart& noisy) {
  if (!RoundsInputs(variant) || !noisy.part.peak_to_rms || !noisy.others_peak_to_rms) return "";
  const std::string here = FormatNumber(*noisy.part.peak_to_rms, 3),
                    elsewhere = FormatNumber(*noisy.others_peak_to_rms, 3);
  if (*noisy.part.peak_to_rms < kLargerOutliers * *noisy.others_peak_to_rms) {
    return Fill(language,
                "Outliers of the inputs do not account for it: the largest input is $0 times the root mean "
                "square there and $1 times elsewhere (medians over layers).",
                "输入中的离群值不足以解释这一点：该部分输入的最大绝对值为其均方根的 $0 倍，其余各层为 $1 "
                "倍（各层的中位数）。",
                here, elsewhere);
  }
  return Fill(language,
              "The inputs there have larger outliers: the largest is $0 times the root mean square, against "
              "$1 times elsewhere (medians over layers). A scale that covers them leaves fewer steps for the "
              "common values.",
              "该部分的输入离群值更大：最大绝对值为均方根的 $0 倍，其余各层为 $1 "
              "倍（各层的中位数）。覆盖离群值的缩放因子会使常见数值分到的量化级数变少。",
              here, elsewhere);
}

std::string DamageName(Language language, const DamageSpread& spread) {
  return spread.divergence ? Say(language, "divergence of the answers", "答案散度")
                           : Say(language, "increase in loss", "损失增量");
}

std::string HalfSentence(Language language, const DamageSpread& spread) {
  const std::string precision = EscapeMarkdown(PrecisionTitle(spread.precision).In(language)),
                    what = DamageName(language, spread);
  std::vector<std::string> names;
  for (const LayerSensitivity* one : spread.half) names.push_back(Code(one->layer));
  const std::string layers = SomeLayers(language, names);
  if (4 * spread.half.size() <= static_cast<size_t>(spread.layers)) {
    return Fill(language,
                "Sensitivity to $0 is concentrated: $1 of $2 layers make up half of the summed $3: $4.",
                "对 $0 的敏感度较为集中：$2 层中的 $1 层占各层 $3之和的一半：$4。", precision,
                spread.half.size(), spread.layers, what, layers);
  }
  return Fill(language,
              "Sensitivity to $0 is spread out: it takes $1 of $2 layers to make up half of the summed $3; "
              "the most sensitive are $4.",
              "对 $0 的敏感度较为分散：$2 层中需 $1 层才占到各层 $3之和的一半；最敏感的为 $4。", precision,
              spread.half.size(), spread.layers, what, layers);
}

std::string DepthSentence(Language language, const DamageSpread& spread) {
  if (!spread.later_blocks.has_value()) return "";
  const double later = *spread.later_blocks;
  if (later >= 0.6) {
    return Fill(language, "Depth matters: the later half of the encoder layers makes up $0 of it.",
                "敏感度与深度有关：后一半编码器层占 $0。", FormatShare(later));
  }
  if (later <= 0.4) {
    return Fill(language, "Depth matters: the earlier half of the encoder layers makes up $0 of it.",
                "敏感度与深度有关：前一半编码器层占 $0。", FormatShare(1 - later));
  }
  return Fill(language, "Depth matters little: the later half of the encoder layers makes up $0 of it.",
              "敏感度与深度关系不大：后一半编码器层占 $0。", FormatShare(later));
}

std::string NoisePredictsSentence(Language language, const DamageSpread& spread) {
  if (!spread.with_noise.has_value()) return "";
  const double correlation = *spread.with_noise;
  const std::string number = FormatNumber(correlation, 2), what = DamageName(language, spread);
  if (correlation <= -0.7) {
    return Fill(
        language,
        "Layers with more noise of their own do more damage: the rank correlation of SQNR and $1 is $0.",
        "自身噪声越大的层损害越大：SQNR 与 $1的秩相关系数为 $0。", number, what);
  }
  if (correlation <= -0.3) {
    return Fill(
        language,
        "A layer's own noise goes only partly with the damage: the rank correlation of SQNR and $1 is "
        "$0.",
        "层自身的噪声只能部分反映其损害：SQNR 与 $1的秩相关系数为 $0。", number, what);
  }
  return Fill(language,
              "A layer's own noise does not predict the damage: the rank correlation of SQNR and $1 is $0.",
              "层自身的噪声不能预测其损害：SQNR 与 $1的秩相关系数为 $0。", number, what);
}

std::string FallingLossSentence(Language language, const DamageSpread& spread) {
  if (!spread.divergence || spread.falling_loss == 0) return "";
  return Fill(language,
              "Quantizing one layer alone lowers the loss for $0 of them; layers are therefore ranked by the "
              "divergence, which is never negative.",
              "其中 $0 层单独量化时损失反而下降，因此按不会为负的散度排序。", spread.falling_loss);
}

}  // namespace

std::string NoisyPartSentence(Language language, const VariantFacts& variant) {
  const auto noisy = NoisiestPart(variant);
  if (!noisy.has_value()) return "";
  return Join(
      language,
      {Fill(language, "The noise is highest in $0: median SQNR $1, against $2 of all other layers.",
            "噪声最大的是$0：SQNR 中位数为 $1，其余各层为 $2。", PartTitle(noisy->part.part).In(language),
            Decibels(noisy->part.median_db), Decibels(noisy->others_db)),
       OutliersSentence(language, variant, *noisy)});
}

std::string NoiseDipsSentence(Language language, const VariantFacts& variant) {
  const std::vector<NoisyLayer> dips = NoiseDips(variant);
  if (dips.empty()) return "";
  std::vector<std::string> names;
  for (const NoisyLayer& dip : dips) {
    const auto peak = variant.input_peaks.find(dip.layer->name);
    const std::string inputs =
        peak == variant.input_peaks.end() || !std::isfinite(peak->second) || !RoundsInputs(variant)
            ? ""
            : Fill(language, ", its largest input $0 times the root mean square",
                   "，其最大输入为均方根的 $0 倍", FormatNumber(peak->second, 3));
    names.push_back(
        Fill(language, "$0 ($1$2)", "$0（$1$2）", Code(dip.layer->name), Decibels(dip.below_db), inputs));
  }
  return Fill(language,
              "Single layers dip below the median of the others of the same part and precision: $0.",
              "个别层明显低于同部分、同精度其他层的中位数：$0。", SomeLayers(language, names));
}

std::string EvenNoiseSentence(Language language, const Facts& facts) {
  std::vector<const VariantFacts*> even, mixed;
  for (const VariantFacts& variant : facts.variants) {
    if (!variant.same_as.empty() || !HasComparableLayers(variant) || !NoiseDips(variant).empty()) continue;
    if (InOnePrecision(variant) && NoiseByPart(variant).size() > 1) {
      if (!NoisiestPart(variant).has_value()) even.push_back(&variant);
    } else {
      mixed.push_back(&variant);
    }
  }
  std::vector<std::string> sentences;
  if (!even.empty()) {
    sentences.push_back(Fill(
        language,
        "Noise is spread evenly with $0: no part of the model has a median SQNR $1 dB below that of the "
        "rest, "
        "and no single layer lies $2 dB below the others of its part.",
        "$0 的噪声分布均匀：没有哪个部分的 SQNR 中位数比其余部分低 $1 dB，也没有单个层比同部分的其他层低 $2 "
        "dB。",
        Names(language, even), kPartStandsOut, kLayerStandsOut));
  }
  if (!mixed.empty()) {
    sentences.push_back(Fill(language,
                             "With $0 no single layer lies $1 dB below the others of the same part and "
                             "precision.",
                             "$0 没有单个层比同部分、同精度的其他层低 $1 dB。", Names(language, mixed),
                             kLayerStandsOut));
  }
  return Join(language, sentences);
}

std::vector<std::string> SensitivityAnalysis(Language language, const VariantFacts& variant) {
  std::vector<std::string> texts;
  for (const DamageSpread& spread : DamageOf(variant)) {
    texts.push_back(
        Join(language, {HalfSentence(language, spread), DepthSentence(language, spread),
                        NoisePredictsSentence(language, spread), FallingLossSentence(language, spread)}));
  }
  return texts;
}

}  // namespace quantlab::report
