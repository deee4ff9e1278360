// What training, the choice of precisions, the model and the input shape have to do with the results.
#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/messages/messages.h"
#include "report/facts/analysis.h"
#include "report/facts/format.h"
#include "report/facts/layer_names.h"
#include "report/facts/message_text.h"
#include "report/facts/names.h"
#include "report/facts/phrases.h"
#include "report/facts/quality.h"
#include "report/facts/verdict.h"
#include "report/text/analysis.h"
#include "report/text/answers.h"
#include "report/text/method_sentences.h"

namespace quantlab::report {
namespace {

bool IsControlOf(const VariantFacts& control, const VariantFacts& variant) {
  return control.spec != nullptr && !control.spec->control_of.empty() &&
         control.spec->control_of == variant.method;
}

bool HasControl(const VariantFacts& variant) {
  return std::any_of(AllMethods().begin(), AllMethods().end(), [&](const MethodSpec& spec) {
    return !spec.control_of.empty() && spec.control_of == variant.method;
  });
}

// "p = 0.42, not significant"; of several seeds the raw counts say nothing that one p could.
std::string PairVerdict(Language language, const OrderedPair& pair) {
  const auto& p = pair.pair->holm_p;
  if (!p.has_value() || p->seeds > 1) return Say(language, "without a paired test", "未做单次配对检验");
  return Fill(language, IsSignificant(*pair.pair) ? "significant, $0" : "not significant, $0",
              IsSignificant(*pair.pair) ? "显著，$0" : "不显著，$0", FormatPValue(p->value));
}

// The effect of rounding: the variant beside its control.
std::string RoundingSentence(Language language, const Facts& facts, const VariantFacts& variant,
                             const VariantFacts& control) {
  const auto pair = PairOf(facts, variant, control);
  if (!pair.has_value()) {
    return Fill(
        language,
        "The two were not compared by a paired test, so what rounding does beside the training is not "
        "settled.",
        "两者之间未做配对检验，因此训练之外舍入的影响未有定论。");
  }
  const std::string points = DifferenceWithSpread(language, *variant.task, pair->difference),
                    verdict = PairVerdict(language, *pair);
  if (!IsSignificant(*pair->pair)) {
    return Fill(
        language,
        "The difference between the two is the effect of rounding: $0, $1. No effect beside that of the "
        "training was found.",
        "两者之差即舍入的影响：$0，$1。未发现训练之外的影响。", points, verdict);
  }
  if (pair->difference.value < 0) {
    return Fill(language,
                "The difference between the two is the effect of rounding: $0, $1. It costs $2 that training "
                "with simulated rounding did not regain.",
                "两者之差即舍入的影响：$0，$1。其造成的$2损失未能由模拟舍入的训练挽回。", points, verdict,
                QualityName(language, *variant.task));
  }
  return Fill(
      language,
      "The difference between the two is the effect of rounding: $0, $1. The result is better than that of "
      "longer training alone.",
      "两者之差即舍入的影响：$0，$1。其结果优于仅训练更久。", points, verdict);
}

// What longer training did, and what was left for the rounding.
std::string ControlledSentence(Language language, const Facts& facts, const VariantFacts& variant,
                               const VariantFacts& control) {
  const auto own = DifferenceOf(variant, facts.baseline()), other = DifferenceOf(control, facts.baseline());
  if (!own.has_value() || !other.has_value()) return "";
  return Join(
      language,
      {Fill(language,
            "Relative to the baseline its $3 changes by $0; that of its control ($1), trained alike "
            "but without rounding, by $2.",
            "相对基线，其$3变化 $0；训练相同而不做舍入的对照“$1”变化 $2。",
            FormatDifference(*variant.task, own->value, language), Named(language, control),
            FormatDifference(*variant.task, other->value, language), QualityName(language, *variant.task)),
       RoundingSentence(language, facts, variant, control)});
}

std::string ControlsText(Language language, const Facts& facts, const VariantFacts& variant) {
  std::vector<std::string> texts;
  for (const VariantFacts& control : facts.variants) {
    if (!IsControlOf(control, variant)) continue;
    const std::string differences = TrainedDifferently(language, variant, control);
    if (control.succeeded == 0 || !control.accuracy.has_value()) {
      texts.push_back(
          Fill(language, "Its control $0 has no result.", "其对照 $0 没有结果。", Named(language, control)));
    } else if (!differences.empty()) {
      texts.push_back(
          Fill(language, "$0 was trained differently ($1) and does not separate training from rounding.",
               "$0 的训练不同（$1），不能区分训练与舍入的影响。", Named(language, control), differences));
    } else {
      texts.push_back(ControlledSentence(language, facts, variant, control));
    }
  }
  if (!texts.empty()) return Join(language, texts);
  return Say(
      language,
      "The experiment has no control that trains as long without rounding, so its result mixes the effects "
      "of training and of rounding.",
      "实验中没有训练同样久而不做舍入的对照，因此其结果混合了训练与舍入的影响。");
}

// Against the same kernels without training.
std::string UntrainedSentence(Language language, const Facts& facts, const VariantFacts& variant) {
  std::vector<std::string> texts;
  for (const VariantFacts& other : facts.variants) {
    if (other.method != "static_quantization" || !other.same_as.empty()) continue;
    const auto pair = PairOf(facts, variant, other);
    if (!pair.has_value()) continue;
    const std::string points = DifferenceWithSpread(language, *variant.task, pair->difference),
                      verdict = PairVerdict(language, *pair), name = Named(language, other);
    const std::string meaning =
        !IsSignificant(*pair->pair)
            ? Say(language, "a gain over calibration alone was not shown", "未显示出优于仅做校准之处")
        : pair->difference.value > 0
            ? Fill(language, "training gained what calibration alone did not", "训练获得了仅靠校准得不到的$0",
                   QualityName(language, *variant.task))
            : Say(language, "training did worse than calibration alone", "训练的结果差于仅做校准");
    texts.push_back(Fill(language, "Against $0, which runs on the same kernels: $1, $2; $3.",
                         "与使用相同内核的 $0 相比：$1，$2；$3。", name, points, verdict, meaning));
  }
  return Join(language, texts);
}

std::string Precisions(Language language, const std::vector<std::string>& precisions) {
  std::vector<std::string> titles;
  for (const std::string& precision : precisions)
    titles.push_back(EscapeMarkdown(PrecisionTitle(precision).In(language)));
  return absl::StrJoin(titles, Say(language, ", ", "、"));
}

std::string KeptSentence(Language language, const MixedChoice& choice) {
  const std::string lowest = EscapeMarkdown(PrecisionTitle(choice.lowest).In(language));
  if (choice.kept.empty()) {
    return Fill(language, "It asked for $0 in every one of its $1 linear layers.",
                "全部 $1 个线性层均选用 $0。", lowest, choice.layers);
  }
  std::vector<std::string> names;
  for (const Layer* layer : choice.kept) {
    names.push_back(Fill(language, "$0 ($1)", "$0（$1）", Code(layer->name),
                         EscapeMarkdown(PrecisionTitle(layer->requested).In(language))));
  }
  const std::string kept = Fill(language, "Of its $0 linear layers it kept $1 in more bits than $2: $3.",
                                "在 $0 个线性层中，有 $1 层的精度高于 $2：$3。", choice.layers,
                                choice.kept.size(), lowest, SomeLayers(language, names));
  if (choice.kept_among_worst == static_cast<int>(choice.kept.size())) {
    return Join(language, {kept, Fill(language,
                                      choice.kept.size() == 1 ? "It is the layer that $0 damages most."
                                                              : "These are the layers that $0 damages most.",
                                      "这些正是受 $0 损害最大的层。", lowest)});
  }
  return Join(
      language,
      {kept,
       Fill(language,
            "Of these, $0 $3 among the $4 that $2 damages most; the choice weighs damage against cost, so a "
            "layer that is cheap to keep may come before a more sensitive one.",
            "其中 $0 层属于受 $2 损害最大的 $1 层；选择时权衡损害与代价，因此保留代价低的层可能先于更敏感的层"
            "。",
            choice.kept_among_worst, choice.kept.size(), lowest, choice.kept_among_worst == 1 ? "is" : "are",
            Plural(static_cast<int64_t>(choice.kept.size()), "layer", "layers"))});
}

std::string CheaperSentence(Language language, const TaskSpec& task, const MixedChoice& choice) {
  double low = INFINITY, high = -INFINITY;
  int64_t measured = 0;
  for (const FrontPoint* point : choice.cheaper) {
    if (!point->accuracy.has_value()) continue;
    ++measured;
    low = std::min(low, *point->accuracy);
    high = std::max(high, *point->accuracy);
  }
  if (measured == 0 || !choice.chosen->accuracy.has_value()) return "";
  const NumberFormat quality = QualityFormat(task);
  const std::string range =
      low == high ? quality(low) : Fill(language, "$0 to $1", "$0 至 $1", quality(low), quality(high));
  return Fill(language,
              "$0 on the front $1 measured, with a validation $4 of $2 against $3 of the one taken.",
              "前沿上$0$1经实测，验证集$4为 $2，所选分配为 $3。",
              language == Language::kEnglish ? Plural(measured, "cheaper assignment", "cheaper assignments")
                                             : absl::StrCat("代价更低的 ", measured, " 种分配"),
              measured == 1 ? Say(language, "was", "也") : Say(language, "were", "也"), range,
              quality(*choice.chosen->accuracy), QualityName(language, task));
}

std::string BudgetSentence(Language language, const VariantFacts& variant, const MixedChoice& choice) {
  if (choice.budget_missed) {
    return Say(language,
               "No assignment that was measured met its budget, so the best one measured was taken.",
               "实测的分配均未满足预算，因此取其中最好的一种。");
  }
  if (FrontIsBySize(variant)) {
    return Say(language, "The least harmful assignment found that fits the size budget was taken.",
               "所选为满足体积预算的分配中损害最小的一种。");
  }
  double drop = 0;
  const std::string budget = absl::SimpleAtod(ParamOf(variant, "max_accuracy_drop"), &drop)
                                 ? Brackets(language, FormatLoss(*variant.task, drop, language))
                                 : "";
  if (choice.cheaper.empty()) {
    return Fill(language, "It is the cheapest assignment that was measured: the $1 budget$0 did not bind.",
                "所选为实测分配中代价最低的一种：$1预算$0并未起约束作用。", budget,
                QualityName(language, *variant.task));
  }
  return Fill(language, "The cheapest assignment measured within the $1 budget$0 was taken.",
              "所选为实测分配中满足$1预算$0的代价最低的一种。", budget, QualityName(language, *variant.task));
}

// Why a precision was not up for choice on this machine; empty where all were.
std::string NotOfferedSentence(Language language, const VariantFacts& variant) {
  const std::string code = messages::kPrecisionNotOffered("", Message()).code;
  for (const RunReport* run : variant.runs) {
    for (const Caveat& caveat : run->caveats) {
      if (caveat.coded_message.code != code) continue;
      return Fill(language, "Besides, $0.", "此外，$0。", CaveatText(language, caveat));
    }
  }
  return "";
}

// The shapes at which a variant has its lowest and highest speedup, where their intervals do not overlap.
struct ShapeEffect {
  const VariantFacts* variant = nullptr;
  InputShape lowest, highest;
};

std::vector<ShapeEffect> ShapeEffects(const Facts& facts) {
  std::vector<ShapeEffect> effects;
  const std::vector<InputShape> shapes = ShapesOf(facts, 0, true);
  for (const VariantFacts& variant : facts.variants) {
    if (variant.baseline || !IsCandidate(variant)) continue;
    std::vector<InputShape> timed;
    for (const InputShape& shape : shapes) {
      if (SpeedupOf(variant, 0, shape) != nullptr) timed.push_back(shape);
    }
    if (timed.size() < 2) continue;
    const auto [low, high] =
        std::minmax_element(timed.begin(), timed.end(), [&](const InputShape& a, const InputShape& b) {
          return SpeedupOf(variant, 0, a)->value < SpeedupOf(variant, 0, b)->value;
        });
    if (!Overlap(*SpeedupOf(variant, 0, *low), *SpeedupOf(variant, 0, *high)))
      effects.push_back({&variant, *low, *high});
  }
  return effects;
}

int64_t Tokens(const InputShape& shape) {
  return shape.batch_size * std::max<int64_t>(1, shape.sequence_length);
}

std::string WeightOnlySentence(Language language, const std::vector<ShapeEffect>& effects) {
  for (const ShapeEffect& effect : effects) {
    if (effect.variant->method != "weight_only" || Tokens(effect.highest) >= Tokens(effect.lowest)) continue;
    return Fill(
        language,
        "$0 computes in floating point and saves only the reading of weights, which weighs most where few "
        "tokens share it.",
        "$0 以浮点计算，只节省读取权重的时间；分摊权重读取的词元越少，这一点越重要。",
        Named(language, *effect.variant));
  }
  return "";
}

// What is no linear layer bounds the compression.
std::string RestSentence(Language language, const LinearShare& share) {
  const double rest = share.model - share.linear;
  const std::string bytes = FormatBytes(rest), most = FormatCompression(share.model / rest);
  if (share.embeddings > rest / 2) {
    return Fill(
        language,
        "The other $0 are mostly embeddings ($1): while they stay FP32, no precision of the linear "
        "layers compresses the whole beyond $2.",
        "其余 $0 主要是嵌入层（$1）：只要其保持 FP32，无论线性层采用何种精度，整体压缩比都不会超过 $2。",
        bytes, FormatBytes(share.embeddings), most);
  }
  return Fill(language,
              "The other $0 are not linear layers: while they stay FP32, no precision of the linear layers "
              "compresses the whole beyond $1.",
              "其余 $0 不是线性层：只要其保持 FP32，无论线性层采用何种精度，整体压缩比都不会超过 $1。", bytes,
              most);
}

}  // namespace

std::string TrainingAnalysis(Language language, const Facts& facts, const VariantFacts& variant) {
  if (variant.succeeded == 0 || !variant.accuracy.has_value() || !HasControl(variant)) return "";
  return Join(language,
              {ControlsText(language, facts, variant), UntrainedSentence(language, facts, variant)});
}

std::string ChoiceAnalysis(Language language, const VariantFacts& variant) {
  const auto choice = ChoiceOf(variant);
  if (!choice.has_value()) return "";
  std::vector<std::string> offered = choice->offered;
  if (std::find(offered.begin(), offered.end(), "fp32") == offered.end()) offered.push_back("fp32");
  const std::string pinned =
      ParamOf(variant, "pin").empty()
          ? ""
          : Say(language, "Layers named by `pin` were not up for choice.", "`pin` 指定的层不参与选择。");
  return Join(
      language,
      {Fill(language, "The precisions offered were $0.", "可选精度为 $0。", Precisions(language, offered)),
       NotOfferedSentence(language, variant), pinned, KeptSentence(language, *choice),
       CheaperSentence(language, *variant.task, *choice), BudgetSentence(language, variant, *choice)});
}

std::string SizeAnalysis(Language language, const Facts& facts) {
  const auto share = LinearShareOf(facts);
  if (!share.has_value()) return "";
  const double rest = share->model - share->linear;
  std::vector<const VariantFacts*> below;
  for (const VariantFacts& variant : facts.variants) {
    const Result* const size = FirstSize(variant);
    if (size != nullptr && size->value < rest && variant.same_as.empty()) below.push_back(&variant);
  }
  const std::string bound =
      Join(language, {Fill(language, "Of the $0 of the FP32 model its linear layers take $1 ($2).",
                           "FP32 模型共 $0，其中线性层占 $1（$2）。", FormatBytes(share->model),
                           FormatBytes(share->linear), FormatShare(share->linear / share->model)),
                      RestSentence(language, *share)});
  if (below.empty()) return bound;
  return Join(language,
              {bound, Fill(language, "Below that bound, so more than the linear layers is smaller: $0.",
                           "突破这一界限的方案（变小的不只是线性层）：$0。", Names(language, below))});
}

std::string SpeedAnalysis(Language language, const Facts& facts) {
  if (facts.comparisons.empty() || ShapesOf(facts, 0, true).size() < 2) return "";
  const std::vector<ShapeEffect> effects = ShapeEffects(facts);
  if (effects.empty()) {
    return Say(language, "The speedups do not differ between input shapes beyond their intervals.",
               "各输入形状下的加速比之差均未超出置信区间。");
  }
  std::vector<std::string> clauses;
  for (const ShapeEffect& effect : effects) {
    clauses.push_back(Fill(
        language, "$0 from $1 at $2 to $3 at $4", "$0 由 $1（$2）至 $3（$4）",
        Named(language, *effect.variant), FormatRatio(SpeedupOf(*effect.variant, 0, effect.lowest)->value),
        ShapeText(language, effect.lowest), FormatRatio(SpeedupOf(*effect.variant, 0, effect.highest)->value),
        ShapeText(language, effect.highest)));
  }
  return Join(language,
              {Fill(language, "The speedup depends on the input shape: $0.", "加速比随输入形状变化：$0。",
                    absl::StrJoin(clauses, Say(language, "; ", "；"))),
               WeightOnlySentence(language, effects)});
}

}  // namespace quantlab::report
