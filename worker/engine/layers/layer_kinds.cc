#include "worker/engine/layers/layer_kinds.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "worker/engine/layers/dynamic_int8_linear.h"
#include "worker/engine/layers/fp8_linear.h"
#include "worker/engine/layers/half_linear.h"
#include "worker/engine/layers/static_int8_linear.h"
#include "worker/engine/layers/weight_only_linear.h"

namespace quantlab::engine {
namespace {

LayerKind Fp32() {
  return {LinearFp32::kKind, {}, [](const LayerPlan& layer, Weights& weights) {
            return LoadLinearFp32(layer.name, layer.in_features, layer.out_features, weights);
          }};
}

}  // namespace

const std::vector<LayerKind>& AllLayerKinds() {
  static const auto* const kinds = new std::vector<LayerKind>{
      Fp32(),           Bf16Kind(),           Fp16Kind(),           DynamicInt8Kind(),
      StaticInt8Kind(), Int8WeightOnlyKind(), Int4WeightOnlyKind(), Fp8Kind()};
  return *kinds;
}

const LayerKind* FindLayerKind(const std::string& name) {
  for (const LayerKind& kind : AllLayerKinds()) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

absl::StatusOr<std::string> TensorName(const LayerPlan& layer, const std::string& role) {
  const auto it = layer.tensors.find(role);
  if (it == layer.tensors.end()) {
    return absl::InvalidArgumentError(absl::StrCat("plan.json: ", layer.name, " names no tensor for ", role));
  }
  return it->second;
}

absl::StatusOr<at::Tensor> TakeTensor(const LayerPlan& layer, const std::string& role, at::ScalarType dtype,
                                      absl::Span<const int64_t> shape, Weights& weights) {
  QL_ASSIGN_OR_RETURN(const std::string name, TensorName(layer, role));
  return weights.Take(name, dtype, shape);
}

absl::StatusOr<at::Tensor> TakeOptionalTensor(const LayerPlan& layer, const std::string& role,
                                              at::ScalarType dtype, absl::Span<const int64_t> shape,
                                              Weights& weights) {
  if (layer.tensors.count(role) == 0) return at::Tensor();
  return TakeTensor(layer, role, dtype, shape, weights);
}

}  // namespace quantlab::engine
