// The answers: which variant to ship for speed, size and accuracy, and what it costs.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "report/facts/format.h"
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

// What choosing a variant costs or gains in accuracy, as a clause after "; ".
std::string AccuracyCost(Language language, const VariantFacts& variant, const VariantFacts* baseline) {
  const auto difference = DifferenceOf(variant, baseline);
  if (!difference.has_value()) {
    return Say(language, "its accuracy against the baseline was not measured", "未测得其相对基线的准确率");
  }
  const std::string points = PointsWithSpread(language, *difference);
  switch (Judge(variant, baseline)) {
    case Verdict::kNoDifference:
      return NoSignificantCost(language, variant, *difference);
    case Verdict::kWorse:
      return Fill(language, "it costs accuracy: $0, a significant loss ($1)",
                  "代价是准确率变化 $0，显著下降（$1）", points, TestOf(language, variant));
    case Verdict::kBetter:
      return Fill(language, "accuracy even rises by $0, significantly ($1)",
                  "准确率反而变化 $0，显著上升（$1）", points, TestOf(language, variant));
    case Verdict::kMixed:
      return Fill(language, "accuracy changes by $0, $1", "准确率变化 $0，$1", points,
                  TestOf(language, variant));
    case Verdict::kUntested:
      break;
  }
  return Fill(language, "accuracy changes by $0, without a paired test", "准确率变化 $0，未做配对检验",
              points);
}

// Variants that are surely faster than FP32 at one shape and not distinguishable from the fastest of them,
// which comes first; the others in the order of methods. Empty where none is surely faster.
std::vector<const VariantFacts*> Fastest(const Facts& facts, size_t comparison, const InputShape& shape) {
  std::vector<const VariantFacts*> faster;
  for (const VariantFacts& variant : facts.variants) {
    const Result* const speedup = SpeedupOf(variant, comparison, shape);
    if (variant.baseline || IsControl(variant) || speedup == nullptr) continue;
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

// How much stands against a variant for its accuracy: least first.
int AccuracyRank(const VariantFacts& variant, const VariantFacts* baseline) {
  switch (Judge(variant, baseline)) {
    case Verdict::kBetter:
    case Verdict::kNoDifference:
      return 0;
    case Verdict::kMixed:
    case Verdict::kUntested:
      return 1;
    case Verdict::kWorse:
      break;
  }
  return 2;
}

// Of variants equally fast: by accuracy, then the method that comes first, which is the simpler one. The
// highest of several overlapping figures is highest by chance.
const VariantFacts* Preferred(const Facts& facts, const std::vector<const VariantFacts*>& fastest) {
  if (fastest.empty()) return nullptr;
  return *std::min_element(fastest.begin(), fastest.end(), [&](const VariantFacts* a, const VariantFacts* b) {
    // Facts hold variants in the order of methods.
    return std::pair(AccuracyRank(*a, facts.baseline()), a - facts.variants.data()) <
           std::pair(AccuracyRank(*b, facts.baseline()), b - facts.variants.data());
  });
}

// Shapes at which the same variants are the fastest.
struct Tie {
  std::vector<const VariantFacts*> fastest;
  std::vector<InputShape> shapes;
};

// Shapes at which one variant is recommended, and timed as reliably, together: each becomes one sentence.
struct SpeedAnswer {
  const VariantFacts* variant;  // null: none is faster than FP32
  bool reliable;
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

std::vector<SpeedAnswer> SpeedAnswers(const Facts& facts, size_t comparison) {
  std::vector<SpeedAnswer> answers;
  for (const InputShape& shape : facts.ShapesWithSpeedup(comparison)) {
    const std::vector<const VariantFacts*> fastest = Fastest(facts, comparison, shape);
    const VariantFacts* const preferred = Preferred(facts, fastest);
    const bool reliable = facts.comparisons[comparison].Reliable(shape);
    auto it = std::find_if(answers.begin(), answers.end(), [&](const SpeedAnswer& answer) {
      return answer.variant == preferred && answer.reliable == reliable;
    });
    if (it == answers.end()) it = answers.insert(answers.end(), {preferred, reliable, {}, {}});
    AddShape(*it, fastest, shape);
  }
  std::stable_partition(answers.begin(), answers.end(),
                        [](const SpeedAnswer& answer) { return answer.variant != nullptr; });
  return answers;
}

std::string ShapeList(Language language, const std::vector<InputShape>& shapes) {
  return absl::StrJoin(shapes, Say(language, ", ", "、"), [&](std::string* out, const InputShape& shape) {
    absl::StrAppend(out, ShapeValue(language, shape));
  });
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
  for (size_t i = 1; i < tie.fastest.size(); ++i) others.push_back(Code(tie.fastest[i]->name));
  const std::string names = absl::StrJoin(others, Say(language, ", ", "、"));
  if (tie.fastest[0] != answer.variant) {
    return Fill(
        language,
        "The highest estimate is that of $0, $1, from which these are not distinguishable in speed, since "
        "their intervals overlap: $2.",
        "估计值最高的是 $0：$1；置信区间与之重叠、速度上无法与其区分的有：$2。", Code(tie.fastest[0]->name),
        SpeedFigures(language, *tie.fastest[0], comparison, tie.shapes), names);
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
    return Join(
        language,
        {Fill(language, "At batch size $0 no variant is surely faster than the best FP32 path: ship FP32.",
              "批大小为 $0时，没有方法确定快于最优 FP32 路径：建议使用 FP32。",
              ShapeList(language, answer.shapes)),
         Unreliable(language, answer.reliable)});
  }
  std::vector<std::string> sentences = {
      Fill(language, "Ship $0: its speed over the best FP32 path is $1; $2.",
           "建议使用 $0：相对最优 FP32 路径的速度为 $1；$2。", Code(answer.variant->name),
           SpeedFigures(language, *answer.variant, comparison, answer.shapes),
           AccuracyCost(language, *answer.variant, facts.baseline()))};
  for (const Tie& tie : answer.ties) sentences.push_back(TieSentence(language, comparison, answer, tie));
  if (!answer.ties.empty()) {
    sentences.push_back(
        Say(language,
            "Among variants equally fast, those without a significant loss of accuracy go first, "
            "then the simpler method.",
            "速度相当的方案中，优先选择准确率无显著下降者，其次选择较简单的方法。"));
  }
  sentences.push_back(Unreliable(language, answer.reliable));
  return Join(language, sentences);
}

const VariantFacts* Smallest(const Facts& facts, size_t comparison) {
  const VariantFacts* best = nullptr;
  for (const VariantFacts& variant : facts.variants) {
    const auto& size = variant.measured[comparison].size;
    if (!size.has_value() || IsControl(variant)) continue;
    if (best == nullptr || size->value < best->measured[comparison].size->value) best = &variant;
  }
  return best;
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
    if (variant.baseline || !variant.accuracy.has_value()) continue;
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
  std::stable_sort(
      sorted.better.begin(), sorted.better.end(),
      [](const VariantFacts* a, const VariantFacts* b) { return a->accuracy->value > b->accuracy->value; });
  return sorted;
}

std::string Names(Language language, const std::vector<const VariantFacts*>& variants) {
  return absl::StrJoin(variants, Say(language, ", ", "、"),
                       [](std::string* out, const VariantFacts* variant) { *out += Code(variant->name); });
}

// What to ship for accuracy, of variants and the baseline.
std::string AccuracyAnswer(Language language, const Sorted& sorted, const VariantFacts& baseline) {
  const std::string accuracy =
      absl::StrCat(FormatShare(baseline.accuracy->value),
                   Brackets(language, SpreadOf(language, *baseline.accuracy, FormatShare)));
  if (!sorted.any()) {
    return Fill(language, "No quantized variant has a result to set against FP32 ($0), whose accuracy is $1.",
                "没有量化方案的结果可与 FP32（$0）比较，后者准确率为 $1。", Code(baseline.name), accuracy);
  }
  if (sorted.better.empty()) {
    return Fill(language, "No quantized variant is significantly more accurate than FP32 ($0): $1.",
                "没有量化方案显著优于 FP32（$0）：准确率 $1。", Code(baseline.name), accuracy);
  }
  return Fill(language, "Ship $0: $1.", "建议使用 $0：$1。", Code(sorted.better[0]->name),
              AccuracyCost(language, *sorted.better[0], &baseline));
}

std::string BetterControlSentence(Language language, const VariantFacts& control,
                                  const VariantFacts& baseline) {
  return Fill(
      language,
      "The control $0, FP32 trained longer, is significantly more accurate than the baseline: $1, $2; "
      "more training, not quantization, would gain that.",
      "对照组 $0（继续训练的 FP32）显著优于基线：$1，$2；这一提升来自更多训练，而非量化。",
      Code(control.name), PointsWithSpread(language, *DifferenceOf(control, &baseline)),
      TestOf(language, control));
}

}  // namespace

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
  }
  if (sentences.empty()) {
    return Say(language, "No variant was timed against FP32.", "没有任何方法与 FP32 做过速度对比。");
  }
  return Join(language, sentences);
}

std::string ShipForSize(Language language, const Facts& facts) {
  if (facts.comparisons.empty()) {
    return NotCompared(language, facts, Say(language, "size", "大小"));
  }
  const VariantFacts* const smallest = Smallest(facts, 0);
  if (smallest == nullptr) return Say(language, "No model size was measured.", "未测得模型大小。");
  const Measured& measured = smallest->measured[0];
  if (smallest->baseline) {
    return Fill(language, "Ship FP32 ($0): no variant is smaller.", "建议使用 FP32（$0）：没有更小的方法。",
                FormatBytes(measured.size->value));
  }
  const std::string ratio = measured.ratio.has_value()
                                ? Fill(language, ", the baseline being $0 that size", "，压缩比 $0",
                                       FormatRatio(measured.ratio->value))
                                : "";
  return Fill(language, "Ship $0: $1$2; $3.", "建议使用 $0：$1$2；$3。", Code(smallest->name),
              FormatBytes(measured.size->value), ratio, AccuracyCost(language, *smallest, facts.baseline()));
}

std::string ShipForAccuracy(Language language, const Facts& facts) {
  const VariantFacts* const baseline = facts.baseline();
  if (baseline == nullptr || !baseline->accuracy.has_value()) {
    return Say(language, "Nothing can be said about accuracy: there is no baseline result.",
               "无法判断准确率：没有基线结果。");
  }
  const Sorted sorted = SortByAccuracy(facts, *baseline);
  std::vector<std::string> sentences = {AccuracyAnswer(language, sorted, *baseline)};
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
