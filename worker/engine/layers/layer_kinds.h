// The list of all kinds of linear layers in saved models: the name in plan.json, the options there, and how
// to make the layer from the tensors of the file. To add a kind, add an entry here and a class derived from
// Linear.
#ifndef QUANTLAB_WORKER_ENGINE_LAYERS_LAYER_KINDS_H_
#define QUANTLAB_WORKER_ENGINE_LAYERS_LAYER_KINDS_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/config/method_spec.h"
#include "worker/engine/layers/layer_plan.h"
#include "worker/engine/layers/linear.h"
#include "worker/engine/tensors/weights.h"

namespace quantlab::engine {

struct LayerKind {
  std::string name;  // that of Linear::kind() of its class
  // In the order of plan.json. All of them must be in the file; defaults are not used.
  std::vector<ParamSpec> options;
  // Errors: INVALID_ARGUMENT / NOT_FOUND name the tensor and what is wrong with it.
  std::function<absl::StatusOr<std::unique_ptr<Linear>>(const LayerPlan& layer, Weights& weights)> load;
};

const std::vector<LayerKind>& AllLayerKinds();

// nullptr when there is none of that name.
const LayerKind* FindLayerKind(const std::string& name);

// The name in the file of the tensor that plays `role` in `layer`.
// Errors: INVALID_ARGUMENT the plan names none.
absl::StatusOr<std::string> TensorName(const LayerPlan& layer, const std::string& role);

// The tensor itself, in memory of its own. `shape` must match.
absl::StatusOr<at::Tensor> TakeTensor(const LayerPlan& layer, const std::string& role, at::ScalarType dtype,
                                      absl::Span<const int64_t> shape, Weights& weights);

// The same, undefined where the plan names none.
absl::StatusOr<at::Tensor> TakeOptionalTensor(const LayerPlan& layer, const std::string& role,
                                              at::ScalarType dtype, absl::Span<const int64_t> shape,
                                              Weights& weights);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_LAYERS_LAYER_KINDS_H_
