// The runtimes that a comparison times models in besides this engine: which are there, which models they
// compute, and whether those are the models that were measured.
#ifndef QUANTLAB_WORKER_RUNNER_COMPARISON_COMPARED_RUNTIMES_H_
#define QUANTLAB_WORKER_RUNNER_COMPARISON_COMPARED_RUNTIMES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtimes/agreement.h"
#include "runtimes/runtime_process.h"
#include "worker/runner/attempt.h"
#include "worker/runner/comparison/runtime_plan.h"

namespace quantlab::runner {

struct ComparedRuntime {
  struct Model {
    size_t input = 0;            // index of Job::inputs
    std::string folder, format;  // of the exported model
    runtimes::Agreement agreement;
  };
  std::string name;
  std::vector<std::string> argv;
  runtimes::RuntimeIdentity identity;
  std::vector<Model> models;  // of one runtime at least one
};

// Exports the models for each runtime of RuntimesOf(config) and computes the export's built-in texts
// there and here. A runtime that is absent, and a model that a runtime lacks, cannot run or computes
// differently, is left out with a caveat that says why and what to do. Records runtime_logit_difference.
//
// `folder` gets the programs and the exported models; it is created. The same model again (`first_of_same`:
// of FirstOfSameModels) is exported once. Errors: CANCELLED; those of reading the saved models.
absl::StatusOr<std::vector<ComparedRuntime>> PrepareRuntimes(Attempt& attempt,
                                                             const std::vector<size_t>& first_of_same,
                                                             const std::string& folder);

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_COMPARISON_COMPARED_RUNTIMES_H_
