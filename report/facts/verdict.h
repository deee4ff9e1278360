// Interprets numbers: the verdicts that sentences, tables and answers share.
#ifndef QUANTLAB_REPORT_FACTS_VERDICT_H_
#define QUANTLAB_REPORT_FACTS_VERDICT_H_

#include <cstddef>
#include <optional>
#include <tuple>
#include <vector>

#include "report/facts/facts.h"

namespace quantlab::report {

// The result of the paired test of a variant's accuracy relative to the baseline's.
enum class Verdict { kUntested, kNoDifference, kWorse, kBetter, kMixed };
// baseline: null if the experiment has none.
Verdict Judge(const VariantFacts& variant, const VariantFacts* baseline);

// Whether the test between two variants, corrected for the number of pairs, finds a difference.
bool IsSignificant(const PairFacts& pair);

// By its interval, or by two standard deviations over seeds.
bool SurelyAbove(const Result& ratio, double bound);
bool SurelyBelow(const Result& ratio, double bound);
// Whether these intervals of two numbers overlap; a number without an interval is a single point.
bool Overlap(const Result& a, const Result& b);

// Whether its interval excludes 0. A test may still find no significant difference: it is not the test of the
// interval, and it may be corrected for the number of variants.
bool ExcludesZero(const Result& difference);

// The difference in accuracy: paired if that was measured, or else of the mean accuracies.
std::optional<Result> DifferenceOf(const VariantFacts& variant, const VariantFacts* baseline);

// The quantities by which variants are compared for a choice, on the first comparison's machine.
struct Quantities {
  bool accuracy = false, speed = false, size = false, memory = false;  // whether any variant has it
};
Quantities KnownQuantities(const Facts& facts);

// A model's peak memory in the first comparison; null if it was not measured. FirstSize: the size of its
// files.
const Result* FirstPeak(const VariantFacts& variant);
const Result* FirstSize(const VariantFacts& variant);

// Whether a variant can be chosen: it has measurements, is no control, and no earlier variant has the same
// model.
bool IsCandidate(const VariantFacts& variant);

// Whether `one` is at least as good as `other` in every quantity and better in one, by the measured values:
// accuracy, speed at each shape that was timed reliably in the first comparison, size, and peak memory. A
// missing value counts as the worst.
bool Dominates(const Facts& facts, const VariantFacts& one, const VariantFacts& other);

// The candidates that no other candidate dominates, in the order of the facts. Only these are recommended.
std::vector<const VariantFacts*> ParetoSet(const Facts& facts);

// The shape that represents speed in one number: the smallest batch that the first comparison timed, and the
// longest texts with that batch size. Batch size 0: nothing was timed.
InputShape HeadlineShape(const Facts& facts);

// The goal of a choice.
enum class Goal { kSpeed, kSize, kMemory, kAccuracy };

// Orders variants that are equally good for a goal; the lowest rank is preferred: first the Pareto set (`set`
// is ParetoSet(facts)), then by accuracy (without a significant loss, and of these first those shown to stay
// within the margin), then the earlier method, which is the simpler one. Estimates are
// not used, since which of several overlapping ones is highest is a matter of chance.
std::tuple<bool, int, std::ptrdiff_t> PreferenceRank(const Facts& facts,
                                                     const std::vector<const VariantFacts*>& set,
                                                     const VariantFacts& variant);

// An FP32 model that trained longer shows how much of QAT's effect is due to training; it is not a candidate.
bool IsControl(const VariantFacts& variant);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_VERDICT_H_
