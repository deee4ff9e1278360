// How Facts is put together from the metrics of an experiment. For facts.cc alone.
#ifndef QUANTLAB_REPORT_FACTS_COLLECT_H_
#define QUANTLAB_REPORT_FACTS_COLLECT_H_

#include <vector>

#include "report/facts/facts.h"
#include "report/facts/metric_pool.h"

namespace quantlab::report {

// ---- collect_variants.cc ---------------------------------------------------------------------------------

// Variants with their runs by seed, the baseline first, then in the order of methods; equal models marked.
std::vector<VariantFacts> CollectVariants(const ReportData& data);

// ---- collect_quality.cc ----------------------------------------------------------------------------------

// The qualities of the task on the test split: accuracy, precision, recall and F1, or correlations.
void CollectQuality(MetricPool& pool, VariantFacts& variant);
// The differences from the baseline and the agreement with it.
void CollectPaired(MetricPool& pool, const Facts& facts, VariantFacts& variant);
// What a regression predicts for texts with neighbouring labels.
void CollectLabelGroups(MetricPool& pool, VariantFacts& variant);
void CollectFlips(MetricPool& pool, VariantFacts& variant);

// ---- collect_tests.cc ------------------------------------------------------------------------------------

// McNemar's tests against the baseline, with Holm's correction over the variants of each seed.
void CollectPairedTests(MetricPool& pool, Facts& facts);

// Whether each variant is shown to lose less than its margin, from its counted answers, corrected after Holm
// for the variants of its seed. After CollectFlips and CollectPaired.
void CollectMarginTests(MetricPool& pool, Facts& facts);
// The same between variants. Comes before what takes the numbers of a variant, which would take these for
// comparisons with the baseline.
void CollectPairs(MetricPool& pool, Facts& facts);

// ---- collect_layers.cc -----------------------------------------------------------------------------------

// What mixed precision measured of each layer, and the front that it chose from.
void CollectSensitivity(MetricPool& pool, VariantFacts& variant);
void CollectFront(MetricPool& pool, VariantFacts& variant);
// Outliers of the layers' inputs.
void CollectInputPeaks(MetricPool& pool, VariantFacts& variant);

// ---- collect_comparison.cc -------------------------------------------------------------------------------

// The A/A checks of a comparison.
ComparisonFacts CollectComparison(MetricPool& pool, const RunReport& run);
// Times, sizes and memory of a variant in one comparison.
Measured CollectMeasured(MetricPool& pool, const RunReport* comparison, const VariantFacts& variant);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_COLLECT_H_
