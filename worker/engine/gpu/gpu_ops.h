// The fused kernels of this folder on tensors: what layers call where a tensor lies on a GPU. In builds
// without them (no nvcc, or a LibTorch without CUDA) every WhyNot… gives the reason and nothing else may be
// called; layers then use ATen's operators.
#ifndef QUANTLAB_WORKER_ENGINE_GPU_GPU_OPS_H_
#define QUANTLAB_WORKER_ENGINE_GPU_GPU_OPS_H_

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace quantlab::engine::gpu {

// Why the row kernels cannot be used with rows of `width` on `device`; empty where they can.
std::string WhyNotRowKernels(const at::Device& device, int64_t width);

// Why products of `in` x `out` INT8 or FP8 weights cannot run in one kernel on `device`; empty where they
// can.
std::string WhyNotScaledProduct(const at::Device& device, int64_t in, int64_t out);

// Why `device` has no FP8 arithmetic; empty where it has. Does not depend on how this was built.
std::string WhyNotFp8(const at::Device& device);

// LayerNorm(x + residual) over the last dimension, sums in FP32. x: [rows, width] float, half or bfloat16;
// residual: the same or undefined; weight, bias: [width] float. Returns x's shape and dtype. No gradients.
at::Tensor LayerNorm(const at::Tensor& x, const at::Tensor& residual, const at::Tensor& weight,
                     const at::Tensor& bias, double epsilon);

// LayerNorm(word[ids] + token_type[types] + position[positions]). Tables: [n, width] of one dtype, token_type
// may be undefined; ids, positions, types: [rows] int64, in range. Returns [rows, width] of `dtype`.
at::Tensor Embed(const at::Tensor& word, const at::Tensor& token_type, const at::Tensor& position,
                 const at::Tensor& ids, const at::Tensor& types, const at::Tensor& positions,
                 const at::Tensor& weight, const at::Tensor& bias, double epsilon, at::ScalarType dtype);

// An input as bytes.
struct QuantizedRows {
  at::Tensor bytes;  // [rows, width] int8 (u8 values less 128) or float8_e4m3fn
  at::Tensor scale;  // [rows] float; NaN where the row had an infinity or a NaN
  at::Tensor shift;  // [rows] float: 128 less the zero point; undefined for FP8
};

struct QuantizeOptions {
  bool fp8 = false;
  bool per_row = true;  // false: with scale and zero_point below
  float scale = 1;
  int zero_point = 0;
  int top = 255;        // INT8: the largest u8 value
  at::Tensor factor{};  // INT8, not per row: [width] float in place of 1 / scale; or undefined
};

// x: [rows, width] float, half or bfloat16, contiguous.
QuantizedRows QuantizeRows(const at::Tensor& x, const QuantizeOptions& options);

// Weights for ScaledProduct.
struct ProductWeights {
  at::Tensor values;      // [out, in] int8 or float8_e4m3fn
  at::Tensor scale;       // [out] float
  at::Tensor scaled_sum;  // [out] float: scale times the sum of each row of values; INT8 only
  at::Tensor bias;        // [out] float; undefined for none
};

// The weights of several layers over one input, one after the other.
ProductWeights Join(const std::vector<ProductWeights>& layers);

// activation(x W^T + bias) as [rows, out] half; activation is GELU (by erf) or none. tile: of GemmTile in
// scaled_gemm.h, for measurements; negative: what is expected to be fastest for the shape.
at::Tensor ScaledProduct(const QuantizedRows& x, const ProductWeights& weights, bool gelu, int tile = -1);

}  // namespace quantlab::engine::gpu

#endif  // QUANTLAB_WORKER_ENGINE_GPU_GPU_OPS_H_
