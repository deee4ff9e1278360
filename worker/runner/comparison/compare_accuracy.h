// Compares variants on the same texts, from the predictions that each run saved beside its model.
#ifndef QUANTLAB_WORKER_RUNNER_COMPARISON_COMPARE_ACCURACY_H_
#define QUANTLAB_WORKER_RUNNER_COMPARISON_COMPARE_ACCURACY_H_

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "worker/runner/attempt.h"

namespace quantlab::runner {

// With more variants than this, pairs of variants are not tested.
inline constexpr size_t kMaxPairedVariants = 16;

// Records, of the job's inputs (the baseline first): TaskSpec::p_holm and non_inferiority_p_holm of each
// variant against the baseline, corrected for the number of variants, and TaskSpec::difference and
// TaskSpec::p_value of every pair of variants, labelled variant and against. Inputs without predictions, or
// with predictions on other texts, are left out and logged. `first_of_same`: of FirstOfSameModels; the same
// model again is no further test. Errors: INVALID_ARGUMENT a damaged file.
absl::Status CompareAccuracy(Attempt& attempt, const std::vector<size_t>& first_of_same);

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_COMPARISON_COMPARE_ACCURACY_H_
