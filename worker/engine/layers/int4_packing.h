// 4-bit integers as stored in saved models: two in a byte.
#ifndef QUANTLAB_WORKER_ENGINE_LAYERS_INT4_PACKING_H_
#define QUANTLAB_WORKER_ENGINE_LAYERS_INT4_PACKING_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace quantlab::engine {

inline constexpr int kInt4Min = -8, kInt4Max = 7;

// q: [rows, cols] int8, each value in -8..7. Returns [rows, (cols + 1) / 2] uint8 on q's device: column 2i
// in the low four bits of byte i, column 2i + 1 in the high ones, both in two's complement. The high four
// bits of the last byte of a row of odd length are zero.
// Throws c10::Error for another dtype, another number of dimensions, or a value out of range.
at::Tensor PackInt4(const at::Tensor& q);

// The inverse: packed [rows, (cols + 1) / 2] uint8; returns [rows, cols] int8 in -8..7.
// Throws c10::Error for another dtype or shape.
at::Tensor UnpackInt4(const at::Tensor& packed, int64_t cols);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_LAYERS_INT4_PACKING_H_
