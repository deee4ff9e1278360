// Whether two models' outputs differ in how they correlate with the labels, on the same texts.
#ifndef QUANTLAB_WORKER_ENGINE_MEASURE_PAIRED_BOOTSTRAP_H_
#define QUANTLAB_WORKER_ENGINE_MEASURE_PAIRED_BOOTSTRAP_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/engine/measure/statistics.h"

namespace quantlab::statistics {

struct PairedCorrelations {
  double difference = 0;  // Pearson's correlation of the second model less that of the first
  Interval interval;      // of 95 %, of the difference
  double p_value = 1;     // two-sided, of no difference
  // One-sided, of "the second model's correlation is lower by `margin` or more".
  double non_inferiority_p = 1;
};

// labels, first, second: one number for each text; margin: at least 0. The interval and the p-values are
// those of the percentile bootstrap over texts, in which both models' outputs stay together with the label:
// the same values and seed give the same result on every platform. p-values are at least 1 / (resamples + 1).
// Takes O(texts * resamples) time; there are fewer resamples of many texts. Source: Efron & Tibshirani 1993,
// chapters 13 and 15; Davison & Hinkley 1997, section 4.2 (the added one). Errors: INVALID_ARGUMENT lists of
// different lengths, or empty ones.
absl::StatusOr<PairedCorrelations> CompareCorrelations(const std::vector<double>& labels,
                                                       const std::vector<double>& first,
                                                       const std::vector<double>& second, double margin,
                                                       uint64_t seed);

// Resamples of that many texts.
int BootstrapResamples(int64_t texts);

}  // namespace quantlab::statistics

#endif  // QUANTLAB_WORKER_ENGINE_MEASURE_PAIRED_BOOTSTRAP_H_
