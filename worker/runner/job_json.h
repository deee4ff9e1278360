// job.json: the JSON mapping of quantlab.v1.Job, read without protobuf (which cannot be linked with
// LibTorch). Golden files test this reader against protobuf's.
#ifndef QUANTLAB_WORKER_RUNNER_JOB_JSON_H_
#define QUANTLAB_WORKER_RUNNER_JOB_JSON_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/config/run_config.h"

namespace quantlab::runner {

// Fields that are absent are zero, as in protobuf, not the defaults of base/config/run_config.h: a job is
// complete. Nothing else is checked (see CheckJob).
// Errors: INVALID_ARGUMENT names the field by its path: "config.dataset.maxLength must be …".
absl::StatusOr<Job> ParseJob(absl::string_view json);

// Whether a runner can execute the job: a known version and kind, absolute folders, sizes within bounds, a
// known method with its version and parameters.
// Errors: INVALID_ARGUMENT names the field, its value and what is allowed.
absl::Status CheckJob(const Job& job);

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_JOB_JSON_H_
