#include "report/text/method_sentences.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "report/facts/format.h"
#include "report/facts/layer_names.h"
#include "report/facts/names.h"
#include "report/facts/quality.h"
#include "report/text/sentences.h"

namespace quantlab::report {
namespace {

// A count, or the mean of several.
std::string Count(double value) {
  return value == std::floor(value) ? FormatCount(static_cast<int64_t>(value)) : FormatNumber(value, 3);
}

std::string Decibels(double value) {
  return absl::StrCat(FormatNumber(value, 3), " dB");
}

// Layers by what they do to the model in one precision, most sensitive first.
std::vector<const LayerSensitivity*> MostSensitive(const VariantFacts& variant,
                                                   const std::string& precision) {
  std::vector<const LayerSensitivity*> layers;
  for (const LayerSensitivity& one : variant.sensitivity) {
    if (one.precision == precision && one.Damage() && std::isfinite(*one.Damage())) layers.push_back(&one);
  }
  std::stable_sort(layers.begin(), layers.end(), [](const LayerSensitivity* a, const LayerSensitivity* b) {
    return *a->Damage() > *b->Damage();
  });
  return layers;
}

// Mean of the first or last tenth, at least one point: single steps are noisy.
double EndOf(const std::vector<double>& values, bool first) {
  const size_t count = std::max<size_t>(1, values.size() / 10);
  const auto begin = first ? values.begin() : values.end() - static_cast<std::ptrdiff_t>(count);
  double sum = 0;
  for (auto it = begin; it != begin + static_cast<std::ptrdiff_t>(count); ++it) sum += *it;
  return sum / static_cast<double>(count);
}

// At how many of the shapes that were timed reliably the speedup lies surely above, and surely below 1.
struct SpeedCount {
  int reliable = 0, faster = 0, slower = 0, unreliable = 0;
};

SpeedCount CountSpeeds(const Facts& facts, const VariantFacts& variant) {
  SpeedCount count;
  for (size_t i = 0; i < facts.comparisons.size(); ++i) {
    for (const auto& [shape, timing] : variant.measured[i].by_shape) {
      if (!timing.speedup.has_value()) continue;
      if (!facts.comparisons[i].Reliable(shape)) {
        ++count.unreliable;
        continue;
      }
      ++count.reliable;
      if (SurelyAbove(*timing.speedup, 1)) ++count.faster;
      if (SurelyBelow(*timing.speedup, 1)) ++count.slower;
    }
  }
  return count;
}

std::string SpeedVerdict(Language language, const SpeedCount& count) {
  if (count.faster == count.reliable) {
    return Say(language, "faster than FP32 at every input shape that was timed",
               "在所测的每种输入形状上都快于 FP32");
  }
  if (count.slower == count.reliable) {
    return Say(language, "slower than FP32 at every input shape that was timed",
               "在所测的每种输入形状上都慢于 FP32");
  }
  if (count.faster == 0 && count.slower == 0) {
    return Say(language, "no significant difference from FP32 in speed", "速度与 FP32 无显著差异");
  }
  if (count.faster == 0) {
    return Fill(language,
                "slower than FP32 at $0 of $1 input shapes that were timed, and not surely faster at any",
                "在所测的 $1 种输入形状中，$0 种慢于 FP32，没有一种确定更快", count.slower, count.reliable);
  }
  if (count.slower == 0) {
    return Fill(language,
                "faster than FP32 at $0 of $1 input shapes that were timed, and not surely slower at any",
                "在所测的 $1 种输入形状中，$0 种快于 FP32，没有一种确定更慢", count.faster, count.reliable);
  }
  return Fill(language, "faster than FP32 at $0 and slower at $1 of $2 input shapes that were timed",
              "在所测的 $2 种输入形状中，$0 种快于 FP32，$1 种慢于 FP32", count.faster, count.slower,
              count.reliable);
}

std::string SpeedMeaning(Language language, const Facts& facts, const VariantFacts& variant) {
  const SpeedCount count = CountSpeeds(facts, variant);
  if (count.reliable == 0 && count.unreliable == 0) return "";
  if (count.reliable == 0) {
    return Say(language, "speed not settled, since no timing is reliable",
               "速度未能定论，因为时间数据均不可靠");
  }
  const std::string verdict = SpeedVerdict(language, count);
  if (count.unreliable == 0) return verdict;
  return absl::StrCat(verdict,
                      language == Language::kEnglish
                          ? absl::StrCat(" (not counting ", Plural(count.unreliable, "shape", "shapes"),
                                         " whose timing is unreliable)")
                          : absl::StrCat("（另有 ", count.unreliable, " 种的时间数据不可靠，未计入）"));
}

std::string SizeMeaning(Language language, const VariantFacts& variant) {
  if (variant.measured.empty() || !variant.measured[0].ratio.has_value()) return "";
  const double ratio = variant.measured[0].ratio->value;
  if (ratio <= 1) return Say(language, "no smaller", "体积没有减小");
  return Fill(language, "compressed $0", "压缩比 $0", FormatCompression(ratio));
}

std::string AccuracyMeaning(Language language, const VariantFacts& variant, const VariantFacts* baseline) {
  const std::string quality = QualityName(language, *variant.task);
  switch (Judge(variant, baseline)) {
    case Verdict::kNoDifference:
      return Fill(language, "no significant difference in $0", "$0无显著差异", quality);
    case Verdict::kWorse:
      return Fill(language, "significantly $1", "$0显著下降", quality, Worse(language, *variant.task));
    case Verdict::kBetter:
      return Fill(language, "significantly $1", "$0显著上升", quality, Better(language, *variant.task));
    case Verdict::kMixed:
      return Fill(language, "seeds disagree about $0", "各随机种子的$0结论不一致", quality);
    case Verdict::kUntested:
      break;
  }
  return Fill(language, "$0 not settled by a paired test", "$0未经配对检验", quality);
}

// A loss that does not fall is not passed over.
std::string RisingLoss(Language language, double first, double last) {
  if (last < first) return "";
  return Say(
      language,
      "It did not fall: by this measure the training did not improve on the model that it started from. A "
      "lower learning rate or more epochs may help.",
      "损失没有下降：按此衡量，训练没有改进其起点模型。可尝试更低的学习率或更多轮数。");
}

// How far down the interval of the difference reaches, with enough decimals to differ from the margin.
std::string ReachClause(Language language, const VariantFacts& variant, double margin) {
  if (!variant.difference.has_value() || !variant.difference->low.has_value()) return "";
  return Fill(language, ", down to $0", "，下限为 $0",
              FormatDifference(*variant.task, *variant.difference->low, language, -margin));
}

// Why a loss within the margin is not shown: the test's p, or for results without counted answers the
// interval.
std::string MarginClause(Language language, const VariantFacts& variant, const std::string& reach) {
  const auto& p = variant.margin_holm_p;
  if (!p.has_value()) {
    return Fill(language, "the interval of the difference reaches beyond it$0", "差值的置信区间超出该界值$0",
                reach);
  }
  const std::string corrected =
      IsCorrected(p) ? Say(language, ", corrected for the number of variants", "（已按方案数校正）") : "";
  const std::string test = variant.task->numeric ? Say(language, "one-sided bootstrap test", "单侧自助法检验")
                                                 : Say(language, "exact one-sided test", "精确单侧检验");
  if (p->seeds > 1) return Fill(language, "the $0 does not show it", "$0未能证明", test);
  return Fill(language, "the $2 gives p = $0$1, where 0.025 at most is needed",
              "$2得 p = $0$1，须不大于 0.025", FormatNumber(p->value, 3), corrected, test);
}

}  // namespace

std::string TrainedDifferently(Language language, const VariantFacts& variant, const VariantFacts& control) {
  const RunConfig& one = variant.runs[0]->config;
  const RunConfig& other = control.runs[0]->config;
  const auto text = [](const Params& params, const std::string& name) {
    const auto it = params.find(name);
    return it == params.end() ? std::string("–") : ParamToString(it->second);
  };
  std::vector<std::string> differences;
  for (const ParamSpec& param : control.spec->params) {
    const std::string here = text(one.method.params, param.name),
                      there = text(other.method.params, param.name);
    if (here == there) continue;
    differences.push_back(
        Fill(language, "$0 $1 against $2", "$0 为 $1，对照为 $2", Code(param.name), here, there));
  }
  // A control has no teacher.
  double weight = 0;
  if (absl::SimpleAtod(text(one.method.params, "distillation"), &weight) && weight > 0) {
    differences.push_back(
        Fill(language, "distillation with weight $0", "蒸馏权重为 $0", FormatExact(weight)));
  }
  const auto texts = [](const DatasetConfig& d) {
    return std::tie(d.asset.digest, d.filter_value, d.split_seed, d.train_size, d.validation_size,
                    d.test_size);
  };
  if (texts(one.dataset) != texts(other.dataset)) {
    differences.push_back(Say(language, "other training examples", "训练文本不同"));
  }
  return absl::StrJoin(differences, Say(language, ", ", "；"));
}

std::string ControlSentence(Language language, const Facts& facts, const VariantFacts& control) {
  std::vector<std::string> alike, unlike;
  for (const VariantFacts& variant : facts.variants) {
    if (variant.method != control.spec->control_of) continue;
    const std::string differences = TrainedDifferently(language, variant, control);
    if (differences.empty()) alike.push_back(Named(language, variant));
    if (!differences.empty()) unlike.push_back(Named(language, variant) + Brackets(language, differences));
  }
  const char* const comma = Say(language, ", ", "、");
  std::string sentences = Say(language, "A control, not a quantization: FP32 trained further.",
                              "对照组，并非量化：FP32 模型继续训练。");
  if (alike.empty() && unlike.empty()) {
    return Join(language, {sentences, Say(language, "This experiment has nothing that it is the control of.",
                                          "本实验没有以它为对照的方案。")});
  }
  if (!alike.empty()) {
    sentences =
        Join(language,
             {sentences,
              Fill(language,
                   "It is trained on the same examples, for as many extra epochs and with the same learning "
                   "rate as $0: "
                   "what it gains over the baseline, training longer alone would have gained there too.",
                   "它与 $0 在相同文本上以相同的学习率训练相同的轮数：它相对基线的提升，单凭多训练也能得到。",
                   absl::StrJoin(alike, comma))});
  }
  if (unlike.empty()) return sentences;
  return Join(
      language,
      {sentences, Fill(language,
                       "It is not trained as $0: the difference between them is not one of quantization "
                       "alone.",
                       "它的训练不同于 $0：两者之差并非只由量化造成。", absl::StrJoin(unlike, comma))});
}

std::string FlipsSentence(Language language, const VariantFacts& variant) {
  if (!variant.lost || !variant.gained) return "";
  const double other = variant.other_flips.has_value() ? variant.other_flips->value : 0;
  const double all = variant.lost->value + variant.gained->value + other;
  const std::string mean =
      variant.lost->seeds > 1 ? Say(language, " (means over seeds)", "（多种子均值）") : "";
  const std::string rest =
      other == 0 ? ""
                 : Fill(language, ", $0 between wrong classes", "，$0 条在错误类别之间变化", Count(other));
  return Fill(
      language,
      "Against the baseline $0 examples change class$4: $1 from right to wrong, $2 from wrong to right$3.",
      "与基线相比有 $0 条文本的类别改变$4：$1 条由对变错，$2 条由错变对$3。", Count(all),
      Count(variant.lost->value), Count(variant.gained->value), rest, mean);
}

std::string MarginSentence(Language language, const VariantFacts& variant) {
  if (!variant.non_inferior.has_value()) return "";
  double margin = 0;
  const bool known = absl::SimpleAtod(variant.margin, &margin);
  const std::string points =
      known ? FormatLoss(*variant.task, margin, language) : EscapeMarkdown(variant.margin);
  if (variant.non_inferior->value == 1) {
    return Fill(language,
                "It is shown to be no worse than the baseline by more than $0, the margin set beforehand.",
                "可以认为其不比基线差超过 $0（事先设定的界值）。", points);
  }
  if (variant.non_inferior->value == 0) {
    return Fill(language, "It is not shown to stay within $0 of the baseline, the margin set beforehand: $1.",
                "不能证明其与基线之差在 $0（事先设定的界值）以内：$1。", points,
                MarginClause(language, variant, known ? ReachClause(language, variant, margin) : ""));
  }
  return Fill(language, "In $0 of its seeds it is shown to stay within $1 of the baseline.",
              "在 $0 的随机种子中可证明其与基线之差在 $1 以内。", FormatShare(variant.non_inferior->value),
              points);
}

std::string PairSentence(Language language, const PairFacts& pair) {
  if (!pair.difference.has_value()) return "";
  const std::string points = DifferenceWithSpread(language, *pair.task, *pair.difference);
  const std::string variant = Named(language, pair.variant_label, pair.variant),
                    against = Named(language, pair.against_label, pair.against);
  if (!pair.p_value.has_value() || !pair.holm_p.has_value() || pair.holm_p->seeds > 1) {
    return Fill(language, "$0 against $1: $2, not settled by one paired test.",
                "$0 对 $1：$2，未由单次配对检验定论。", variant, against, points);
  }
  const std::string p = FormatPValue(pair.holm_p->value);
  if (pair.holm_p->value >= kSignificance || pair.difference->value == 0) {
    return Fill(language, "$0 against $1: no significant difference, $2, $3.",
                "$0 对 $1：无显著差异，$2，$3。", variant, against, points, p);
  }
  if (pair.difference->value > 0) {
    return Fill(language, "$0 is significantly $4 than $1: $2, $3.", "$0 的$5显著高于 $1：$2，$3。", variant,
                against, points, p, Better(language, *pair.task), QualityName(language, *pair.task));
  }
  return Fill(language, "$0 is significantly $4 than $1: $2, $3.", "$0 的$5显著低于 $1：$2，$3。", variant,
              against, points, p, Worse(language, *pair.task), QualityName(language, *pair.task));
}

std::string NoiseSentence(Language language, const std::vector<Layer>& layers) {
  std::vector<std::pair<double, std::string>> ratios;
  for (const Layer& layer : layers) {
    if (layer.sqnr_db.has_value() && std::isfinite(*layer.sqnr_db))
      ratios.emplace_back(*layer.sqnr_db, layer.name);
  }
  if (ratios.empty()) return "";
  std::stable_sort(ratios.begin(), ratios.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  return Fill(
      language,
      "The signal-to-quantization-noise ratio of its layers' outputs lies between $0 ($1) and $2; the median "
      "is $3.",
      "各层输出的信号与量化噪声之比（SQNR）介于 $0（$1）与 $2 之间，中位数为 $3。",
      Decibels(ratios.front().first), Code(ratios.front().second), Decibels(ratios.back().first),
      Decibels(ratios[ratios.size() / 2].first));
}

std::string SensitivitySentence(Language language, const VariantFacts& variant) {
  std::vector<std::string> precisions;
  for (const LayerSensitivity& one : variant.sensitivity) {
    if (std::find(precisions.begin(), precisions.end(), one.precision) == precisions.end())
      precisions.push_back(one.precision);
  }
  std::vector<std::string> sentences;
  for (const std::string& precision : precisions) {
    const auto layers = MostSensitive(variant, precision);
    if (layers.empty()) continue;
    std::vector<std::string> worst;
    for (size_t i = 0; i < std::min<size_t>(3, layers.size()); ++i) {
      worst.push_back(Fill(language, "$0 ($1)", "$0（$1）", Code(layers[i]->layer),
                           FormatNumber(*layers[i]->Damage(), 3)));
    }
    const char* const measure =
        layers[0]->divergence.has_value()
            ? Say(language, "divergence of the answers, in nats", "答案的散度，单位 nat")
            : Say(language, "increase in loss", "损失增量");
    sentences.push_back(Fill(language, "Most sensitive to $0 alone, by the $2: $1.",
                             "单独使用 $0 时最敏感的层（$2）：$1。",
                             EscapeMarkdown(PrecisionTitle(precision).In(language)),
                             absl::StrJoin(worst, Say(language, ", ", "、")), measure));
  }
  return Join(language, sentences);
}

std::string FrontSentence(Language language, const VariantFacts& variant) {
  const auto chosen = std::find_if(variant.front.begin(), variant.front.end(),
                                   [](const FrontPoint& point) { return point.chosen; });
  if (chosen == variant.front.end() || !chosen->seconds) return "";
  const auto count = static_cast<int64_t>(variant.front.size());
  std::vector<std::string> sentences = {
      Fill(language,
           "The front is built on two sums over the linear layers, their cost and the divergence predicted "
           "from each "
           "layer alone; $0 on it $1 then measured as whole models on the validation examples.",
           "前沿由线性层的两个和构成：代价之和，以及由逐层测量预测的散度之和；其上的 "
           "$0随后作为整个模型在验证集上实测。",
           language == Language::kEnglish ? Plural(count, "assignment", "assignments")
                                          : absl::StrCat(count, " 种分配"),
           count == 1 ? "was" : "were")};
  const bool by_size = FrontIsBySize(variant) && chosen->bytes.has_value();
  std::string choice = by_size ? Fill(language, "The one taken sums to $0", "所选的一种体积之和为 $0",
                                      FormatBytes(*chosen->bytes))
                               : Fill(language, "The one taken sums to $0 of time", "所选的一种耗时之和为 $0",
                                      FormatSeconds(*chosen->seconds));
  if (chosen->divergence) {
    choice += Fill(language, " and a predicted divergence of $0 nats", "，预测散度 $0 nat",
                   FormatNumber(*chosen->divergence, 3));
  }
  if (chosen->loss_increase) {
    choice += Fill(language, "; measured, it changes the loss by $0", "；实测损失变化 $0",
                   FormatNumber(*chosen->loss_increase, 3));
  }
  sentences.push_back(absl::StrCat(choice, Say(language, ".", "。")));
  return Join(language, sentences);
}

std::string SameModelSentence(Language language, const Facts& facts, const VariantFacts& variant) {
  if (variant.same_as.empty()) return "";
  return Fill(
      language,
      "Its model file is that of $0, byte for byte: the model is ranked, tested and drawn once, as $0, and "
      "a difference between their timings would be noise.",
      "其模型文件与 $0 逐字节相同：该模型只以 $0 排名、检验和绘制一次；两者若有计时差异，也只是噪声。",
      Named(language, *facts.Find(variant.same_as)));
}

std::string CurveSentence(Language language, const VariantFacts& variant) {
  for (const RunReport* run : variant.runs) {
    if (run->run.state != RunState::kSucceeded) continue;
    std::map<int64_t, double> losses;
    for (const Metric& metric : run->metrics) {
      if (metric.name == "train_loss" && metric.step > 0 && std::isfinite(metric.value))
        losses[metric.step] = metric.value;
    }
    if (losses.size() < 2) continue;
    std::vector<double> values;
    for (const auto& [step, loss] : losses) values.push_back(loss);
    const double first = EndOf(values, true), last = EndOf(values, false);
    const std::string text = Fill(
        language, "Over $0 steps the training loss went from $1 to $2 (means of the first and last tenth).",
        "经过 $0 步，训练损失由 $1 变为 $2（首尾各十分之一的均值）。", FormatCount(losses.rbegin()->first),
        FormatNumber(first, 3), FormatNumber(last, 3));
    return Join(language, {text, RisingLoss(language, first, last)});
  }
  return "";
}

std::string MeaningSentence(Language language, const Facts& facts, const VariantFacts& variant) {
  if (variant.baseline || variant.succeeded == 0) return "";
  std::vector<std::string> parts;
  for (const std::string& part : {SpeedMeaning(language, facts, variant), SizeMeaning(language, variant),
                                  AccuracyMeaning(language, variant, facts.baseline())}) {
    if (!part.empty()) parts.push_back(part);
  }
  return Fill(language, "**In short**: $0.", "**小结**：$0。",
              absl::StrJoin(parts, Say(language, "; ", "；")));
}

}  // namespace quantlab::report
