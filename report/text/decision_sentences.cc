#include "report/text/decision_sentences.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "report/facts/format.h"
#include "report/facts/names.h"
#include "report/facts/phrases.h"
#include "report/facts/quality.h"

namespace quantlab::report {
namespace {

std::string Amount(Language language, const TaskSpec& task, Quantity quantity, double value) {
  switch (quantity) {
    case Quantity::kAccuracyDrop:
      return FormatLoss(task, value, language);
    case Quantity::kP90:
      return FormatSeconds(value);
    case Quantity::kSize:
    case Quantity::kMemory:
      break;
  }
  return FormatBytes(value);
}

std::string NameOf(Language language, const Decision& decision, Quantity quantity) {
  switch (quantity) {
    case Quantity::kAccuracyDrop:
      return Fill(language, "$0 drop", "$0下降", QualityName(language, *decision.task));
    case Quantity::kP90:
      return decision.shape.has_value() ? Fill(language, "p90 time of a batch ($0)", "$0时的 p90 延迟",
                                               ShapeText(language, *decision.shape))
                                        : Say(language, "p90 time of a batch", "p90 延迟");
    case Quantity::kSize:
      return Say(language, "size", "体积");
    case Quantity::kMemory:
      break;
  }
  return Say(language, "peak memory", "内存峰值");
}

// "the fastest"
std::string Superlative(Language language, const TaskSpec& task, Goal goal) {
  switch (goal) {
    case Goal::kSpeed:
      return Say(language, "the fastest", "最快的");
    case Goal::kSize:
      return Say(language, "the smallest", "体积最小的");
    case Goal::kMemory:
      return Say(language, "the one with the least peak memory", "内存峰值最低的");
    case Goal::kAccuracy:
      break;
  }
  if (task.numeric)
    return Fill(language, "the one with the highest $0", "$0最高的", QualityName(language, task));
  return Say(language, "the most accurate", "准确率最高的");
}

std::string GoalName(Language language, const TaskSpec& task, Goal goal) {
  switch (goal) {
    case Goal::kSpeed:
      return Say(language, "speed", "速度");
    case Goal::kSize:
      return Say(language, "size", "体积");
    case Goal::kMemory:
      return Say(language, "peak memory", "内存峰值");
    case Goal::kAccuracy:
      break;
  }
  return QualityName(language, task);
}

// "2.10× FP32's speed (95% interval …)"
std::string GoalFigure(Language language, const Decision& decision, const VariantDecision& variant) {
  const Result& goal = *variant.goal;
  switch (decision.goal) {
    case Goal::kSpeed:
      if (variant.variant->baseline) return Say(language, "the speed of FP32", "FP32 的速度");
      return Fill(language, "$0 the speed of FP32 at $1", "速度为 FP32 的 $0，$1",
                  RatioWithSpread(language, goal), ShapeText(language, *decision.shape));
    case Goal::kSize:
      return Fill(language, "size $0", "体积 $0", FormatBytes(goal.value));
    case Goal::kMemory:
      return Fill(language, "peak memory $0", "内存峰值 $0", FormatBytes(goal.value));
    case Goal::kAccuracy:
      break;
  }
  const std::string quality = QualityName(language, *decision.task);
  if (variant.variant->baseline) return Fill(language, "the $0 of FP32", "FP32 的$0", quality);
  return Fill(language, "$1 $0 against FP32", "$1相对 FP32 变化 $0",
              DifferenceWithSpread(language, *decision.task, goal), quality);
}

std::string Confidence(double share) {
  // Never rounded up to certainty or to the required confidence.
  return share > 0.9995 ? ">99.9%" : FormatShare(std::floor(share * 1e4) / 1e4);
}

std::string NamesOf(Language language, const Decision& decision, const std::vector<size_t>& indices) {
  return absl::StrJoin(indices, Say(language, ", ", "、"), [&](std::string* out, size_t i) {
    absl::StrAppend(out, Named(language, *decision.variants[i].variant));
  });
}

std::string Correction(Language language, const Check& check) {
  std::string text;
  if (check.seeds > 1) {
    text = Fill(language, "the lowest of $0 seeds", "$0 个随机种子中最低", check.seeds);
  }
  if (check.tests > 1) {
    absl::StrAppend(&text, text.empty() ? "" : Say(language, ", ", "，"),
                    Fill(language, "corrected for $0 tests", "按 $0 次检验校正", check.tests));
  }
  return Brackets(language, text);
}

// The measured change of accuracy, which is not called a drop if the variant gains.
std::string Measured(Language language, const Decision& decision, const Check& check) {
  if (check.quantity == Quantity::kAccuracyDrop) {
    return Fill(language, "$1 changes by $0", "$1变化 $0",
                FormatDifference(*decision.task, -*check.value, language),
                QualityName(language, *decision.task));
  }
  return Amount(language, *decision.task, check.quantity, *check.value);
}

std::string MetClause(Language language, const Decision& decision, const Check& check) {
  const std::string value = Measured(language, decision, check);
  switch (check.quantity) {
    case Quantity::kAccuracyDrop:
      if (!check.confidence.has_value()) {
        return Fill(language, "$0: it is the baseline", "$0：即为基线",
                    QualityName(language, *decision.task));
      }
      return Fill(language, "$0, and the drop is within the limit with $1 confidence$2",
                  "$0，下降在限值内的置信度为 $1$2", value, Confidence(*check.confidence),
                  Correction(language, check));
    case Quantity::kP90:
      return Fill(language, "$0 $1, with 97.5% confidence at most $2", "$0 $1，以 97.5% 的置信度不超过 $2",
                  NameOf(language, decision, check.quantity), value, FormatSeconds(*check.bound));
    case Quantity::kSize:
    case Quantity::kMemory:
      break;
  }
  return Fill(language, "$0 $1", "$0 $1", NameOf(language, decision, check.quantity), value);
}

std::string UnprovenClause(Language language, const Decision& decision, const Check& check) {
  const std::string value = Measured(language, decision, check);
  // A corrected confidence near 0 is not informative; the interval shows how large the drop may be.
  if (check.quantity == Quantity::kAccuracyDrop && check.confidence.value_or(1) < 0.5 && check.bound) {
    return Fill(language, "$0, but it may drop by as much as $1 (95% interval)",
                "$0，但最多可能下降 $1（95% 置信区间）", value,
                Amount(language, *decision.task, check.quantity, *check.bound));
  }
  if (check.quantity == Quantity::kAccuracyDrop && check.confidence.has_value()) {
    return Fill(language,
                "$0, but that the drop is within the limit has only $1 confidence where 97.5% is required$2",
                "$0，但下降在限值内的置信度仅为 $1，未达到所需的 97.5%$2", value,
                Confidence(*check.confidence), Correction(language, check));
  }
  if (check.quantity == Quantity::kAccuracyDrop) {
    return Fill(language, "$0, but without a paired interval for every seed that shows nothing",
                "$0，但并非每个随机种子都有配对置信区间，不足以说明问题", value);
  }
  if (!check.bound.has_value()) {
    return Fill(language, "$0 $1, but its interval is not known", "$0 $1，但其置信区间未知",
                NameOf(language, decision, check.quantity), value);
  }
  return Fill(language, "$0 $1, but it may be as much as $2 (95% interval), $3 above the limit",
              "$0 $1，但可能高达 $2（95% 置信区间），超出限值 $3", NameOf(language, decision, check.quantity),
              value, Amount(language, *decision.task, check.quantity, *check.bound),
              Amount(language, *decision.task, check.quantity, *check.bound - check.limit));
}

std::string FailedClause(Language language, const Decision& decision, const Check& check) {
  const std::string excess = Amount(language, *decision.task, check.quantity, *check.value - check.limit);
  if (check.quantity == Quantity::kAccuracyDrop) {
    return Fill(language, "$0, a drop $1 beyond the limit", "$0，下降超出限值 $1",
                Measured(language, decision, check), excess);
  }
  return Fill(language, "$0 $1 exceeds the limit by $2", "$0 $1，超出限值 $2",
              NameOf(language, decision, check.quantity), Measured(language, decision, check), excess);
}

std::string UnknownClause(Language language, const Decision& decision, const Check& check) {
  const std::string name = NameOf(language, decision, check.quantity);
  if (check.unreliable) {
    return Fill(language, "$0 unknown, since the timings are unreliable", "$0未知（时间数据不可靠）", name);
  }
  return Fill(language, "$0 unknown, since it was not measured", "$0未知（未测得）", name);
}

std::string Clause(Language language, const Decision& decision, const Check& check) {
  switch (check.outcome) {
    case Outcome::kMet:
      return MetClause(language, decision, check);
    case Outcome::kUnproven:
      return UnprovenClause(language, decision, check);
    case Outcome::kFailed:
      return FailedClause(language, decision, check);
    case Outcome::kUnknown:
      break;
  }
  return UnknownClause(language, decision, check);
}

std::string Clauses(Language language, const Decision& decision, const VariantDecision& variant, bool met) {
  std::vector<std::string> clauses;
  for (const Check& check : variant.checks) {
    if ((check.outcome == Outcome::kMet) == met) clauses.push_back(Clause(language, decision, check));
  }
  return absl::StrJoin(clauses, Say(language, "; ", "；"));
}

std::vector<size_t> Feasible(const Decision& decision) {
  std::vector<size_t> feasible;
  for (size_t i = 0; i < decision.variants.size(); ++i) {
    if (decision.variants[i].feasible) feasible.push_back(i);
  }
  return feasible;
}

std::string NoneFeasible(Language language, const Decision& decision) {
  if (!decision.constraints.any()) {
    return Say(language, "Nothing was measured that could be chosen from.", "没有测得任何可供选择的结果。");
  }
  const bool unreliable =
      std::any_of(decision.variants.begin(), decision.variants.end(), [](const VariantDecision& one) {
        return std::any_of(one.checks.begin(), one.checks.end(),
                           [](const Check& check) { return check.unreliable; });
      });
  return Join(
      language,
      {Say(language, "No variant meets all constraints, FP32 included.", "没有方案满足全部约束，FP32 亦然。"),
       unreliable ? Say(language,
                        "No timing is reliable at this shape, since the A/A check failed, so the limit of "
                        "time is met by none.",
                        "A/A 检验未通过，该输入形状下的时间数据均不可靠，因此无一满足时间限值。")
                  : ""});
}

std::string WhyNotRanked(Language language, const Decision& decision) {
  if (decision.goal == Goal::kSpeed && !decision.reliable) {
    return Say(language, "the timings are unreliable, since the A/A check failed",
               "A/A 检验未通过，时间数据不可靠");
  }
  return Say(language, "it was not measured", "未测得该项");
}

std::string EqualsSentence(Language language, const Decision& decision) {
  std::vector<size_t> others;
  for (const size_t i : decision.equal) {
    if (i != *decision.best) others.push_back(i);
  }
  if (others.empty()) return "";
  std::vector<std::string> sentences = {
      Fill(language, "Not distinguishable from it in $0: $1.", "在$0上无法与其区分：$1。",
           GoalName(language, *decision.task, decision.goal), NamesOf(language, decision, others))};
  if (decision.leading != decision.best) {
    sentences.push_back(Fill(language, "The best measured value is that of $0: $1.",
                             "测得值最好的是 $0：$1。", NamesOf(language, decision, {*decision.leading}),
                             GoalFigure(language, decision, decision.variants[*decision.leading])));
  }
  sentences.push_back(
      Fill(language,
           "Among equals, those of the Pareto set go first, then those without a significant loss of "
           "$0 (of these, those shown to stay within the margin), then the simpler method.",
           "不相上下时，优先选择帕累托集中的，其次是$0无显著下降的（其中又以可证明损失在界值以内者优先），再"
           "次是较简单的方法。",
           QualityName(language, *decision.task)));
  return Join(language, sentences);
}

std::string UnrankedSentence(Language language, const Decision& decision,
                             const std::vector<size_t>& feasible) {
  std::vector<size_t> unranked;
  for (const size_t i : feasible) {
    if (!decision.variants[i].goal.has_value()) unranked.push_back(i);
  }
  if (unranked.empty()) return "";
  return Fill(language, "Not ranked by $0, since $2: $1.", "未按$0排名的有 $1：$2。",
              GoalName(language, *decision.task, decision.goal), NamesOf(language, decision, unranked),
              WhyNotRanked(language, decision));
}

std::string Of(Language language, const Decision& decision, size_t feasible) {
  if (!decision.constraints.any()) {
    return feasible == 1 ? Say(language, "the only variant that was measured", "唯一测得结果的方案")
                         : Fill(language, "$0 of $1 variants", "$1 个方案中$0",
                                Superlative(language, *decision.task, decision.goal), feasible);
  }
  return feasible == 1
             ? Say(language, "the only variant that meets all constraints", "唯一满足全部约束的方案")
             : Fill(language, "$0 of the $1 variants that meet all constraints",
                    "满足全部约束的 $1 个方案中$0", Superlative(language, *decision.task, decision.goal),
                    feasible);
}

}  // namespace

std::string QuestionSentence(Language language, const Decision& decision) {
  const Constraints& asked = decision.constraints;
  std::vector<std::string> limits;
  const auto add = [&](Quantity quantity, const std::optional<double>& limit) {
    if (!limit.has_value()) return;
    limits.push_back(Fill(language, "$0 at most $1", "$0不超过 $1", NameOf(language, decision, quantity),
                          Amount(language, *decision.task, quantity, *limit)));
  };
  add(Quantity::kAccuracyDrop, asked.accuracy_drop);
  add(Quantity::kP90, asked.p90);
  add(Quantity::kSize, asked.size);
  add(Quantity::kMemory, asked.memory);
  if (limits.empty()) {
    return Fill(language, "Asked for: $0, without constraints.", "要求：选择$0，不设约束。",
                Superlative(language, *decision.task, decision.goal));
  }
  return Fill(language, "Asked for: $0, with $1.", "要求：在$1 的方案中，选择$0。",
              Superlative(language, *decision.task, decision.goal),
              absl::StrJoin(limits, Say(language, ", ", "、")));
}

std::string AnswerSentence(Language language, const Decision& decision) {
  const std::vector<size_t> feasible = Feasible(decision);
  if (feasible.empty()) return NoneFeasible(language, decision);
  if (!decision.best.has_value()) {
    return Fill(language, "$0 of $1 variants qualify, but cannot be ranked by $2 ($3): $4.",
                "$1 个方案中有 $0 个符合要求，但无法按$2排名（$3）：$4。", feasible.size(),
                decision.variants.size(), GoalName(language, *decision.task, decision.goal),
                WhyNotRanked(language, decision), NamesOf(language, decision, feasible));
  }
  const VariantDecision& best = decision.variants[*decision.best];
  const char* const english =
      decision.equal.size() > 1 ? "Ship $0: $1, among the best of the $2 that qualify." : "Ship $0: $1, $3.";
  const char* const chinese = decision.equal.size() > 1
                                  ? "建议使用 $0：$1，属于符合要求的 $2 个方案中最好的之列。"
                                  : "建议使用 $0：$1，是 $3。";
  return Join(language, {Fill(language, english, chinese, Named(language, *best.variant),
                              GoalFigure(language, decision, best), feasible.size(),
                              Of(language, decision, feasible.size())),
                         EqualsSentence(language, decision), UnrankedSentence(language, decision, feasible)});
}

std::string ChecksSentence(Language language, const Decision& decision, const VariantDecision& variant) {
  const std::string name = Named(language, *variant.variant);
  if (!IsCandidate(*variant.variant)) {
    return Fill(language, "$0 does not qualify: nothing was measured of it.",
                "$0 不符合要求：没有测得任何结果。", name);
  }
  if (variant.checks.empty()) {
    return variant.goal.has_value()
               ? Fill(language, "$0: $1.", "$0：$1。", name, GoalFigure(language, decision, variant))
               : Fill(language, "$0: $1 unknown, since $2.", "$0：$1未知（$2）。", name,
                      GoalName(language, *decision.task, decision.goal), WhyNotRanked(language, decision));
  }
  if (variant.feasible) {
    return Fill(language, "$0 meets all constraints: $1.", "$0 满足全部约束：$1。", name,
                Clauses(language, decision, variant, true));
  }
  const std::string met = Clauses(language, decision, variant, true);
  return Join(language, {Fill(language, "$0 does not qualify: $1.", "$0 不符合要求：$1。", name,
                              Clauses(language, decision, variant, false)),
                         met.empty() ? "" : Fill(language, "It meets: $0.", "满足的约束：$0。", met)});
}

std::vector<std::string> ChecksSentences(Language language, const Decision& decision) {
  std::vector<const VariantDecision*> order;
  for (const VariantDecision& one : decision.variants) order.push_back(&one);
  const auto rank = [&](const VariantDecision* one) {
    if (decision.best.has_value() && one == &decision.variants[*decision.best]) return 0;
    return one->feasible ? 1 : 2;
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](const VariantDecision* a, const VariantDecision* b) { return rank(a) < rank(b); });
  std::vector<std::string> sentences;
  for (const VariantDecision* one : order) sentences.push_back(ChecksSentence(language, decision, *one));
  return sentences;
}

}  // namespace quantlab::report
