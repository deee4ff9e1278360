// The answers: which variant to ship for speed, size and accuracy, and what it costs in everything else.
#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "report/facts/format.h"
#include "report/facts/names.h"
#include "report/text/sentences.h"

namespace quantlab::report {
namespace {

std::string NoSignificantCost(Language language, const VariantFacts& variant, const Result& difference) {
  const std::string points = PointsWithSpread(language, difference), test = TestOf(language, variant);
  if (!ExcludesZero(difference)) {
    return Fill(language, "accuracy changes by $0, no significant difference ($1)",
                "准确率变化 $0，无显著差异（$1）", points, test);
  }
  return Fill(language, "accuracy changes by $0, which the $2 does not call significant ($1)",
              "准确率变化 $0，$2未判定其显著（$1）", points, test,
              IsCorrected(variant.holm_p) ? Say(language, "corrected test", "校正后的检验")
                                          : Say(language, "test", "检验"));
}

// What choosing a variant costs or gains in accuracy, as a clause.
std::string AccuracyCost(Language language, const VariantFacts& variant, const VariantFacts* baseline) {
  const auto difference = DifferenceOf(variant, baseline);
  if (!difference.has_value()) {
    return Say(language, "its accuracy was not compared with the baseline's", "未测得其相对基线的准确率");
  }
  const std::string points = PointsWithSpread(language, *difference);
  switch (Judge(variant, baseline)) {
    case Verdict::kNoDifference:
      return NoSignificantCost(language, variant, *difference);
    case Verdict::kWorse:
      return Fill(language, "accuracy changes by $0, a significant loss ($1)",
                  "准确率变化 $0，显著下降（$1）", points, TestOf(language, variant));
    case Verdict::kBetter:
      return Fill(language, "accuracy changes by $0, a significant gain ($1)",
                  "准确率变化 $0，显著上升（$1）", points, TestOf(language, variant));
    case Verdict::kMixed:
      return Fill(language, "accuracy changes by $0, $1", "准确率变化 $0，$1", points,
                  TestOf(language, variant));
    case Verdict::kUntested:
      break;
  }
  return Fill(language, "accuracy changes by $0, without a paired test", "准确率变化 $0，未做配对检验",
              points);
}

std::string ShapeList(Language language, const std::vector<InputShape>& shapes) {
  return absl::StrJoin(shapes, Say(language, ", ", "、"), [&](std::string* out, const InputShape& shape) {
    absl::StrAppend(out, ShapeValue(language, shape));
  });
}

std::vector<InputShape> ShapesOf(const Facts& facts, size_t comparison, bool reliable) {
  std::vector<InputShape> shapes;
  for (const InputShape& shape : facts.ShapesWithSpeedup(comparison)) {
    if (facts.comparisons[comparison].Reliable(shape) == reliable) shapes.push_back(shape);
  }
  return shapes;
}

// "size 19.9 MB (FP32: 90.9 MB)"; `measured` and `baseline` may be null.
std::string BytesClause(Language language, const Text& what, const Result* measured, const Result* baseline) {
  if (measured == nullptr) return "";
  const std::string beside =
      baseline == nullptr ? "" : Fill(language, "FP32: $0", "FP32 为 $0", FormatBytes(baseline->value));
  return absl::StrCat(what.In(language), " ", FormatBytes(measured->value), Brackets(language, beside));
}

std::string SizeClause(Language language, const Facts& facts, const VariantFacts& variant) {
  const VariantFacts* const baseline = facts.baseline();
  return BytesClause(language, {"size", "体积"}, FirstSize(variant),
                     baseline == nullptr ? nullptr : FirstSize(*baseline));
}

std::string MemoryClause(Language language, const Facts& facts, const VariantFacts& variant) {
  const VariantFacts* const baseline = facts.baseline();
  return BytesClause(language, {"peak memory", "内存峰值"}, FirstPeak(variant),
                     baseline == nullptr ? nullptr : FirstPeak(*baseline));
}

// "speed 0.60× at batch size 1 × 128 tokens, …", of reliable timings.
std::string SpeedClause(Language language, const Facts& facts, const VariantFacts& variant) {
  std::vector<std::string> figures;
  for (const InputShape& shape : ShapesOf(facts, 0, true)) {
    const Result* const speedup = SpeedupOf(variant, 0, shape);
    if (speedup == nullptr) continue;
    figures.push_back(
        Fill(language, "$1 at $0", "$1（$0）", ShapeText(language, shape), FormatRatio(speedup->value)));
  }
  if (!figures.empty()) {
    return Fill(language, "speed $0", "速度 $0", absl::StrJoin(figures, Say(language, ", ", "、")));
  }
  return ShapesOf(facts, 0, false).empty()
             ? ""
             : Say(language, "speed unknown, since no timing is reliable", "速度未知（时间数据均不可靠）");
}

// What a variant has in every quantity but that of the goal: the price of choosing it.
std::string PriceSentence(Language language, const Facts& facts, const VariantFacts& variant, Goal goal) {
  std::vector<std::string> clauses;
  if (goal != Goal::kSpeed) clauses.push_back(SpeedClause(language, facts, variant));
  if (goal != Goal::kSize) clauses.push_back(SizeClause(language, facts, variant));
  if (goal != Goal::kMemory) clauses.push_back(MemoryClause(language, facts, variant));
  if (goal != Goal::kAccuracy) clauses.push_back(AccuracyCost(language, variant, facts.baseline()));
  std::erase(clauses, "");
  if (clauses.empty()) return "";
  return Fill(language, "In the other quantities: $0.", "其余各项：$0。",
              absl::StrJoin(clauses, Say(language, "; ", "；")));
}

// Candidates that are surely faster than FP32 at one shape and not distinguishable from the fastest of them,
// which comes first; the others in the order of methods. Empty where none is surely faster.
std::vector<const VariantFacts*> Fastest(const Facts& facts, size_t comparison, const InputShape& shape) {
  std::vector<const VariantFacts*> faster;
  for (const VariantFacts& variant : facts.variants) {
    const Result* const speedup = SpeedupOf(variant, comparison, shape);
    if (variant.baseline || !IsCandidate(variant) || speedup == nullptr) continue;
    if (SurelyAbove(*speedup, 1)) faster.push_back(&variant);
  }
  const auto value = [&](const VariantFacts* one) { return SpeedupOf(*one, comparison, shape)->value; };
  const auto best =
      std::max_element(faster.begin(), faster.end(),
                       [&](const VariantFacts* a, const VariantFacts* b) { return value(a) < value(b); });
  if (best == faster.end()) return faster;
  const Result& highest = *SpeedupOf(**best, comparison, shape);
  std::rotate(faster.begin(), best, best + 1);
  std::erase_if(faster, [&](const VariantFacts* one) {
    return one != faster[0] && !Overlap(*SpeedupOf(*one, comparison, shape), highest);
  });
  return faster;
}

// One of variants that are equally fast.
const VariantFacts* Preferred(const Facts& facts, const std::vector<const VariantFacts*>& fastest) {
  if (fastest.empty()) return nullptr;
  const std::vector<const VariantFacts*> set = ParetoSet(facts);
  return *std::min_element(fastest.begin(), fastest.end(), [&](const VariantFacts* a, const VariantFacts* b) {
    return PreferenceRank(facts, set, *a) < PreferenceRank(facts, set, *b);
  });
}

// Shapes at which the same variants are the fastest.
struct Tie {
  std::vector<const VariantFacts*> fastest;
  std::vector<InputShape> shapes;
};

// Shapes at which one variant is recommended, together: each becomes one sentence.
struct SpeedAnswer {
  const VariantFacts* variant;  // null: none is faster than FP32
  std::vector<InputShape> shapes;
  std::vector<Tie> ties;
};

void AddShape(SpeedAnswer& answer, const std::vector<const VariantFacts*>& fastest, const InputShape& shape) {
  answer.shapes.push_back(shape);
  if (fastest.size() < 2) return;
  auto it = std::find_if(answer.ties.begin(), answer.ties.end(),
                         [&](const Tie& tie) { return tie.fastest == fastest; });
  if (it == answer.ties.end()) it = answer.ties.insert(answer.ties.end(), {fastest, {}});
  it->shapes.push_back(shape);
}

// At the shapes that were timed reliably.
std::vector<SpeedAnswer> SpeedAnswers(const Facts& facts, size_t comparison) {
  std::vector<SpeedAnswer> answers;
  for (const InputShape& shape : ShapesOf(facts, comparison, true)) {
    const std::vector<const VariantFacts*> fastest = Fastest(facts, comparison, shape);
    const VariantFacts* const preferred = Preferred(facts, fastest);
    auto it = std::find_if(answers.begin(), answers.end(),
                           [&](const SpeedAnswer& answer) { return answer.variant == preferred; });
    if (it == answers.end()) it = answers.insert(answers.end(), {preferred, {}, {}});
    AddShape(*it, fastest, shape);
  }
  std::stable_partition(answers.begin(), answers.end(),
                        [](const SpeedAnswer& answer) { return answer.variant != nullptr; });
  return answers;
}

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
    sentences.push_back(
        Say(language,
            "Among variants equally fast, those of the Pareto set go first, then those without a significant "
            "loss "
            "of accuracy, then the simpler method.",
            "速度相当的方案中，优先选择帕累托集中的，其次是准确率无显著下降的，再次是较简单的方法。"));
  }
  return Join(language, sentences);
}

// Where timings are unreliable nothing is recommended.
std::string UnreliableSentence(Language language, const Facts& facts, size_t comparison) {
  const std::vector<InputShape> unreliable = ShapesOf(facts, comparison, false);
  if (unreliable.empty()) return "";
  if (ShapesOf(facts, comparison, true).empty()) {
    return Say(language,
               "Nothing is recommended for speed: no timing is reliable, since the A/A check failed.",
               "不就速度给出建议：A/A 检验未通过，时间数据均不可靠。");
  }
  return Fill(
      language,
      "Nothing is recommended for batch size $0: the timings there are unreliable, since the A/A check "
      "failed.",
      "批大小为 $0时不给出建议：A/A 检验未通过，该处的时间数据不可靠。", ShapeList(language, unreliable));
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

// Variants with an accuracy, by what the paired test says of it.
struct Sorted {
  std::vector<const VariantFacts*> better;  // the most accurate first
  std::vector<const VariantFacts*> equal, worse, unclear;
  std::vector<const VariantFacts*> better_controls;

  bool any() const { return !better.empty() || !equal.empty() || !worse.empty() || !unclear.empty(); }
};

Sorted SortByAccuracy(const Facts& facts, const VariantFacts& baseline) {
  Sorted sorted;
  for (const VariantFacts& variant : facts.variants) {
    if (variant.baseline || !variant.accuracy.has_value() || !variant.same_as.empty()) continue;
    const Verdict verdict = Judge(variant, &baseline);
    if (IsControl(variant)) {
      if (verdict == Verdict::kBetter) sorted.better_controls.push_back(&variant);
      continue;
    }
    auto& of_verdict = verdict == Verdict::kBetter         ? sorted.better
                       : verdict == Verdict::kNoDifference ? sorted.equal
                       : verdict == Verdict::kWorse        ? sorted.worse
                                                           : sorted.unclear;
    of_verdict.push_back(&variant);
  }
  // Of two that are equally accurate the one that the other does not beat elsewhere.
  std::stable_sort(sorted.better.begin(), sorted.better.end(),
                   [&](const VariantFacts* a, const VariantFacts* b) {
                     if (a->accuracy->value != b->accuracy->value)
                       return a->accuracy->value > b->accuracy->value;
                     return Dominates(facts, *a, *b);
                   });
  return sorted;
}

std::string Names(Language language, const std::vector<const VariantFacts*>& variants) {
  return absl::StrJoin(
      variants, Say(language, ", ", "、"),
      [&](std::string* out, const VariantFacts* variant) { *out += Named(language, *variant); });
}

// What to ship for accuracy, of variants and the baseline.
std::string AccuracyAnswer(Language language, const Facts& facts, const Sorted& sorted,
                           const VariantFacts& baseline) {
  const std::string accuracy =
      absl::StrCat(FormatShare(baseline.accuracy->value),
                   Brackets(language, SpreadOf(language, *baseline.accuracy, FormatShare)));
  if (!sorted.any()) {
    return Fill(language,
                "No quantized variant has a result to compare with FP32 ($0), whose accuracy is $1.",
                "没有量化方案的结果可与 FP32（$0）比较，后者准确率为 $1。", Code(baseline.name), accuracy);
  }
  if (sorted.better.empty()) {
    return Fill(language, "No quantized variant is significantly more accurate than FP32 ($0): $1.",
                "没有量化方案显著优于 FP32（$0）：准确率 $1。", Code(baseline.name), accuracy);
  }
  return Join(language,
              {Fill(language, "Ship $0: $1.", "建议使用 $0：$1。", Named(language, *sorted.better[0]),
                    AccuracyCost(language, *sorted.better[0], &baseline)),
               PriceSentence(language, facts, *sorted.better[0], Goal::kAccuracy)});
}

std::string BetterControlSentence(Language language, const VariantFacts& control,
                                  const VariantFacts& baseline) {
  return Fill(
      language,
      "The control $0, FP32 trained longer, is significantly more accurate than the baseline: $1, $2; "
      "more training, not quantization, would gain that.",
      "对照组 $0（继续训练的 FP32）显著优于基线：$1，$2；这一提升来自更多训练，而非量化。",
      Named(language, control), PointsWithSpread(language, *DifferenceOf(control, &baseline)),
      TestOf(language, control));
}

// "accuracy, speed, size and peak memory", of those that are known.
std::string QuantityList(Language language, const Quantities& known) {
  std::vector<std::string> names;
  if (known.accuracy) names.push_back(Say(language, "accuracy", "准确率"));
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

// "accuracy -0.60 points, no significant difference"; empty for the baseline.
std::string ShortAccuracy(Language language, const Facts& facts, const VariantFacts& variant) {
  if (variant.baseline) return "";
  const auto difference = DifferenceOf(variant, facts.baseline());
  if (!difference.has_value()) return Say(language, "accuracy unknown", "准确率未知");
  const std::string points = FormatPoints(difference->value, language);
  switch (Judge(variant, facts.baseline())) {
    case Verdict::kNoDifference:
      return Fill(language, "accuracy $0 (no significant difference)", "准确率 $0（差异不显著）", points);
    case Verdict::kWorse:
      return Fill(language, "accuracy $0 (a significant loss)", "准确率 $0（显著下降）", points);
    case Verdict::kBetter:
      return Fill(language, "accuracy $0 (a significant gain)", "准确率 $0（显著上升）", points);
    case Verdict::kMixed:
      return Fill(language, "accuracy $0 (significant in $1 of $2 seeds)",
                  "准确率 $0（$2 个随机种子中 $1 个显著）", points, variant.significant_seeds,
                  variant.p_value->seeds);
    case Verdict::kUntested:
      break;
  }
  return Fill(language, "accuracy $0 (not tested)", "准确率 $0（未检验）", points);
}

// "; with accuracy …, size …, peak memory …": the price of a choice in what it was not chosen for.
std::string ShortPrice(Language language, const Facts& facts, const VariantFacts& variant, Goal goal) {
  std::vector<std::string> clauses;
  if (goal != Goal::kAccuracy) clauses.push_back(ShortAccuracy(language, facts, variant));
  const InputShape shape = HeadlineShape(facts);
  if (goal != Goal::kSpeed && !facts.comparisons.empty() && facts.comparisons[0].Reliable(shape)) {
    if (const Result* const speed = SpeedupOf(variant, 0, shape)) {
      clauses.push_back(Fill(language, "speed $0 at $1", "速度 $0（$1）", FormatRatio(speed->value),
                             ShapeText(language, shape)));
    }
  }
  if (goal != Goal::kSize) clauses.push_back(SizeClause(language, facts, variant));
  if (goal != Goal::kMemory) clauses.push_back(MemoryClause(language, facts, variant));
  std::erase(clauses, "");
  return clauses.empty()
             ? ""
             : Fill(language, "; with $0", "；同时$0", absl::StrJoin(clauses, Say(language, ", ", "，")));
}

std::string SpeedLine(Language language, const Facts& facts) {
  if (facts.comparisons.empty()) return NotCompared(language, facts, Say(language, "speed", "速度"));
  std::vector<std::string> lines;
  for (const SpeedAnswer& answer : SpeedAnswers(facts, 0)) {
    if (answer.variant == nullptr) {
      lines.push_back(Fill(language, "FP32 at batch size $0, where nothing is surely faster.",
                           "批大小为 $0时使用 FP32：没有方案确定更快。", ShapeList(language, answer.shapes)));
      continue;
    }
    std::vector<std::string> figures;
    for (const InputShape& shape : answer.shapes) {
      figures.push_back(Fill(language, "$1 at $0", "$1（$0）", ShapeText(language, shape),
                             FormatRatio(SpeedupOf(*answer.variant, 0, shape)->value)));
    }
    lines.push_back(Fill(language, "$0, speed $1$2.", "$0，速度 $1$2。", Named(language, *answer.variant),
                         absl::StrJoin(figures, Say(language, ", ", "、")),
                         ShortPrice(language, facts, *answer.variant, Goal::kSpeed)));
  }
  lines.push_back(UnreliableSentence(language, facts, 0));
  const std::string text = Join(language, lines);
  return text.empty()
             ? Say(language, "No variant was timed against FP32.", "没有任何方法与 FP32 做过速度对比。")
             : text;
}

// Of size and memory: the least of the choices.
std::string BytesLine(Language language, const Facts& facts, Goal goal,
                      const Result* (*bytes)(const VariantFacts&)) {
  const VariantFacts* least = nullptr;
  for (const VariantFacts* variant : ParetoSet(facts)) {
    const Result* const known = bytes(*variant);
    if (known != nullptr && (least == nullptr || known->value < bytes(*least)->value)) least = variant;
  }
  if (least == nullptr) return "";
  const std::string amount = FormatBytes(bytes(*least)->value);
  if (least->baseline) {
    return Fill(language, "FP32, $0: nothing needs less.", "FP32，$0：没有更小的方案。", amount);
  }
  const VariantFacts* const baseline = facts.baseline();
  const Result* const beside = baseline == nullptr ? nullptr : bytes(*baseline);
  return Fill(language, "$0, $1$2$3.", "$0，$1$2$3。", Named(language, *least), amount,
              beside == nullptr
                  ? ""
                  : Brackets(language, Fill(language, "FP32: $0", "FP32 为 $0", FormatBytes(beside->value))),
              ShortPrice(language, facts, *least, goal));
}

std::string AccuracyLine(Language language, const Facts& facts) {
  const VariantFacts* const baseline = facts.baseline();
  if (baseline == nullptr || !baseline->accuracy.has_value()) {
    return Say(language, "Nothing can be said about accuracy: there is no baseline result.",
               "无法判断准确率：没有基线结果。");
  }
  const Sorted sorted = SortByAccuracy(facts, *baseline);
  const std::string accuracy = FormatShare(baseline->accuracy->value);
  if (!sorted.any()) {
    return Fill(language, "FP32, $0; nothing else has a result.", "FP32，$0；其余均无结果。", accuracy);
  }
  if (!sorted.better.empty()) {
    const VariantFacts& best = *sorted.better[0];
    return Fill(language, "$0, $1: $2$3.", "$0，$1：$2$3。", Named(language, best),
                FormatShare(best.accuracy->value), ShortAccuracy(language, facts, best),
                ShortPrice(language, facts, best, Goal::kAccuracy));
  }
  return Fill(language, "FP32, $0: nothing is significantly more accurate$1.",
              "FP32，$0：没有方案显著更准确$1。", accuracy,
              sorted.equal.empty() ? ""
                                   : Fill(language, "; no significant difference was found for $0",
                                          "；与之差异不显著的有 $0", Names(language, sorted.equal)));
}

}  // namespace

std::string GoalLine(Language language, const Facts& facts, Goal goal) {
  switch (goal) {
    case Goal::kSpeed:
      return SpeedLine(language, facts);
    case Goal::kSize:
      if (facts.comparisons.empty()) return NotCompared(language, facts, Say(language, "size", "大小"));
      return BytesLine(language, facts, goal, FirstSize);
    case Goal::kMemory:
      return BytesLine(language, facts, goal, FirstPeak);
    case Goal::kAccuracy:
      break;
  }
  return AccuracyLine(language, facts);
}

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
      QuantityList(language, KnownQuantities(facts)));
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
    return Say(language, "Nothing can be said about accuracy: there is no baseline result.",
               "无法判断准确率：没有基线结果。");
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
