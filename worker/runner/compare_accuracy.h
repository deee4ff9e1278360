// Variants against each other on the same texts, from the answers that each run saved beside its model.
#ifndef QUANTLAB_WORKER_RUNNER_COMPARE_ACCURACY_H_
#define QUANTLAB_WORKER_RUNNER_COMPARE_ACCURACY_H_

#include "absl/status/status.h"
#include "worker/runner/attempt.h"

namespace quantlab::runner {

// More pairs than those of so many variants are not tested one by one.
inline constexpr size_t kMaxPairedVariants = 16;

// Records, of the job's inputs (the baseline first): mcnemar_p_holm of each variant against the baseline,
// corrected for the number of variants, and accuracy_difference and mcnemar_p_value of every pair of
// variants, labelled variant and against. Inputs without answers, or with answers to other texts, are left
// out, and the log says so. Errors: INVALID_ARGUMENT a damaged file.
absl::Status CompareAccuracy(Attempt& attempt);

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_COMPARE_ACCURACY_H_
