// Floating-point kernels of an encoder's execution plan on plain memory, vectorised with Highway for the best
// instruction set of the CPU, at most what onednn_isa.h allows.
//
// Every row, and every head of a sequence, is computed by the same operations in the same order whatever is
// computed beside it, so that results do not depend on neighbours or threads. They may differ in the last
// bits between instruction sets.
//
// Threads: all functions are safe to call from several threads on different outputs.
#ifndef QUANTLAB_WORKER_ENGINE_KERNELS_ROW_KERNELS_H_
#define QUANTLAB_WORKER_ENGINE_KERNELS_ROW_KERNELS_H_

#include <cstdint>

namespace quantlab::engine {

// "AVX3", "AVX2", …: the instruction set that the kernels of this file use here.
const char* RowKernelsIsa();

struct NormParams {
  const float* weight = nullptr;  // [n]
  const float* bias = nullptr;    // [n]
  float epsilon = 0;
};

// out = LayerNorm(x + residual) of one row of n floats (Ba 2016). out may be x or residual.
void AddLayerNorm(const float* x, const float* residual, const NormParams& norm, int64_t n, float* out);

// x = x * Phi(x) for n floats (Hendrycks 2016), with Phi by the approximation of erf of Abramowitz and
// Stegun, 7.1.26: within 2e-7 * max(1, |x|) of the exact value. NaN and infinity pass through as NaN, or, for
// +infinity, as themselves.
void Gelu(float* x, int64_t n);

// One head of one sequence: out = softmax(scale * q k^T) v (Vaswani 2017, eq. 1).
struct HeadAttention {
  const float* q = nullptr;  // [queries, size], rows q_stride floats apart
  const float* k = nullptr;  // [length, size], rows k_stride floats apart
  const float* v = nullptr;  // [length, size], rows v_stride floats apart
  int64_t q_stride = 0, k_stride = 0, v_stride = 0;
  int64_t queries = 0, length = 0, size = 0;
  float scale = 1;
  float* out = nullptr;  // [queries, size], rows out_stride floats apart
  int64_t out_stride = 0;
};
// Floats of scratch memory that AttendHead needs, aligned to 64 bytes.
int64_t AttentionScratch(int64_t length, int64_t size);
void AttendHead(const HeadAttention& head, float* scratch);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_KERNELS_ROW_KERNELS_H_
