// Which of a comparison's models are the same: a method may choose what another one made.
#ifndef QUANTLAB_WORKER_RUNNER_COMPARISON_SAME_MODELS_H_
#define QUANTLAB_WORKER_RUNNER_COMPARISON_SAME_MODELS_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "base/config/run_config.h"

namespace quantlab::runner {

// For each input the index of the first one that is the same model, its own where there is none before it.
// The same: weights equal byte for byte, and layers and data types between them equal in plan.json; the
// method and its parameters, which plan.json names too, may differ. Errors: those of reading
// model.safetensors and plan.json.
absl::StatusOr<std::vector<size_t>> FirstOfSameModels(const std::vector<ModelInput>& inputs);

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_COMPARISON_SAME_MODELS_H_
