#include "worker/engine/layers/quantized_parts.h"

#include <vector>

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace quantlab::engine {

at::Tensor RowsOf(const at::Tensor& x) {
  return x.detach().reshape({-1, x.size(-1)}).contiguous();
}

at::Tensor ShapedLike(const at::Tensor& rows, const at::Tensor& like) {
  std::vector<int64_t> shape = like.sizes().vec();
  shape.back() = rows.size(1);
  return rows.reshape(shape).to(like.scalar_type());
}

std::vector<at::Tensor> ProductTogether(const gpu::QuantizedRows& rows,
                                        const std::vector<gpu::ProductWeights>& layers,
                                        const at::Tensor& like, Joined<gpu::ProductWeights>& joined) {
  std::vector<at::Tensor> values;
  std::vector<int64_t> sizes;
  for (const gpu::ProductWeights& layer : layers) {
    values.push_back(layer.values);
    sizes.push_back(layer.values.size(0));
  }
  const auto all = joined.Get(values, [&] { return gpu::Join(layers); });
  return at::split_with_sizes(ShapedLike(gpu::ScaledProduct(rows, *all, /*gelu=*/false), like), sizes, -1);
}

absl::Status CheckPositiveScale(const at::Tensor& scale) {
  // Negated, so that NaN is refused too.
  if (!at::logical_and(scale > 0, at::isfinite(scale)).all().item<bool>()) {
    return absl::InvalidArgumentError("weight_scale holds a value that is not positive and finite");
  }
  return absl::OkStatus();
}

absl::Status CheckScaleAndBias(absl::string_view name, const at::Tensor& values, const at::Tensor& scale,
                               const at::Tensor& bias) {
  const int64_t out = values.size(0);
  const bool shape_fits = scale.dim() == 1 && (scale.size(0) == 1 || scale.size(0) == out);
  if (!shape_fits || scale.scalar_type() != at::kFloat) {
    return absl::InvalidArgumentError(
        absl::StrCat("weight_scale must be float [1] or [", out, "] as ", name, " has rows"));
  }
  QL_RETURN_IF_ERROR(CheckPositiveScale(scale));
  if (bias.defined() && (bias.dim() != 1 || bias.size(0) != out || bias.scalar_type() != at::kFloat)) {
    return absl::InvalidArgumentError(absl::StrCat("bias must be float [", out, "]"));
  }
  return absl::OkStatus();
}

}  // namespace quantlab::engine
