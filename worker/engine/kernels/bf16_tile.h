// A tile of a product of BF16 matrices with FP32 sums, in registers.
#ifndef QUANTLAB_WORKER_ENGINE_KERNELS_BF16_TILE_H_
#define QUANTLAB_WORKER_ENGINE_KERNELS_BF16_TILE_H_

#include <cstdint>

namespace quantlab::engine {

inline constexpr int64_t kBf16TileRows = 12;  // at most
inline constexpr int64_t kBf16TileColumns = 32;

// Whether the CPU has BF16 products (AVX512-BF16), and ONEDNN_MAX_CPU_ISA allows them. Threads: safe.
bool HasBf16Products();

// out[r][c] = sum over p < pairs and h < 2 of a[r][2p + h] * b[p][c][h], for r < rows and c < 32.
//
// a: BF16, rows of 2 * pairs elements, `a_stride` elements apart. b: [pairs, 32] words of two BF16 (h = 0 in
// the low half), rows `b_stride` words apart, aligned to 64 bytes. out: rows `out_stride` floats apart,
// aligned to 64 bytes. Needs 1 <= rows <= kBf16TileRows and HasBf16Products(). Threads: safe.
void MultiplyBf16Tile(int64_t rows, const uint16_t* a, int64_t a_stride, const uint32_t* b, int64_t b_stride,
                      int64_t pairs, float* out, int64_t out_stride);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_KERNELS_BF16_TILE_H_
