// What a number means: the judgements that sentences, tables and answers share.
#ifndef QUANTLAB_REPORT_FACTS_VERDICT_H_
#define QUANTLAB_REPORT_FACTS_VERDICT_H_

#include <optional>

#include "report/facts/facts.h"

namespace quantlab::report {

// What the paired test says about a variant's accuracy against the baseline's.
enum class Verdict { kUntested, kNoDifference, kWorse, kBetter, kMixed };
// baseline: null where the experiment has none.
Verdict Judge(const VariantFacts& variant, const VariantFacts* baseline);

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

// FP32 that trained longer shows what QAT owes to training; nobody asks whether to ship it.
bool IsControl(const VariantFacts& variant);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_VERDICT_H_
