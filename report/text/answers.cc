#include "report/text/answers.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "report/facts/format.h"
#include "report/facts/names.h"
#include "report/facts/phrases.h"
#include "report/facts/quality.h"

namespace quantlab::report {
namespace {

std::string NoSignificantCost(Language language, const VariantFacts& variant, const Result& difference) {
  const std::string points = DifferenceWithSpread(language, *variant.task, difference),
                    test = TestOf(language, variant);
  if (!ExcludesZero(difference)) {
    return Fill(language, "$2 changes by $0, no significant difference ($1)", "$2变化 $0，无显著差异（$1）",
                points, test, QualityName(language, *variant.task));
  }
  return Fill(language, "$3 changes by $0, which the $2 does not call significant ($1)",
              "$3变化 $0，$2未判定其显著（$1）", points, test,
              IsCorrected(variant.holm_p) ? Say(language, "corrected test", "校正后的检验")
                                          : Say(language, "test", "检验"),
              QualityName(language, *variant.task));
}

// "size 19.9 MB (FP32: 90.9 MB)"; `measured` and `baseline` may be null.
std::string BytesClause(Language language, const Text& what, const Result* measured, const Result* baseline) {
  if (measured == nullptr) return "";
  const std::string beside =
      baseline == nullptr ? "" : Fill(language, "FP32: $0", "FP32 为 $0", FormatBytes(baseline->value));
  return absl::StrCat(what.In(language), " ", FormatBytes(measured->value), Brackets(language, beside));
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

void AddShape(SpeedAnswer& answer, const std::vector<const VariantFacts*>& fastest, const InputShape& shape) {
  answer.shapes.push_back(shape);
  if (fastest.size() < 2) return;
  auto it = std::find_if(answer.ties.begin(), answer.ties.end(),
                         [&](const Tie& tie) { return tie.fastest == fastest; });
  if (it == answer.ties.end()) it = answer.ties.insert(answer.ties.end(), {fastest, {}});
  it->shapes.push_back(shape);
}

}  // namespace

std::string AccuracyCost(Language language, const VariantFacts& variant, const VariantFacts* baseline) {
  const std::string quality = QualityName(language, *variant.task);
  const auto difference = DifferenceOf(variant, baseline);
  if (!difference.has_value()) {
    return Fill(language, "its $0 was not compared with the baseline's", "未测得其相对基线的$0", quality);
  }
  const std::string points = DifferenceWithSpread(language, *variant.task, *difference);
  switch (Judge(variant, baseline)) {
    case Verdict::kNoDifference:
      return NoSignificantCost(language, variant, *difference);
    case Verdict::kWorse:
      return Fill(language, "$2 changes by $0, a significant loss ($1)", "$2变化 $0，显著下降（$1）", points,
                  TestOf(language, variant), quality);
    case Verdict::kBetter:
      return Fill(language, "$2 changes by $0, a significant gain ($1)", "$2变化 $0，显著上升（$1）", points,
                  TestOf(language, variant), quality);
    case Verdict::kMixed:
      return Fill(language, "$2 changes by $0, $1", "$2变化 $0，$1", points, TestOf(language, variant),
                  quality);
    case Verdict::kUntested:
      break;
  }
  return Fill(language, "$1 changes by $0, without a paired test", "$1变化 $0，未做配对检验", points,
              quality);
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

std::string SpeedClause(Language language, const Facts& facts, const VariantFacts& variant) {
  std::vector<std::string> figures;
  for (const InputShape& shape : ShapesOf(facts, 0, true)) {
    const Result* const speedup = SpeedupOf(variant, 0, shape);
    if (speedup == nullptr) continue;
    figures.push_back(Fill(language, "$1 at $0", "$1（$0）", ShapeText(language, shape),
                           SpeedupFormat(*speedup)(speedup->value)));
  }
  if (!figures.empty()) {
    return Fill(language, "speed $0", "速度 $0", absl::StrJoin(figures, Say(language, ", ", "、")));
  }
  return ShapesOf(facts, 0, false).empty()
             ? ""
             : Say(language, "speed unknown, since no timing is reliable", "速度未知（时间数据均不可靠）");
}

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

}  // namespace quantlab::report
