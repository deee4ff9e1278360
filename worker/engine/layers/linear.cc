#include "worker/engine/layers/linear.h"

#include <utility>

#include <ATen/autocast_mode.h>
#include <ATen/ops/linear.h>

#include "base/status_macros.h"
#include "worker/engine/layers/activation.h"

namespace quantlab::engine {

at::Tensor Linear::ForwardInto(const at::Tensor& x, Activation activation, const Linear& next) const {
  return next.Forward(ActivateInPlace(activation, Forward(x)));
}

std::vector<at::Tensor> Linear::ForwardTogether(const at::Tensor& x,
                                                const std::vector<const Linear*>& others) const {
  std::vector<at::Tensor> outputs = {Forward(x)};
  for (const Linear* other : others) outputs.push_back(other->Forward(x));
  return outputs;
}

LinearFp32::LinearFp32(at::Tensor weight, at::Tensor bias)
    : weight_(std::move(weight)), bias_(std::move(bias)) {}

at::Tensor LinearFp32::Forward(const at::Tensor& x) const {
  const auto bias = bias_.defined() ? std::optional<at::Tensor>(bias_) : std::nullopt;
  // Between layers of half precision this one still computes in FP32, unless autocast is on.
  if (x.scalar_type() != weight_.scalar_type() && !at::autocast::is_autocast_enabled(x.device().type())) {
    return at::linear(x.to(weight_.scalar_type()), weight_, bias).to(x.scalar_type());
  }
  return at::linear(x, weight_, bias);
}

void LinearFp32::KeepInsteadOf(std::string requested, Message reason) {
  requested_ = std::move(requested);
  reason_ = std::move(reason);
}

int64_t LinearFp32::in_features() const {
  return weight_.size(1);
}
int64_t LinearFp32::out_features() const {
  return weight_.size(0);
}

LayerPrecision LinearFp32::precision() const {
  return {requested_, kKind, "at::linear", reason_};
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

absl::StatusOr<std::unique_ptr<Linear>> LoadLinearFp32(const std::string& name, int64_t in_features,
                                                       int64_t out_features, Weights& weights) {
  // Both are taken before either is checked, so that the bias of a missing weight is not left over.
  absl::StatusOr<at::Tensor> weight = weights.TakeFloat(name + ".weight", {out_features, in_features});
  absl::StatusOr<at::Tensor> bias = weights.TakeFloat(name + ".bias", {out_features});
  QL_RETURN_IF_ERROR(weight.status());
  QL_RETURN_IF_ERROR(bias.status());
  return std::make_unique<LinearFp32>(*std::move(weight), *std::move(bias));
}

}  // namespace quantlab::engine
