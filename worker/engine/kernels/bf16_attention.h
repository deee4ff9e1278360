// Attention with products of BF16 and FP32 sums, on CPUs with AVX512-BF16: for models whose queries, keys and
// values come from INT8 layers, to whose rounding that of BF16 is small.
#ifndef QUANTLAB_WORKER_ENGINE_KERNELS_BF16_ATTENTION_H_
#define QUANTLAB_WORKER_ENGINE_KERNELS_BF16_ATTENTION_H_

#include <cstdint>

#include "worker/engine/kernels/row_kernels.h"

namespace quantlab::engine {

// Whether AttendHeadBf16 may be called: the CPU has AVX512-BF16, and onednn_isa.h allows it.
bool HasBf16Attention();

// Bytes of scratch memory that AttendHeadBf16 needs, aligned to 64 bytes.
int64_t Bf16AttentionScratch(int64_t length, int64_t size);
// As AttendHead (row_kernels.h), with q, k, v and the softmax's numerators rounded to BF16; maxima, sums and
// the division are FP32. A query's result does not depend on the other queries.
void AttendHeadBf16(const HeadAttention& head, void* scratch);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_KERNELS_BF16_ATTENTION_H_
