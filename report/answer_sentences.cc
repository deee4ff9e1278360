// The answers: which variant to ship for speed, size and accuracy, and what it costs.
#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "report/format.h"
#include "report/sentences.h"

namespace quantlab::report {
namespace {

std::string NoSignificantCost(Language language, const VariantFacts& variant, const Result& difference) {
  const std::string points = PointsWithSpread(language, difference), test = TestOf(language, variant);
  if (!ExcludesZero(difference)) {
    return Fill(language, "accuracy changes by $0, no significant difference ($1)",
                "准确率变化 $0，无显著差异（$1）", points, test);
  }
  return Fill(
      language, "accuracy changes by $0, which the $2 does not call significant ($1)",
      "准确率变化 $0，$2未判定其显著（$1）", points, test,
      IsCorrected(variant) ? Say(language, "corrected test", "校正后的检验") : Say(language, "test", "检验"));
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

// The fastest variant of a comparison at one shape: the highest speedup that is surely above 1.
const VariantFacts* Fastest(const Facts& facts, size_t comparison, const InputShape& shape) {
  const VariantFacts* best = nullptr;
  double best_value = 0;
  for (const VariantFacts& variant : facts.variants) {
    const auto& timings = variant.measured[comparison].by_shape;
    const auto it = timings.find(shape);
    if (variant.baseline || IsControl(variant) || it == timings.end()) continue;
    if (!it->second.speedup.has_value()) continue;
    const Result& speedup = *it->second.speedup;
    if (!SurelyAbove(speedup, 1) || (best != nullptr && speedup.value <= best_value)) continue;
    best = &variant;
    best_value = speedup.value;
  }
  return best;
}

std::set<InputShape> ShapesWithSpeedup(const Facts& facts, size_t comparison) {
  std::set<InputShape> shapes;
  for (const VariantFacts& variant : facts.variants) {
    for (const auto& [shape, timing] : variant.measured[comparison].by_shape) {
      if (timing.speedup.has_value()) shapes.insert(shape);
    }
  }
  return shapes;
}

// Shapes at which one variant is the fastest, together: each becomes one sentence.
struct SpeedAnswer {
  const VariantFacts* variant;  // null: none is faster than FP32
  std::vector<InputShape> shapes;
};

std::vector<SpeedAnswer> SpeedAnswers(const Facts& facts, size_t comparison) {
  std::vector<SpeedAnswer> answers;
  for (const InputShape& shape : ShapesWithSpeedup(facts, comparison)) {
    const VariantFacts* const fastest = Fastest(facts, comparison, shape);
    auto it = std::find_if(answers.begin(), answers.end(),
                           [&](const SpeedAnswer& answer) { return answer.variant == fastest; });
    if (it == answers.end()) it = answers.insert(answers.end(), {fastest, {}});
    it->shapes.push_back(shape);
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

std::string SpeedAnswerSentence(Language language, const Facts& facts, size_t comparison,
                                const SpeedAnswer& answer) {
  const ComparisonFacts& checks = facts.comparisons[comparison];
  const bool reliable = std::all_of(answer.shapes.begin(), answer.shapes.end(),
                                    [&](const InputShape& shape) { return checks.Reliable(shape); });
  if (answer.variant == nullptr) {
    return Join(
        language,
        {Fill(language, "At batch size $0 no variant is surely faster than the best FP32 path: ship FP32.",
              "批大小为 $0时，没有方法确定快于最优 FP32 路径：建议使用 FP32。",
              ShapeList(language, answer.shapes)),
         Unreliable(language, reliable)});
  }
  std::vector<std::string> figures;
  for (const InputShape& shape : answer.shapes) {
    const Timing& timing = answer.variant->measured[comparison].by_shape.at(shape);
    figures.push_back(Fill(language, "$1 at $0", "$1（$0）", ShapeText(language, shape),
                           RatioWithSpread(language, *timing.speedup)));
  }
  return Join(language, {Fill(language, "Ship $0: its speed over the best FP32 path is $1; $2.",
                              "建议使用 $0：相对最优 FP32 路径的速度为 $1；$2。", Code(answer.variant->name),
                              absl::StrJoin(figures, Say(language, ", ", "、")),
                              AccuracyCost(language, *answer.variant, facts.baseline())),
                         Unreliable(language, reliable)});
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
  const VariantFacts* best = nullptr;
  std::vector<std::string> equal, worse, unclear;
  for (const VariantFacts& variant : facts.variants) {
    if (variant.baseline || IsControl(variant) || !variant.accuracy.has_value()) continue;
    const Verdict verdict = Judge(variant, baseline);
    if (verdict == Verdict::kBetter && (best == nullptr || variant.accuracy->value > best->accuracy->value)) {
      best = &variant;
    }
    if (verdict == Verdict::kNoDifference) equal.push_back(Code(variant.name));
    if (verdict == Verdict::kWorse) worse.push_back(Code(variant.name));
    if (verdict == Verdict::kUntested || verdict == Verdict::kMixed) unclear.push_back(Code(variant.name));
  }
  std::vector<std::string> sentences;
  if (best != nullptr) {
    sentences.push_back(Fill(language, "Ship $0: $1.", "建议使用 $0：$1。", Code(best->name),
                             AccuracyCost(language, *best, baseline)));
  } else {
    sentences.push_back(
        Fill(language, "FP32 ($0) is not beaten significantly by any variant: $1.",
             "没有方法显著优于 FP32（$0）：准确率 $1。", Code(baseline->name),
             absl::StrCat(FormatShare(baseline->accuracy->value),
                          Brackets(language, SpreadOf(language, *baseline->accuracy, FormatShare)))));
  }
  const char* const comma = Say(language, ", ", "、");
  if (!equal.empty()) {
    sentences.push_back(Fill(language, "No significant difference from it was found for $0.",
                             "与基线无显著差异：$0。", absl::StrJoin(equal, comma)));
  }
  if (!worse.empty()) {
    sentences.push_back(
        Fill(language, "Significantly worse: $0.", "显著更差：$0。", absl::StrJoin(worse, comma)));
  }
  if (!unclear.empty()) {
    sentences.push_back(Fill(language, "Not settled by a paired test: $0.", "配对检验未能定论：$0。",
                             absl::StrJoin(unclear, comma)));
  }
  return Join(language, sentences);
}

}  // namespace quantlab::report
