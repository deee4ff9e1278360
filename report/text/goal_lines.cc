// The answer in one line for each goal.
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

// "accuracy -0.60 points, no significant difference"; empty for the baseline.
std::string ShortAccuracy(Language language, const Facts& facts, const VariantFacts& variant) {
  if (variant.baseline) return "";
  const auto difference = DifferenceOf(variant, facts.baseline());
  const std::string quality = QualityName(language, *variant.task);
  if (!difference.has_value()) return Fill(language, "$0 unknown", "$0未知", quality);
  const std::string points = FormatDifference(*variant.task, difference->value, language);
  switch (Judge(variant, facts.baseline())) {
    case Verdict::kNoDifference:
      return Fill(language, "$1 $0 (no significant difference)", "$1 $0（差异不显著）", points, quality);
    case Verdict::kWorse:
      return Fill(language, "$1 $0 (a significant loss)", "$1 $0（显著下降）", points, quality);
    case Verdict::kBetter:
      return Fill(language, "$1 $0 (a significant gain)", "$1 $0（显著上升）", points, quality);
    case Verdict::kMixed:
      return Fill(language, "$3 $0 (significant in $1 of $2 seeds)", "$3 $0（$2 个随机种子中 $1 个显著）",
                  points, variant.significant_seeds, variant.p_value->seeds, quality);
    case Verdict::kUntested:
      break;
  }
  return Fill(language, "$1 $0 (not tested)", "$1 $0（未检验）", points, quality);
}

// "; with accuracy …, size …, peak memory …": the price of a choice in what it was not chosen for.
std::string ShortPrice(Language language, const Facts& facts, const VariantFacts& variant, Goal goal) {
  std::vector<std::string> clauses;
  if (goal != Goal::kAccuracy) clauses.push_back(ShortAccuracy(language, facts, variant));
  const InputShape shape = HeadlineShape(facts);
  if (goal != Goal::kSpeed && !facts.comparisons.empty() && facts.comparisons[0].Reliable(shape)) {
    if (const Result* const speed = SpeedupOf(variant, 0, shape)) {
      clauses.push_back(Fill(language, "speed $0 at $1", "速度 $0（$1）", SpeedupFormat(*speed)(speed->value),
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
    return Fill(language, "Nothing can be said about $0: there is no baseline result.",
                "无法判断$0：没有基线结果。", QualityName(language, facts.task()));
  }
  const Sorted sorted = SortByAccuracy(facts, *baseline);
  const TaskSpec& task = facts.task();
  const std::string accuracy = QualityFormat(task)(baseline->accuracy->value);
  if (!sorted.any()) {
    return Fill(language, "FP32, $0; nothing else has a result.", "FP32，$0；其余均无结果。", accuracy);
  }
  if (!sorted.better.empty()) {
    const VariantFacts& best = *sorted.better[0];
    return Fill(language, "$0, $1: $2$3.", "$0，$1：$2$3。", Named(language, best),
                QualityFormat(task)(best.accuracy->value), ShortAccuracy(language, facts, best),
                ShortPrice(language, facts, best, Goal::kAccuracy));
  }
  return Fill(language, "FP32, $0: nothing is significantly $2$1.", "FP32，$0：没有方案显著$2$1。", accuracy,
              sorted.equal.empty() ? ""
                                   : Fill(language, "; no significant difference was found for $0",
                                          "；与之差异不显著的有 $0", Names(language, sorted.equal)),
              Better(language, task));
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

}  // namespace quantlab::report
