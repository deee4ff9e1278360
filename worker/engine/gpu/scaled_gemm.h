// Products of quantized matrices on NVIDIA GPUs of the Hopper generation, with everything that follows the
// product in one kernel: scales, zero points, bias, GELU, and the conversion to FP16. Built on CUTLASS, for
// compute capability 9.0 only; plain C++, so that callers need no CUDA headers.
#ifndef QUANTLAB_WORKER_ENGINE_GPU_SCALED_GEMM_H_
#define QUANTLAB_WORKER_ENGINE_GPU_SCALED_GEMM_H_

#include <cstddef>
#include <cstdint>

namespace quantlab::engine::gpu {

// out[m][n] = activation(row_scale[m] * (column_scale[n] * sum_k a[m][k] * b[n][k]
//                                        + row_shift[m] * column_sum[n]) + bias[n])
//
// All pointers are device memory. A zero point z of the rows is row_shift = -z with column_sum[n] =
// column_scale[n] * sum_k b[n][k]; FP8 has none, and its kernels read neither of the two.
struct ScaledGemmArgs {
  const void* a = nullptr;              // [m, k] int8 or FP8 E4M3, row-major, 16-byte aligned
  const void* b = nullptr;              // [n, k] of the same type, row-major
  const float* row_scale = nullptr;     // [m]
  const float* row_shift = nullptr;     // [m]
  const float* column_scale = nullptr;  // [n]
  const float* column_sum = nullptr;    // [n]
  const float* bias = nullptr;          // [n]; null for none
  void* out = nullptr;                  // [m, n] FP16, row-major
  int m = 0, n = 0, k = 0;              // k in multiples of 16, n in multiples of 8
  void* workspace = nullptr;            // of ScaledGemmWorkspace bytes
  std::size_t workspace_bytes = 0;
  void* stream = nullptr;  // cudaStream_t
};

// Tiles of the output that one thread block computes; which is fastest depends on the shape.
enum class GemmTile { kSmall, kMedium, kLarge };  // 64x64, 128x128, 128x256

// nullptr: launched; otherwise what went wrong. Launch errors of the kernel itself surface at the next
// synchronization.
using ScaledGemm = const char* (*)(const ScaledGemmArgs& args);
using ScaledGemmWorkspace = std::size_t (*)(const ScaledGemmArgs& args);

struct ScaledGemmKernel {
  ScaledGemm run;
  ScaledGemmWorkspace workspace;
};

// One kernel for each element type, tile and activation.
ScaledGemmKernel Int8Gemm(GemmTile tile, bool gelu);
ScaledGemmKernel Fp8Gemm(GemmTile tile, bool gelu);

}  // namespace quantlab::engine::gpu

#endif  // QUANTLAB_WORKER_ENGINE_GPU_SCALED_GEMM_H_
