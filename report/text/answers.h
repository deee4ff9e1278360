// What the sentences of the answers share: which variants answer which goal, and the clauses about one
// variant. For goal_lines.cc, answer_sentences.cc and conclusion.cc. See sentences.h for the rules.
#ifndef QUANTLAB_REPORT_TEXT_ANSWERS_H_
#define QUANTLAB_REPORT_TEXT_ANSWERS_H_

#include <string>
#include <vector>

#include "report/facts/facts.h"
#include "report/facts/language.h"
#include "report/facts/verdict.h"

namespace quantlab::report {

// ---- Clauses, each empty where nothing is known -----------------------------------------------------------

// What choosing a variant costs or gains in accuracy, with its test. baseline: may be null.
std::string AccuracyCost(Language language, const VariantFacts& variant, const VariantFacts* baseline);
// "size 19.9 MB (FP32: 90.9 MB)", of the first comparison.
std::string SizeClause(Language language, const Facts& facts, const VariantFacts& variant);
std::string MemoryClause(Language language, const Facts& facts, const VariantFacts& variant);
// "speed 0.60× at batch size 1 × 128 tokens, …", of reliable timings.
std::string SpeedClause(Language language, const Facts& facts, const VariantFacts& variant);
// What a variant has in every quantity but that of the goal: the price of choosing it.
std::string PriceSentence(Language language, const Facts& facts, const VariantFacts& variant, Goal goal);
// "Static quantization, Mixed precision".
std::string Names(Language language, const std::vector<const VariantFacts*>& variants);
// "1 × 128 tokens, 8 × 128 tokens".
std::string ShapeList(Language language, const std::vector<InputShape>& shapes);

// ---- Speed ------------------------------------------------------------------------------------------------

// Those at which a comparison has a speedup, and its timings are reliable, or are not.
std::vector<InputShape> ShapesOf(const Facts& facts, size_t comparison, bool reliable);

// Shapes at which the same variants are the fastest, the one with the highest estimate first.
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

// At the shapes that were timed reliably; the one without a variant last.
std::vector<SpeedAnswer> SpeedAnswers(const Facts& facts, size_t comparison);
// Where timings are unreliable nothing is recommended; empty where all are reliable.
std::string UnreliableSentence(Language language, const Facts& facts, size_t comparison);

// ---- Accuracy ---------------------------------------------------------------------------------------------

// Variants with an accuracy, by what the paired test says of it. Controls are in none of the first four.
struct Sorted {
  std::vector<const VariantFacts*> better;  // the most accurate first
  std::vector<const VariantFacts*> equal, worse, unclear;
  std::vector<const VariantFacts*> better_controls;

  bool any() const { return !better.empty() || !equal.empty() || !worse.empty() || !unclear.empty(); }
};

Sorted SortByAccuracy(const Facts& facts, const VariantFacts& baseline);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_TEXT_ANSWERS_H_
