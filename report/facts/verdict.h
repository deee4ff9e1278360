// What a number means: the judgements that sentences, tables and answers share.
#ifndef QUANTLAB_REPORT_FACTS_VERDICT_H_
#define QUANTLAB_REPORT_FACTS_VERDICT_H_

#include <cstddef>
#include <optional>
#include <tuple>
#include <vector>

#include "report/facts/facts.h"

namespace quantlab::report {

// What the paired test says about a variant's accuracy against the baseline's.
enum class Verdict { kUntested, kNoDifference, kWorse, kBetter, kMixed };
// baseline: null where the experiment has none.
Verdict Judge(const VariantFacts& variant, const VariantFacts* baseline);

// Whether the test of one variant against another, corrected for the number of pairs, calls them different.
bool IsSignificant(const PairFacts& pair);

// By its interval, or by two standard deviations over seeds.
bool SurelyAbove(const Result& ratio, double bound);
bool SurelyBelow(const Result& ratio, double bound);
// Whether the same spans of two numbers have anything in common; a number without one is its own.
bool Overlap(const Result& a, const Result& b);

// Whether its interval lies on one side of 0. A test may still not call the difference significant: it is
// another test than the interval's, and it may be corrected for the number of variants.
bool ExcludesZero(const Result& difference);

// Of accuracy, paired where that was measured; else of the mean accuracies.
std::optional<Result> DifferenceOf(const VariantFacts& variant, const VariantFacts* baseline);

// What variants are compared by when one is chosen, on the first comparison's machine.
struct Quantities {
  bool accuracy = false, speed = false, size = false, memory = false;  // whether any variant has it
};
Quantities KnownQuantities(const Facts& facts);

// Of a model's peak memory in the first comparison; null where it was not measured. FirstSize: of its files.
const Result* FirstPeak(const VariantFacts& variant);
const Result* FirstSize(const VariantFacts& variant);

// Whether a variant is one to choose: something was measured of it, it is no control, and no variant before
// it has the same model.
bool IsCandidate(const VariantFacts& variant);

// Whether `one` is at least as good as `other` in every quantity and better in one, by the measured values:
// accuracy, speed at each shape that was timed reliably in the first comparison, size, and peak memory. What
// was not measured counts as the worst.
bool Dominates(const Facts& facts, const VariantFacts& one, const VariantFacts& other);

// The candidates that no other candidate dominates, in the order of the facts. Only these are recommended.
std::vector<const VariantFacts*> ParetoSet(const Facts& facts);

// What one number for speed means: the smallest batch that the first comparison timed, and of those with that
// batch size the longest texts. Batch size 0: nothing was timed.
InputShape HeadlineShape(const Facts& facts);

// What a variant is chosen for.
enum class Goal { kSpeed, kSize, kMemory, kAccuracy };

// Orders variants that are equally good for a goal; the least is preferred: one of the Pareto set (`set` is
// ParetoSet(facts)), then by accuracy, then the method that comes first, which is the simpler one. The
// highest of several overlapping estimates is highest by chance.
std::tuple<bool, int, std::ptrdiff_t> PreferenceRank(const Facts& facts,
                                                     const std::vector<const VariantFacts*>& set,
                                                     const VariantFacts& variant);

// FP32 that trained longer shows what QAT owes to training; nobody asks whether to ship it.
bool IsControl(const VariantFacts& variant);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_VERDICT_H_
