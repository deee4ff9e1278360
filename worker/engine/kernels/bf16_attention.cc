#include "worker/engine/kernels/bf16_attention.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "worker/engine/kernels/bf16_tile.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define QL_X86 1
#define QL_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma")))
#define QL_INLINE __attribute__((always_inline)) inline
#endif

namespace quantlab::engine {
namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kColumns = kBf16TileColumns, kTileRows = kBf16TileRows;

int64_t RoundUp(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// Where the parts of the scratch memory begin, in bytes.
struct Layout {
  Layout(int64_t length, int64_t size)
      : columns(RoundUp(length, kColumns)),
        width(RoundUp(size, kColumns)),
        values(width / 2 * columns * 4),
        queries(values + RoundUp(length, 2) / 2 * width * 4),
        scores(queries + kTileRows * width * 2),
        weights(scores + kTileRows * columns * 4),
        sums(weights + kTileRows * columns * 2),
        total(sums + kTileRows * width * 4) {}

  int64_t columns, width;  // length and size, in whole tiles
  // Pairs of features of keys come first: [width / 2, columns]. Then pairs of tokens of values:
  // [ceil(length / 2), width].
  int64_t values, queries, scores, weights, sums, total;
};

#if QL_X86

QL_BF16 QL_INLINE __mmask16 FirstLanes(int64_t n) {
  return n >= kLanes ? 0xffff : n <= 0 ? 0 : static_cast<__mmask16>((1u << n) - 1);
}

// 32 floats of a row, of which `count` exist, as 16 pairs of BF16.
QL_BF16 QL_INLINE __m512i Pairs(const float* row, int64_t count) {
  const __m512 low = _mm512_maskz_loadu_ps(FirstLanes(count), row);
  const __m512 high =
      count > kLanes ? _mm512_maskz_loadu_ps(FirstLanes(count - kLanes), row + kLanes) : _mm512_setzero_ps();
  const __m512bh rounded = _mm512_cvtne2ps_pbh(high, low);
  __m512i bits;
  std::memcpy(&bits, &rounded, sizeof(bits));
  return bits;
}

// Transposes a square of 16 x 16 words.
QL_BF16 QL_INLINE void Transpose(__m512i (&r)[16]) {
  __m512i t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  // Afterwards r[4 g + c] holds, in its 128 bits l, column 4 l + c of the rows 4 g to 4 g + 3.
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    const __m512i even_top = _mm512_shuffle_i32x4(r[c], r[4 + c], 0x88);
    const __m512i even_bottom = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0x88);
    const __m512i odd_top = _mm512_shuffle_i32x4(r[c], r[4 + c], 0xdd);
    const __m512i odd_bottom = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0xdd);
    t[c] = _mm512_shuffle_i32x4(even_top, even_bottom, 0x88);
    t[4 + c] = _mm512_shuffle_i32x4(odd_top, odd_bottom, 0x88);
    t[8 + c] = _mm512_shuffle_i32x4(even_top, even_bottom, 0xdd);
    t[12 + c] = _mm512_shuffle_i32x4(odd_top, odd_bottom, 0xdd);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) r[i] = t[i];
}

// Pairs of features of all keys, side by side; 0 beyond the last key.
QL_BF16 void PackKeys(const HeadAttention& head, const Layout& layout, uint32_t* out) {
  for (int64_t token = 0; token < layout.columns; token += 16) {
    for (int64_t feature = 0; feature < head.size; feature += 32) {
      __m512i square[16];
      for (int64_t i = 0; i < 16; ++i) {
        const bool exists = token + i < head.length;
        square[i] = exists ? Pairs(head.k + (token + i) * head.k_stride + feature, head.size - feature)
                           : _mm512_setzero_si512();
      }
      Transpose(square);
      for (int64_t i = 0; i < 16; ++i) {
        _mm512_store_si512(out + (feature / 2 + i) * layout.columns + token, square[i]);
      }
    }
  }
}

// Pairs of tokens of each feature of the values; 0 beyond the last token.
QL_BF16 void PackValues(const HeadAttention& head, const Layout& layout, uint32_t* out) {
  const auto load = [&](int64_t token, int64_t feature) QL_BF16 {
    if (token >= head.length) return _mm512_setzero_si512();
    const __m512 v =
        _mm512_maskz_loadu_ps(FirstLanes(head.size - feature), head.v + token * head.v_stride + feature);
    const __m256bh rounded = _mm512_cvtneps_pbh(v);
    __m256i bits;
    std::memcpy(&bits, &rounded, sizeof(bits));
    return _mm512_cvtepu16_epi32(bits);
  };
  for (int64_t token = 0; token < head.length; token += 2) {
    for (int64_t feature = 0; feature < layout.width; feature += kLanes) {
      const __m512i pair =
          _mm512_or_si512(load(token, feature), _mm512_slli_epi32(load(token + 1, feature), 16));
      _mm512_store_si512(out + token / 2 * layout.width + feature, pair);
    }
  }
}

void Product(const uint16_t* a, int64_t a_stride, int64_t rows, const uint32_t* b, int64_t columns,
             int64_t pairs, float* out) {
  for (int64_t c = 0; c < columns; c += kColumns) {
    MultiplyBf16Tile(rows, a, a_stride, b + c, columns, pairs, out + c, columns);
  }
}

// As in row_kernels.cc: e^x for x <= 0 by the Taylor series on |r| <= ln 2 / 2; 0 below -87; NaN of NaN.
QL_BF16 QL_INLINE __m512 ExpOfNegative(__m512 x) {
  const __mmask16 too_small = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.0f), _CMP_LT_OQ);
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 0);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
  __m512 y = _mm512_set1_ps(1.0f / 120);
  for (const float c : {1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) y = _mm512_fmadd_ps(y, r, _mm512_set1_ps(c));
  const __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
  y = _mm512_mul_ps(y, _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23)));
  return _mm512_mask_mov_ps(y, too_small, _mm512_setzero_ps());
}

// weights[i] = e^(scale * (scores[i] - max)) in BF16 for i < n, then zeros; returns their sum, before
// rounding.
QL_BF16 float Exponentials(const float* scores, int64_t n, int64_t columns, float scale, uint16_t* weights) {
  __m512 largest = _mm512_set1_ps(-std::numeric_limits<float>::max());
  for (int64_t i = 0; i < n; i += kLanes) {
    largest = _mm512_mask_max_ps(largest, FirstLanes(n - i), largest, _mm512_load_ps(scores + i));
  }
  const __m512 max = _mm512_set1_ps(_mm512_reduce_max_ps(largest)), factor = _mm512_set1_ps(scale);
  __m512 sum = _mm512_setzero_ps();
  for (int64_t i = 0; i < columns; i += kLanes) {
    __m512 e = ExpOfNegative(_mm512_mul_ps(_mm512_sub_ps(_mm512_load_ps(scores + i), max), factor));
    e = _mm512_maskz_mov_ps(FirstLanes(n - i), e);
    sum = _mm512_add_ps(sum, e);
    const __m256bh rounded = _mm512_cvtneps_pbh(e);
    std::memcpy(weights + i, &rounded, sizeof(rounded));
  }
  return _mm512_reduce_add_ps(sum);
}

QL_BF16 void Attend(const HeadAttention& head, const Layout& layout, char* scratch) {
  auto* const keys = reinterpret_cast<uint32_t*>(scratch);
  auto* const values = reinterpret_cast<uint32_t*>(scratch + layout.values);
  auto* const queries = reinterpret_cast<uint16_t*>(scratch + layout.queries);
  auto* const scores = reinterpret_cast<float*>(scratch + layout.scores);
  auto* const weights = reinterpret_cast<uint16_t*>(scratch + layout.weights);
  auto* const sums = reinterpret_cast<float*>(scratch + layout.sums);
  PackKeys(head, layout, keys);
  PackValues(head, layout, values);
  for (int64_t q = 0; q < head.queries; q += kTileRows) {
    const int64_t rows = std::min(kTileRows, head.queries - q);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t f = 0; f < layout.width; f += kColumns) {
        _mm512_store_si512(queries + r * layout.width + f,
                           Pairs(head.q + (q + r) * head.q_stride + f, head.size - f));
      }
    }
    Product(queries, layout.width, rows, keys, layout.columns, (head.size + 1) / 2, scores);
    float inverse[kTileRows];
    for (int64_t r = 0; r < rows; ++r) {
      inverse[r] = 1.0f / Exponentials(scores + r * layout.columns, head.length, layout.columns, head.scale,
                                       weights + r * layout.columns);
    }
    Product(weights, layout.columns, rows, values, layout.width, (head.length + 1) / 2, sums);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t f = 0; f < head.size; f += kLanes) {
        _mm512_mask_storeu_ps(
            head.out + (q + r) * head.out_stride + f, FirstLanes(head.size - f),
            _mm512_mul_ps(_mm512_load_ps(sums + r * layout.width + f), _mm512_set1_ps(inverse[r])));
      }
    }
  }
}

#endif  // QL_X86

}  // namespace

bool HasBf16Attention() {
  return HasBf16Products();
}

int64_t Bf16AttentionScratch(int64_t length, int64_t size) {
  return Layout(length, size).total;
}

void AttendHeadBf16(const HeadAttention& head, void* scratch) {
#if QL_X86
  Attend(head, Layout(head.length, head.size), static_cast<char*>(scratch));
#else
  std::abort();  // HasBf16Attention is false
#endif
}

}  // namespace quantlab::engine
