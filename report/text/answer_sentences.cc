// The answers with their proof: which variant to ship for speed, size and accuracy, and what it costs in
// everything else.
#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "report/facts/format.h"
#include "report/facts/names.h"
#include "report/facts/quality.h"
#include "report/text/answers.h"
#include "report/text/sentences.h"

namespace quantlab::report {
namespace {

// "2.10× (95% interval …) at batch size 8 × 128 tokens, …".
std::string SpeedFigures(Language language, const VariantFacts& variant, size_t comparison,
                         const std::vector<InputShape>& shapes) {
  std::vector<std::string> figures;
  for (const InputShape& shape : shapes) {
    figures.push_back(Fill(language, "$1 at $0", "$1（$0）", ShapeText(language, shape),
                           RatioWithSpread(language, *SpeedupOf(variant, comparison, shape))));
  }
  return absl::StrJoin(figures, Say(language, ", ", "、"));
}

std::string TieSentence(Language language, size_t comparison, const SpeedAnswer& answer, const Tie& tie) {
  std::vector<std::string> others;
  for (size_t i = 1; i < tie.fastest.size(); ++i) others.push_back(Named(language, *tie.fastest[i]));
  const std::string names = absl::StrJoin(others, Say(language, ", ", "、"));
  if (tie.fastest[0] != answer.variant) {
    return Fill(
        language,
        "The highest estimate is that of $0, $1, from which these are not distinguishable in speed, since "
        "their intervals overlap: $2.",
        "估计值最高的是 $0：$1；置信区间与之重叠、速度上无法与其区分的有：$2。",
        Named(language, *tie.fastest[0]), SpeedFigures(language, *tie.fastest[0], comparison, tie.shapes),
        names);
  }
  const std::string where =
      tie.shapes.size() == answer.shapes.size()
          ? ""
          : Fill(language, " at batch size $0", "（批大小为 $0时）", ShapeList(language, tie.shapes));
  return Fill(language, "Not distinguishable from it in speed$1, since the intervals overlap: $0.",
              "置信区间与之重叠、速度上无法与其区分的有$1：$0。", names, where);
}

std::string SpeedAnswerSentence(Language language, const Facts& facts, size_t comparison,
                                const SpeedAnswer& answer) {
  if (answer.variant == nullptr) {
    return Fill(language, "At batch size $0 no variant is surely faster than the best FP32 path: ship FP32.",
                "批大小为 $0时，没有方法确定快于最优 FP32 路径：建议使用 FP32。",
                ShapeList(language, answer.shapes));
  }
  std::vector<std::string> sentences = {
      Fill(language, "Ship $0: its speed over the best FP32 path is $1.",
           "建议使用 $0：相对最优 FP32 路径的速度为 $1。", Named(language, *answer.variant),
           SpeedFigures(language, *answer.variant, comparison, answer.shapes)),
      PriceSentence(language, facts, *answer.variant, Goal::kSpeed)};
  for (const Tie& tie : answer.ties) sentences.push_back(TieSentence(language, comparison, answer, tie));
  if (!answer.ties.empty()) {
    sentences.push_back(Fill(
        language,
        "Among variants equally fast, those of the Pareto set go first, then those without a significant "
        "loss of $0 (of these, those shown to stay within the margin), then the simpler method.",
        "速度相当的方案中，优先选择帕累托集中的，其次是$0无显著下降的（其中又以可证明损失在界值以内者优"
        "先），再次是较简单的方法。",
        QualityName(language, facts.task())));
  }
  return Join(language, sentences);
}

// The choices that have a size, smallest first; of equal ones in the order of methods.
std::vector<const VariantFacts*> BySize(const Facts& facts) {
  std::vector<const VariantFacts*> choices;
  for (const VariantFacts* variant : ParetoSet(facts)) {
    if (FirstSize(*variant) != nullptr) choices.push_back(variant);
  }
  std::stable_sort(choices.begin(), choices.end(), [](const VariantFacts* a, const VariantFacts* b) {
    return FirstSize(*a)->value < FirstSize(*b)->value;
  });
  return choices;
}

// What a little more size would buy.
std::string NextSmallestSentence(Language language, const Facts& facts, const VariantFacts& smallest,
                                 const VariantFacts& next) {
  if (next.baseline) return "";
  std::vector<std::string> clauses = {SpeedClause(language, facts, next), MemoryClause(language, facts, next),
                                      AccuracyCost(language, next, facts.baseline())};
  std::erase(clauses, "");
  return Fill(language, "The next smallest is $0, $1 larger: $2.", "其次为 $0，大 $1：$2。",
              Named(language, next), FormatBytes(FirstSize(next)->value - FirstSize(smallest)->value),
              absl::StrJoin(clauses, Say(language, "; ", "；")));
}

// What to ship for accuracy, of variants and the baseline.
std::string AccuracyAnswer(Language language, const Facts& facts, const Sorted& sorted,
                           const VariantFacts& baseline) {
  const TaskSpec& task = *baseline.task;
  const std::string accuracy =
      absl::StrCat(QualityFormat(task)(baseline.accuracy->value),
                   Brackets(language, SpreadOf(language, *baseline.accuracy, QualityFormat(task))));
  if (!sorted.any()) {
    return Fill(language, "No quantized variant has a result to compare with FP32 ($0), whose $2 is $1.",
                "没有量化方案的结果可与 FP32（$0）比较，后者$2为 $1。", Code(baseline.name), accuracy,
                QualityName(language, task));
  }
  if (sorted.better.empty()) {
    return Fill(language, "No quantized variant is significantly $2 than FP32 ($0): $1.",
                "没有量化方案显著优于 FP32（$0）：$3 $1。", Code(baseline.name), accuracy,
                Better(language, task), QualityName(language, task));
  }
  return Join(language,
              {Fill(language, "Ship $0: $1.", "建议使用 $0：$1。", Named(language, *sorted.better[0]),
                    AccuracyCost(language, *sorted.better[0], &baseline)),
               PriceSentence(language, facts, *sorted.better[0], Goal::kAccuracy)});
}

std::string BetterControlSentence(Language language, const VariantFacts& control,
                                  const VariantFacts& baseline) {
  return Fill(language,
              "The control $0, FP32 trained longer, is significantly $3 than the baseline: $1, $2; "
              "more training, not quantization, would gain that.",
              "对照组 $0（继续训练的 FP32）显著优于基线：$1，$2；这一提升来自更多训练，而非量化。",
              Named(language, control),
              DifferenceWithSpread(language, *control.task, *DifferenceOf(control, &baseline)),
              TestOf(language, control), Better(language, *control.task));
}

// "accuracy, speed, size and peak memory", of those that are known.
std::string QuantityList(Language language, const TaskSpec& task, const Quantities& known) {
  std::vector<std::string> names;
  if (known.accuracy) names.push_back(QualityName(language, task));
  if (known.speed) names.push_back(Say(language, "speed", "速度"));
  if (known.size) names.push_back(Say(language, "size", "体积"));
  if (known.memory) names.push_back(Say(language, "peak memory", "内存峰值"));
  if (names.size() < 2) return absl::StrJoin(names, "");
  const std::string last = names.back();
  names.pop_back();
  return absl::StrCat(absl::StrJoin(names, Say(language, ", ", "、")), Say(language, " and ", "和"), last);
}

// The candidates outside the Pareto set, each with the first of the set that dominates it.
std::string OutdoneSentence(Language language, const Facts& facts,
                            const std::vector<const VariantFacts*>& set) {
  std::map<const VariantFacts*, std::vector<const VariantFacts*>> outdone;
  for (const VariantFacts& variant : facts.variants) {
    if (!IsCandidate(variant)) continue;
    const auto better = std::find_if(
        set.begin(), set.end(), [&](const VariantFacts* one) { return Dominates(facts, *one, variant); });
    if (better != set.end()) outdone[*better].push_back(&variant);
  }
  std::vector<std::string> clauses;
  for (const VariantFacts* better : set) {
    if (outdone.count(better) == 0) continue;
    clauses.push_back(
        Fill(language, "$0 by $1", "$0 不如 $1", Names(language, outdone[better]), Named(language, *better)));
  }
  if (clauses.empty()) return "";
  return Fill(language, "The others are outdone: $0.", "其余方案均有更优者：$0。",
              absl::StrJoin(clauses, Say(language, "; ", "；")));
}

}  // namespace

std::string ChoiceSentence(Language language, const Facts& facts) {
  const std::vector<const VariantFacts*> set = ParetoSet(facts);
  const auto candidates = std::count_if(facts.variants.begin(), facts.variants.end(), IsCandidate);
  if (candidates < 2) return "";
  const std::string choice =
      set.size() == 1 ? Fill(language, "The choice is $0", "可选方案只有 $0", Names(language, set))
                      : Fill(language, "The choice is among $0", "可选方案为 $0", Names(language, set));
  const std::string text = Fill(
      language,
      "$0, the Pareto set by the measured values: no other variant is at least as good in $1 and better in one "
      "of them.",
      "$0，即按测得值的帕累托集：没有其他方案在 $1上均不劣于其中任何一个且至少一项更优。", choice,
      QuantityList(language, facts.task(), KnownQuantities(facts)));
  return Join(language, {text, OutdoneSentence(language, facts, set)});
}

std::string ShipForSpeed(Language language, const Facts& facts) {
  if (facts.comparisons.empty()) {
    return NotCompared(language, facts, Say(language, "speed", "速度"));
  }
  std::vector<std::string> sentences;
  for (size_t i = 0; i < facts.comparisons.size(); ++i) {
    if (facts.comparisons.size() > 1) {
      sentences.push_back(Fill(language, "On $0 (run $1):", "在 $0 上（运行 $1）：",
                               EscapeMarkdown(facts.comparisons[i].run->run.device),
                               Code(facts.comparisons[i].run->run.name)));
    }
    for (const SpeedAnswer& answer : SpeedAnswers(facts, i)) {
      sentences.push_back(SpeedAnswerSentence(language, facts, i, answer));
    }
    sentences.push_back(UnreliableSentence(language, facts, i));
  }
  const std::string text = Join(language, sentences);
  return text.empty()
             ? Say(language, "No variant was timed against FP32.", "没有任何方法与 FP32 做过速度对比。")
             : text;
}

std::string ShipForSize(Language language, const Facts& facts) {
  if (facts.comparisons.empty()) {
    return NotCompared(language, facts, Say(language, "size", "大小"));
  }
  const std::vector<const VariantFacts*> by_size = BySize(facts);
  if (by_size.empty()) return Say(language, "No model size was measured.", "未测得模型大小。");
  const VariantFacts& smallest = *by_size[0];
  const std::string size = FormatBytes(FirstSize(smallest)->value);
  if (smallest.baseline) {
    return Fill(language, "Ship FP32 ($0): no variant is smaller.", "建议使用 FP32（$0）：没有更小的方法。",
                size);
  }
  const auto& ratio = smallest.measured[0].ratio;
  const std::string compression = ratio.has_value() ? Fill(language, ", a compression ratio of $0",
                                                           "，压缩比 $0", FormatCompression(ratio->value))
                                                    : "";
  return Join(
      language,
      {Fill(language, "Ship $0: $1$2.", "建议使用 $0：$1$2。", Named(language, smallest), size, compression),
       PriceSentence(language, facts, smallest, Goal::kSize),
       by_size.size() > 1 ? NextSmallestSentence(language, facts, smallest, *by_size[1]) : ""});
}

std::string ShipForAccuracy(Language language, const Facts& facts) {
  const VariantFacts* const baseline = facts.baseline();
  if (baseline == nullptr || !baseline->accuracy.has_value()) {
    return Fill(language, "Nothing can be said about $0: there is no baseline result.",
                "无法判断$0：没有基线结果。", QualityName(language, facts.task()));
  }
  const Sorted sorted = SortByAccuracy(facts, *baseline);
  std::vector<std::string> sentences = {AccuracyAnswer(language, facts, sorted, *baseline)};
  if (sorted.better.size() > 1) {
    sentences.push_back(Fill(language, "Significantly better than the baseline too: $0.",
                             "同样显著优于基线：$0。",
                             Names(language, {sorted.better.begin() + 1, sorted.better.end()})));
  }
  if (!sorted.equal.empty()) {
    sentences.push_back(Fill(language, "No significant difference from the baseline was found for $0.",
                             "与基线无显著差异：$0。", Names(language, sorted.equal)));
  }
  if (!sorted.worse.empty()) {
    sentences.push_back(Fill(language, "Significantly worse than the baseline: $0.", "显著差于基线：$0。",
                             Names(language, sorted.worse)));
  }
  if (!sorted.unclear.empty()) {
    sentences.push_back(Fill(language, "Not settled by a paired test: $0.", "配对检验未能定论：$0。",
                             Names(language, sorted.unclear)));
  }
  for (const VariantFacts* control : sorted.better_controls) {
    sentences.push_back(BetterControlSentence(language, *control, *baseline));
  }
  return Join(language, sentences);
}

}  // namespace quantlab::report
