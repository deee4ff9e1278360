#include "worker/engine/kernels/row_kernels.h"

#include <algorithm>
#include <cstring>

#include "worker/engine/kernels/onednn_isa.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "worker/engine/kernels/row_kernels.cc"
// Three of the x86 targets are enough; those of other CPUs keep vectors in arrays, which scalable vectors
// cannot.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace quantlab::engine {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(D()));
// Accumulators of a tile: 6 rows x 4 vectors where there are 32 registers, x 2 where there are 16.
constexpr int kRowsOfTile = 6;
constexpr int kVectorsOfTile = kLanes >= 16 ? 4 : 2;

// Highway's MaskedLoad and BlendedStore touch the whole vector on other targets, beyond the end of the memory
// or in what another thread writes, and MaskedLoad on SSE4 from aligned addresses only.
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
constexpr bool kMasksMemory = true;
#else
constexpr bool kMasksMemory = false;
#endif

// The first n lanes from memory, the others 0.
HWY_INLINE V LoadFirst(const float* p, int64_t n) {
  if (n >= kLanes) return hn::LoadU(D(), p);
  if (kMasksMemory) return hn::MaskedLoad(hn::FirstN(D(), static_cast<size_t>(n)), D(), p);
  HWY_ALIGN float lanes[kLanes] = {};
  std::copy_n(p, n, lanes);
  return hn::Load(D(), lanes);
}

HWY_INLINE void StoreFirst(V v, float* p, int64_t n) {
  if (n >= kLanes) return hn::StoreU(v, D(), p);
  if (kMasksMemory) return hn::BlendedStore(v, hn::FirstN(D(), static_cast<size_t>(n)), D(), p);
  HWY_ALIGN float lanes[kLanes];
  hn::Store(v, D(), lanes);
  std::copy_n(lanes, n, p);
}

// e^x for x <= 0, within 3e-7 of it; 0 below -87; NaN of NaN. 2^n e^r with n = round(x / ln 2), and the
// Taylor series of e^r for |r| <= ln 2 / 2, whose first missing term is 1.2e-7. ln 2 in two parts (Cody and
// Waite, 1980).
HWY_INLINE V ExpOfNegative(V x) {
  const D d;
  const hn::RebindToSigned<D> di;
  constexpr float kLeast = -87.0f;
  const auto too_small = hn::Lt(x, hn::Set(d, kLeast));
  const V n = hn::Round(hn::Mul(x, hn::Set(d, 1.44269504f)));
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  V y = hn::Set(d, 1.0f / 720);
  y = hn::MulAdd(y, r, hn::Set(d, 1.0f / 120));
  y = hn::MulAdd(y, r, hn::Set(d, 1.0f / 24));
  y = hn::MulAdd(y, r, hn::Set(d, 1.0f / 6));
  y = hn::MulAdd(y, r, hn::Set(d, 0.5f));
  y = hn::MulAdd(y, r, hn::Set(d, 1.0f));
  y = hn::MulAdd(y, r, hn::Set(d, 1.0f));
  const V power = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127))));
  return hn::IfThenZeroElse(too_small, hn::Mul(y, power));
}

HWY_INLINE V GeluOf(V x) {
  const D d;
  const V one = hn::Set(d, 1.0f);
  // Beyond 20 the rest is 0, and an infinity would become a NaN below.
  const V z = hn::Min(hn::Set(d, 20.0f), hn::Mul(hn::Abs(x), hn::Set(d, 0.707106781f)));
  const V below = hn::MulAdd(z, hn::Set(d, 0.3275911f), one);
  V t = hn::ApproximateReciprocal(below);
  t = hn::Mul(t, hn::NegMulAdd(below, t, hn::Set(d, 2.0f)));  // Newton's method
  V p = hn::Set(d, 1.061405429f);
  p = hn::MulAdd(p, t, hn::Set(d, -1.453152027f));
  p = hn::MulAdd(p, t, hn::Set(d, 1.421413741f));
  p = hn::MulAdd(p, t, hn::Set(d, -0.284496736f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.254829592f));
  const V e = ExpOfNegative(hn::Neg(hn::Mul(z, z)));
  const V half_rest = hn::Mul(hn::Mul(hn::Mul(p, t), e), hn::Set(d, 0.5f));  // Phi(-|x|)
  const V phi = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), half_rest, hn::Sub(one, half_rest));
  return hn::Mul(x, phi);
}

void Gelu(float* HWY_RESTRICT x, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) StoreFirst(GeluOf(LoadFirst(x + i, n - i)), x + i, n - i);
}

void AddLayerNorm(const float* x, const float* residual, const NormParams& norm, int64_t n, float* out) {
  const D d;
  V sum = hn::Zero(d);
  for (int64_t i = 0; i < n; i += kLanes) {
    const V v = hn::Add(LoadFirst(x + i, n - i), LoadFirst(residual + i, n - i));
    sum = hn::Add(sum, v);
    StoreFirst(v, out + i, n - i);
  }
  const float count = static_cast<float>(n);
  const V mean = hn::Div(hn::SumOfLanes(d, sum), hn::Set(d, count));
  V squares = hn::Zero(d);
  for (int64_t i = 0; i < n; i += kLanes) {
    V v = hn::Sub(LoadFirst(out + i, n - i), mean);
    if (n - i < kLanes) v = hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(n - i)), v);
    squares = hn::MulAdd(v, v, squares);
  }
  const V variance = hn::Div(hn::SumOfLanes(d, squares), hn::Set(d, count));
  const V factor = hn::Div(hn::Set(d, 1.0f), hn::Sqrt(hn::Add(variance, hn::Set(d, norm.epsilon))));
  for (int64_t i = 0; i < n; i += kLanes) {
    const V v = hn::Mul(hn::Sub(LoadFirst(out + i, n - i), mean), factor);
    const V y = hn::MulAdd(v, LoadFirst(norm.weight + i, n - i), LoadFirst(norm.bias + i, n - i));
    StoreFirst(y, out + i, n - i);
  }
}

// c[r][column ..] = sum over i < depth of a[r][i] * b[i][column ..] for kRows rows and kVectors vectors.
template <int kRows, int kVectors>
HWY_INLINE void Tile(const float* HWY_RESTRICT a, int64_t a_stride, const float* HWY_RESTRICT b,
                     int64_t b_stride, int64_t depth, float* HWY_RESTRICT c, int64_t c_stride) {
  const D d;
  V sums[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int j = 0; j < kVectors; ++j) sums[r][j] = hn::Zero(d);
  }
  for (int64_t i = 0; i < depth; ++i, b += b_stride) {
    V row[kVectors];
    for (int j = 0; j < kVectors; ++j) row[j] = hn::Load(d, b + j * kLanes);
    for (int r = 0; r < kRows; ++r) {
      const V value = hn::Set(d, a[r * a_stride + i]);
      for (int j = 0; j < kVectors; ++j) sums[r][j] = hn::MulAdd(value, row[j], sums[r][j]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int j = 0; j < kVectors; ++j) hn::Store(sums[r][j], d, c + r * c_stride + j * kLanes);
  }
}

template <int kRows>
HWY_NOINLINE void TileRow(const float* a, int64_t a_stride, const float* b, int64_t b_stride, int64_t depth,
                          int64_t vectors, float* c, int64_t c_stride) {
  int64_t j = 0;
  for (; j + kVectorsOfTile <= vectors; j += kVectorsOfTile) {
    Tile<kRows, kVectorsOfTile>(a, a_stride, b + j * kLanes, b_stride, depth, c + j * kLanes, c_stride);
  }
  if (kVectorsOfTile > 2 && j + 2 <= vectors) {
    Tile<kRows, 2>(a, a_stride, b + j * kLanes, b_stride, depth, c + j * kLanes, c_stride);
    j += 2;
  }
  if (j < vectors) {
    Tile<kRows, 1>(a, a_stride, b + j * kLanes, b_stride, depth, c + j * kLanes, c_stride);
  }
}

// b and c: rows of whole vectors, aligned.
HWY_INLINE void Product(const float* a, int64_t a_stride, int64_t rows, const float* b, int64_t b_stride,
                        int64_t depth, int64_t vectors, float* c, int64_t c_stride) {
  static constexpr decltype(&TileRow<1>) kTiles[] = {nullptr,    TileRow<1>, TileRow<2>,          TileRow<3>,
                                                     TileRow<4>, TileRow<5>, TileRow<kRowsOfTile>};
  kTiles[rows](a, a_stride, b, b_stride, depth, vectors, c, c_stride);
}

int64_t RoundUpToVector(int64_t n) {
  return (n + kLanes - 1) / kLanes * kLanes;
}

int64_t AttentionScratch(int64_t length, int64_t size) {
  const int64_t padded_length = RoundUpToVector(length), padded_size = RoundUpToVector(size);
  return size * padded_length + length * padded_size + kRowsOfTile * (padded_length + padded_size);
}

// row[i] = e^(scale * (row[i] - max)) for the first n; the sum of these is returned.
HWY_INLINE float ExponentialRow(float* row, int64_t n, float scale) {
  const D d;
  const V least = hn::Set(d, -3.402823466e38f);
  V largest = least;
  for (int64_t i = 0; i < n; i += kLanes) {
    V v = hn::Load(d, row + i);
    if (n - i < kLanes) v = hn::IfThenElse(hn::FirstN(d, static_cast<size_t>(n - i)), v, least);
    largest = hn::Max(largest, v);
  }
  const V max = hn::MaxOfLanes(d, largest), factor = hn::Set(d, scale);
  V sum = hn::Zero(d);
  for (int64_t i = 0; i < n; i += kLanes) {
    V v = ExpOfNegative(hn::Mul(hn::Sub(hn::Load(d, row + i), max), factor));
    if (n - i < kLanes) v = hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(n - i)), v);
    sum = hn::Add(sum, v);
    hn::Store(v, d, row + i);
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

// k as [size, padded length]: the rows that the product with queries reads.
void Transpose(const HeadAttention& head, int64_t padded, float* HWY_RESTRICT out) {
  constexpr int64_t kBlock = 8;  // a cache line of floats is written whole before it is left
  for (int64_t t0 = 0; t0 < head.length; t0 += 2 * kBlock) {
    const int64_t t1 = std::min(head.length, t0 + 2 * kBlock);
    for (int64_t f = 0; f < head.size; ++f) {
      for (int64_t t = t0; t < t1; ++t) out[f * padded + t] = head.k[t * head.k_stride + f];
    }
  }
  for (int64_t f = 0; f < head.size; ++f) {
    std::fill(out + f * padded + head.length, out + (f + 1) * padded, 0.0f);
  }
}

void AttendHead(const HeadAttention& head, float* scratch) {
  const D d;
  const int64_t length = RoundUpToVector(head.length), size = RoundUpToVector(head.size);
  float* const keys = scratch;
  float* const values = keys + head.size * length;
  float* const scores = values + head.length * size;
  float* const sums = scores + kRowsOfTile * length;
  Transpose(head, length, keys);
  for (int64_t t = 0; t < head.length; ++t) {
    for (int64_t f = 0; f < head.size; f += kLanes) {
      hn::Store(LoadFirst(head.v + t * head.v_stride + f, head.size - f), d, values + t * size + f);
    }
  }
  for (int64_t q = 0; q < head.queries; q += kRowsOfTile) {
    const int64_t rows = std::min<int64_t>(kRowsOfTile, head.queries - q);
    Product(head.q + q * head.q_stride, head.q_stride, rows, keys, length, head.size, length / kLanes, scores,
            length);
    float inverse[kRowsOfTile];
    for (int64_t r = 0; r < rows; ++r) {
      inverse[r] = 1.0f / ExponentialRow(scores + r * length, head.length, head.scale);
    }
    Product(scores, length, rows, values, size, head.length, size / kLanes, sums, size);
    for (int64_t r = 0; r < rows; ++r) {
      float* const out = head.out + (q + r) * head.out_stride;
      for (int64_t f = 0; f < head.size; f += kLanes) {
        const V v = hn::Mul(hn::Load(d, sums + r * size + f), hn::Set(d, inverse[r]));
        StoreFirst(v, out + f, head.size - f);
      }
    }
  }
}

const char* IsaName() {
  return hwy::TargetName(HWY_TARGET);
}

}  // namespace HWY_NAMESPACE
}  // namespace quantlab::engine
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace quantlab::engine {
namespace {

HWY_EXPORT(AddLayerNorm);
HWY_EXPORT(Gelu);
HWY_EXPORT(AttentionScratch);
HWY_EXPORT(AttendHead);
HWY_EXPORT(IsaName);

}  // namespace

const char* RowKernelsIsa() {
  LimitHighway();
  return HWY_DYNAMIC_DISPATCH(IsaName)();
}

void AddLayerNorm(const float* x, const float* residual, const NormParams& norm, int64_t n, float* out) {
  LimitHighway();
  HWY_DYNAMIC_DISPATCH(AddLayerNorm)(x, residual, norm, n, out);
}

void Gelu(float* x, int64_t n) {
  LimitHighway();
  HWY_DYNAMIC_DISPATCH(Gelu)(x, n);
}

int64_t AttentionScratch(int64_t length, int64_t size) {
  LimitHighway();
  return HWY_DYNAMIC_DISPATCH(AttentionScratch)(length, size);
}

void AttendHead(const HeadAttention& head, float* scratch) {
  LimitHighway();
  HWY_DYNAMIC_DISPATCH(AttendHead)(head, scratch);
}

}  // namespace quantlab::engine

#endif  // HWY_ONCE
