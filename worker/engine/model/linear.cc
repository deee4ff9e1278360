#include "worker/engine/model/linear.h"

#include <utility>

#include <ATen/ops/linear.h>

namespace quantlab::engine {

LinearFp32::LinearFp32(at::Tensor weight, at::Tensor bias)
    : weight_(std::move(weight)), bias_(std::move(bias)) {}

at::Tensor LinearFp32::Forward(const at::Tensor& x) const {
  return at::linear(x, weight_, bias_.defined() ? std::optional<at::Tensor>(bias_) : std::nullopt);
}

int64_t LinearFp32::in_features() const {
  return weight_.size(1);
}
int64_t LinearFp32::out_features() const {
  return weight_.size(0);
}

LayerPrecision LinearFp32::precision() const {
  return {"fp32", "fp32", "at::linear", ""};
}

std::map<std::string, at::Tensor> LinearFp32::tensors() const {
  std::map<std::string, at::Tensor> tensors = {{"weight", weight_}};
  if (bias_.defined()) tensors["bias"] = bias_;
  return tensors;
}

void LinearFp32::To(const at::Device& device) {
  weight_ = weight_.to(device);
  if (bias_.defined()) bias_ = bias_.to(device);
}

}  // namespace quantlab::engine
