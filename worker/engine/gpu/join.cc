#include <ATen/Functions.h>

#include "worker/engine/gpu/gpu_ops.h"

namespace quantlab::engine::gpu {

ProductWeights Join(const std::vector<ProductWeights>& layers) {
  const auto join = [&](at::Tensor ProductWeights::*member, const auto& missing) {
    std::vector<at::Tensor> parts;
    bool defined = false;
    for (const ProductWeights& layer : layers) {
      defined = defined || (layer.*member).defined();
      parts.push_back((layer.*member).defined() ? layer.*member : missing(layer));
    }
    if (!defined) return at::Tensor();
    // As bytes, since not every LibTorch concatenates FP8.
    const at::ScalarType dtype = parts.front().scalar_type();
    if (dtype != at::kFloat8_e4m3fn) return at::cat(parts);
    for (at::Tensor& part : parts) part = part.view(at::kByte);
    return at::cat(parts).view(dtype);
  };
  const auto zeros = [](const ProductWeights& layer) { return at::zeros_like(layer.scale); };
  return {join(&ProductWeights::values, zeros), join(&ProductWeights::scale, zeros),
          join(&ProductWeights::scaled_sum, zeros), join(&ProductWeights::bias, zeros)};
}

}  // namespace quantlab::engine::gpu
