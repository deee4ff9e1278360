#include "worker/engine/layers/weight_grid.h"

#include <algorithm>
#include <vector>

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace quantlab::engine {
namespace {

// Below it the reciprocal is near the largest float.
constexpr double kSmallestScale = 1e-30;

at::Tensor ThroughBf16(const at::Tensor& values) {
  return values.to(at::kBFloat16).to(values.scalar_type());
}

}  // namespace

Grid FindGrid(const at::Tensor& group, const GridOptions& options) {
  const double steps = (1 << options.bits) - 1;
  at::Tensor low = group.amin(0).clamp_max(0), high = group.amax(0).clamp_min(0);
  if (options.symmetric) {
    high = at::maximum(high, -low);
    low = -high;
  }
  const at::Tensor nothing = high == low;
  low = at::where(nothing, -1.0, low);
  high = at::where(nothing, 1.0, high);
  Grid grid;
  grid.scale = ((high - low) / steps).clamp_min(kSmallestScale).to(at::kFloat).to(at::kDouble);
  if (options.bf16_scales) grid.scale = ThroughBf16(grid.scale);
  const int lowest = -(1 << (options.bits - 1));
  grid.zero_point = options.symmetric ? at::zeros_like(grid.scale)
                                      : (lowest - low / grid.scale).round().clamp(lowest, -lowest - 1);
  grid.offset = Offset(grid.scale, grid.zero_point, options.bf16_scales);
  return grid;
}

at::Tensor RoundToGrid(const at::Tensor& weights, const Grid& grid, const GridOptions& options) {
  const int lowest = -(1 << (options.bits - 1));
  return ((weights - grid.offset) / grid.scale).round().clamp(lowest, -lowest - 1);
}

at::Tensor FromGrid(const at::Tensor& integers, const Grid& grid) {
  return integers * grid.scale + grid.offset;
}

at::Tensor Offset(const at::Tensor& scale, const at::Tensor& zero_point, bool bf16) {
  const at::Tensor offset = -(scale * zero_point);
  return bf16 ? ThroughBf16(offset) : offset;
}

absl::Status CheckFiniteWeight(const at::Tensor& weight) {
  if (weight.dim() != 2 || weight.numel() == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("weights must be [out, in], not of ", weight.dim(), " dimensions or empty"));
  }
  if (!at::isfinite(weight).all().item<bool>()) {
    return absl::InvalidArgumentError("the weights hold a NaN or an infinity: the checkpoint is broken");
  }
  return absl::OkStatus();
}

absl::StatusOr<GridWeights> RoundToNearest(const at::Tensor& weight, const GridOptions& options) {
  QL_RETURN_IF_ERROR(CheckFiniteWeight(weight));
  const at::Tensor columns = weight.detach().to(at::kDouble).t();
  const int64_t in = columns.size(0), step = options.group_size == 0 ? in : options.group_size;
  std::vector<at::Tensor> integers, scales, zeros;
  for (int64_t begin = 0; begin < in; begin += step) {
    const at::Tensor group = columns.slice(0, begin, std::min(in, begin + step));
    const Grid grid = FindGrid(group, options);
    integers.push_back(RoundToGrid(group, grid, options));
    scales.push_back(grid.scale);
    zeros.push_back(grid.zero_point);
  }
  GridWeights weights{
      at::cat(integers).t().to(at::kChar).contiguous(), at::stack(scales, 1).to(at::kFloat), {}};
  if (!options.symmetric) weights.zero_point = at::stack(zeros, 1).to(at::kChar);
  return weights;
}

at::Tensor Dequantize(const GridWeights& weights, int64_t group_size, bool bf16) {
  const int64_t in = weights.quantized.size(1), step = group_size == 0 ? in : group_size;
  const auto each_column = [&](const at::Tensor& per_group) {
    return per_group.repeat_interleave(step, 1).slice(1, 0, in);
  };
  const at::Tensor scale = weights.scale.to(at::kFloat);
  const at::Tensor product = weights.quantized.to(at::kFloat) * each_column(scale);
  if (!weights.zero_point.defined()) return product;
  return product + each_column(Offset(scale, weights.zero_point, bf16));
}

}  // namespace quantlab::engine
