// The integers that weights are rounded to, and their scales: the common part of rounding to nearest and of
// GPTQ.
#ifndef QUANTLAB_WORKER_ENGINE_LAYERS_WEIGHT_GRID_H_
#define QUANTLAB_WORKER_ENGINE_LAYERS_WEIGHT_GRID_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace quantlab::engine {

struct GridOptions {
  int bits = 4;             // 2 to 8; integers are -2^(bits-1) .. 2^(bits-1) - 1
  int64_t group_size = 64;  // inputs that share a scale; 0: all inputs of an output channel
  bool symmetric = false;   // zero point 0
  // Scales, and the products of scale and zero point, are numbers of BF16: what LibTorch's INT4 kernel
  // holds, so that it computes with exactly these weights.
  bool bf16_scales = false;
};

// weight = scale * quantized + offset, where offset is -scale * zero_point, rounded to BF16 where the options
// say so (see Offset).
struct GridWeights {
  at::Tensor quantized;   // [out, in] int8
  at::Tensor scale;       // [out, groups] float, positive
  at::Tensor zero_point;  // [out, groups] int8, in the range of `quantized`; undefined when symmetric
};

// The grid of weights that share it: of each column of `weights`. [cols] double each.
struct Grid {
  at::Tensor scale, zero_point, offset;
};

// For group [n, cols] double, n weights for each of `cols` outputs: the range from the smallest (at most
// 0) to the largest (at least 0) is divided into 2^bits - 1 steps; symmetric: from -m to m, m the largest
// magnitude. As the quantizer of the GPTQ paper's reference does it. A range of zero counts as -1 to 1.
Grid FindGrid(const at::Tensor& group, const GridOptions& options);

// Integers nearest to `weights` ([cols] or [n, cols] double), ties to even, as doubles.
at::Tensor RoundToGrid(const at::Tensor& weights, const Grid& grid, const GridOptions& options);

// scale * integers + offset.
at::Tensor FromGrid(const at::Tensor& integers, const Grid& grid);

// scale, zero_point: [...]; returns [...] in the dtype of `scale`.
at::Tensor Offset(const at::Tensor& scale, const at::Tensor& zero_point, bool bf16);

// INVALID_ARGUMENT unless weight is [out, in], not empty and finite.
absl::Status CheckFiniteWeight(const at::Tensor& weight);

// weight: [out, in] of a floating-point dtype. Errors: those of CheckFiniteWeight.
absl::StatusOr<GridWeights> RoundToNearest(const at::Tensor& weight, const GridOptions& options);

// Dequantizes `weights`: [out, in] float. `group_size` 0: one group.
at::Tensor Dequantize(const GridWeights& weights, int64_t group_size, bool bf16);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_LAYERS_WEIGHT_GRID_H_
