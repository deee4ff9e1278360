// Every sentence of a report that states a number or an outcome. Each is generated from the number, with
// its interval, and says "no significant difference" where the test says so.
//
// Pure functions; Markdown out; names and messages from outside are escaped here. Chinese sentences end
// in "。", English ones in ".". None begins or ends with a space.
#ifndef QUANTLAB_REPORT_TEXT_SENTENCES_H_
#define QUANTLAB_REPORT_TEXT_SENTENCES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "report/facts/facts.h"
#include "report/facts/language.h"
#include "report/facts/phrases.h"
#include "report/facts/verdict.h"

namespace quantlab::report {

// "X gets 91.20% of 1,000 test texts right (95% interval …)."
std::string AccuracySentence(Language language, const VariantFacts& variant);
// Against the baseline: worse, better, no significant difference, or why nothing can be said.
// baseline: null where the experiment has none.
std::string DifferenceSentence(Language language, const VariantFacts& variant, const VariantFacts* baseline);
// At one shape; unreliable timings say so.
std::string SpeedSentence(Language language, const InputShape& shape, const Timing& timing, bool reliable);
std::string SizeSentence(Language language, const Measured& measured, bool baseline);
std::string MemorySentence(Language language, const Measured& measured);
// How much of the linear layers' work ran in which precision, and what fell back and why.
std::string PrecisionSentence(Language language, const std::vector<Layer>& layers);
// How a run ended that did not succeed, with its message; empty for one that succeeded.
std::string EndSentence(Language language, const RunReport& run);
// Why there is no speed, size or memory in this experiment; empty where there is.
std::string NoComparisonSentence(Language language, const Facts& facts);
// Whose models speed, size and memory are of, where there are several seeds; else empty.
std::string FirstSeedSentence(Language language, const Facts& facts);
// What the speedup is, and what its interval covers: the processes that the A/A checks say measured it.
// `cite`: of the bootstrap.
std::string SpeedIntervalSentence(Language language, const ComparisonFacts& comparison,
                                  const std::string& cite);
// Whether the A/A check of a comparison held.
std::string AaSentence(Language language, const ComparisonFacts& comparison);

// The variants that are worth choosing among, and what outdoes each of the others; empty for fewer than two.
std::string ChoiceSentence(Language language, const Facts& facts);
// The answer in one line for each goal: what, how much, and at what price.
std::string GoalLine(Language language, const Facts& facts, Goal goal);
// The answer with its proof: what to ship for speed, size and accuracy, and what it costs in every other
// quantity. Unreliable timings recommend nothing.
std::string ShipForSpeed(Language language, const Facts& facts);
std::string ShipForSize(Language language, const Facts& facts);
std::string ShipForAccuracy(Language language, const Facts& facts);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_TEXT_SENTENCES_H_
