#include "worker/engine/kernels/int8_kernels.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "worker/engine/kernels/onednn_isa.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#define QL_X86 1
#define QL_AVX2 __attribute__((target("avx2,fma")))
#define QL_AVXVNNI __attribute__((target("avx2,fma,avxvnni")))
#define QL_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma")))
#define QL_INLINE __attribute__((always_inline)) inline
#endif

namespace quantlab::engine {
namespace {

constexpr uint32_t kInfinityBits = 0x7f800000;
constexpr int64_t kGroupBytes = 4 * kPanel;

// ---- Portable: what the others must equal. ----

RowRange RangePortable(const float* x, int64_t n) {
  RowRange range{std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), true};
  for (int64_t i = 0; i < n; ++i) {
    range.finite &= (std::bit_cast<uint32_t>(x[i]) & kInfinityBits) != kInfinityBits;
    range.min = std::min(range.min, x[i]);
    range.max = std::max(range.max, x[i]);
  }
  return range;
}

void QuantizePortable(const float* x, int64_t n, float inverse, float zero, uint8_t* q) {
  for (int64_t i = 0; i < n; ++i) {
    const float value = std::nearbyint(std::fma(x[i], inverse, zero));
    q[i] = static_cast<uint8_t>(std::clamp(value, 0.0f, 255.0f));
  }
}

void QuantizeByFeaturePortable(const float* x, int64_t n, const float* factor, float zero, uint8_t* q) {
  for (int64_t i = 0; i < n; ++i) QuantizePortable(x + i, 1, factor[i], zero, q + i);
}

// Finishes `count` columns of one row from 32-bit sums.
void Finish(const int32_t* sums, const Int8GemmArgs& args, int64_t row, int64_t column, int64_t count) {
  const ActivationParams& params = args.row_params[row];
  float* out = args.out + row * args.out_stride + column;
  for (int64_t c = 0; c < count; ++c) {
    const int32_t centred = sums[c] - params.zero_point * args.weights->column_sums()[column + c];
    const float scale = params.scale * args.weight_scale[column + c];
    out[c] = std::fma(static_cast<float>(centred), scale, args.bias[column + c]);
  }
}

void PanelPortable(const Int8GemmArgs& args, int64_t panel) {
  const int8_t* weights = args.weights->panel(panel);
  const int64_t groups = args.weights->padded_in() / 4, column = panel * kPanel;
  const int64_t count = std::min(kPanel, args.weights->out() - column);
  for (int64_t row = 0; row < args.rows; ++row) {
    const uint8_t* a = args.a + row * args.a_stride;
    int32_t sums[kPanel] = {};
    for (int64_t g = 0; g < groups; ++g) {
      const int8_t* w = weights + g * kGroupBytes;
      for (int64_t c = 0; c < kPanel; ++c) {
        for (int64_t k = 0; k < 4; ++k) sums[c] += int32_t{a[4 * g + k]} * int32_t{w[4 * c + k]};
      }
    }
    Finish(sums, args, row, column, count);
  }
}

#if QL_X86

// ---- AVX2: rows, and products of bytes widened to 16 bits. ----

QL_AVX2 RowRange RangeAvx2(const float* x, int64_t n) {
  if (n < 8) return RangePortable(x, n);
  __m256 low = _mm256_loadu_ps(x), high = low;
  __m256i largest = _mm256_setzero_si256();
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  // The last step overlaps the one before it instead of leaving a rest.
  for (int64_t i = 0; i < n; i = (i + 8 < n && i + 16 > n) ? n - 8 : i + 8) {
    const __m256 v = _mm256_loadu_ps(x + i);
    low = _mm256_min_ps(low, v);
    high = _mm256_max_ps(high, v);
    largest = _mm256_max_epu32(largest, _mm256_and_si256(_mm256_castps_si256(v), magnitude));
  }
  alignas(32) float lows[8], highs[8];
  alignas(32) uint32_t bits[8];
  _mm256_store_ps(lows, low);
  _mm256_store_ps(highs, high);
  _mm256_store_si256(reinterpret_cast<__m256i*>(bits), largest);
  return {*std::min_element(lows, lows + 8), *std::max_element(highs, highs + 8),
          *std::max_element(bits, bits + 8) < kInfinityBits};
}

QL_AVX2 QL_INLINE void StoreBytesAvx2(__m256 v, uint8_t* q) {
  // Clamped first: the conversion cannot overflow.
  v = _mm256_min_ps(_mm256_max_ps(v, _mm256_setzero_ps()), _mm256_set1_ps(255.0f));
  const __m256i w = _mm256_cvtps_epi32(v);  // rounds to even, the default mode
  const __m128i h = _mm_packus_epi32(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(q), _mm_packus_epi16(h, h));
}

QL_AVX2 void QuantizeAvx2(const float* x, int64_t n, float inverse, float zero, uint8_t* q) {
  const __m256 inverse8 = _mm256_set1_ps(inverse), zero8 = _mm256_set1_ps(zero);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    StoreBytesAvx2(_mm256_fmadd_ps(_mm256_loadu_ps(x + i), inverse8, zero8), q + i);
  }
  QuantizePortable(x + i, n - i, inverse, zero, q + i);
}

QL_AVX2 void QuantizeByFeatureAvx2(const float* x, int64_t n, const float* factor, float zero, uint8_t* q) {
  const __m256 zero8 = _mm256_set1_ps(zero);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    StoreBytesAvx2(_mm256_fmadd_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(factor + i), zero8), q + i);
  }
  QuantizeByFeaturePortable(x + i, n - i, factor + i, zero, q + i);
}

// Finish for 8 columns of a panel; what lies beyond the last output channel is not written.
QL_AVX2 QL_INLINE void FinishAvx2(__m256i sums, const Int8GemmArgs& args, int64_t row, int64_t column) {
  const ActivationParams& params = args.row_params[row];
  const __m256i* totals = reinterpret_cast<const __m256i*>(args.weights->column_sums() + column);
  const __m256i shift = _mm256_mullo_epi32(_mm256_set1_epi32(params.zero_point), _mm256_load_si256(totals));
  const __m256 scale =
      _mm256_mul_ps(_mm256_set1_ps(params.scale), _mm256_loadu_ps(args.weight_scale + column));
  const __m256 value = _mm256_fmadd_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(sums, shift)), scale,
                                       _mm256_loadu_ps(args.bias + column));
  const int64_t count = args.weights->out() - column;
  float* out = args.out + row * args.out_stride + column;
  if (count >= 8) return _mm256_storeu_ps(out, value);
  alignas(32) float rest[8];
  _mm256_store_ps(rest, value);
  for (int64_t c = 0; c < count; ++c) out[c] = rest[c];
}

// 4 columns x 4 input features at a time: 16 weights become 16-bit, multiply-add gives two sums each.
template <int kRows>
QL_AVX2 QL_INLINE void TileAvx2(const Int8GemmArgs& args, const int8_t* weights, int64_t row,
                                int64_t column) {
  const int64_t groups = args.weights->padded_in() / 4;
  __m256i even[kRows], odd[kRows];
  for (int r = 0; r < kRows; ++r) even[r] = odd[r] = _mm256_setzero_si256();
  for (int64_t g = 0; g < groups; ++g) {
    const auto* w = reinterpret_cast<const __m128i*>(weights + g * kGroupBytes);
    const __m256i w0 = _mm256_cvtepi8_epi16(_mm_load_si128(w));
    const __m256i w1 = _mm256_cvtepi8_epi16(_mm_load_si128(w + 1));
    for (int r = 0; r < kRows; ++r) {
      int32_t four;
      std::memcpy(&four, args.a + (row + r) * args.a_stride + 4 * g, 4);
      const __m256i a = _mm256_broadcastq_epi64(_mm_cvtepu8_epi16(_mm_cvtsi32_si128(four)));
      even[r] = _mm256_add_epi32(even[r], _mm256_madd_epi16(a, w0));
      odd[r] = _mm256_add_epi32(odd[r], _mm256_madd_epi16(a, w1));
    }
  }
  for (int r = 0; r < kRows; ++r) {
    const __m256i pairs = _mm256_hadd_epi32(even[r], odd[r]);  // columns 0 1 4 5 2 3 6 7
    FinishAvx2(_mm256_permute4x64_epi64(pairs, 0xd8), args, row + r, column);
  }
}

QL_AVX2 void PanelAvx2(const Int8GemmArgs& args, int64_t panel) {
  for (int64_t part = 0; part < kPanel; part += 8) {
    const int64_t column = panel * kPanel + part;
    if (column >= args.weights->out()) return;
    const int8_t* weights = args.weights->panel(panel) + 4 * part;
    int64_t row = 0;
    for (; row + 4 <= args.rows; row += 4) TileAvx2<4>(args, weights, row, column);
    for (; row < args.rows; ++row) TileAvx2<1>(args, weights, row, column);
  }
}

// ---- AVX-VNNI: 256-bit dot products of bytes. ----

template <int kRows>
QL_AVXVNNI QL_INLINE void TileAvxVnni(const Int8GemmArgs& args, const int8_t* weights, int64_t row,
                                      int64_t column) {
  const int64_t groups = args.weights->padded_in() / 4;
  __m256i acc[kRows][4];
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < 4; ++c) acc[r][c] = _mm256_setzero_si256();
  }
  for (int64_t g = 0; g < groups; ++g) {
    const auto* w = reinterpret_cast<const __m256i*>(weights + g * kGroupBytes);
    for (int r = 0; r < kRows; ++r) {
      int32_t four;
      std::memcpy(&four, args.a + (row + r) * args.a_stride + 4 * g, 4);
      const __m256i a = _mm256_set1_epi32(four);
      for (int c = 0; c < 4; ++c) acc[r][c] = _mm256_dpbusd_avx_epi32(acc[r][c], a, _mm256_load_si256(w + c));
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < 4; ++c) {
      if (column + 8 * c < args.weights->out()) FinishAvx2(acc[r][c], args, row + r, column + 8 * c);
    }
  }
}

QL_AVXVNNI void PanelAvxVnni(const Int8GemmArgs& args, int64_t panel) {
  const int8_t* weights = args.weights->panel(panel);
  const int64_t column = panel * kPanel;
  int64_t row = 0;
  for (; row + 3 <= args.rows; row += 3) TileAvxVnni<3>(args, weights, row, column);
  for (; row < args.rows; ++row) TileAvxVnni<1>(args, weights, row, column);
}

// ---- AVX-512 VNNI ----

QL_AVX512 RowRange RangeAvx512(const float* x, int64_t n) {
  __m512 low = _mm512_set1_ps(std::numeric_limits<float>::infinity());
  __m512 high = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
  __m512i largest = _mm512_setzero_si512();
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 mask = n - i >= 16 ? 0xffff : static_cast<__mmask16>((1u << (n - i)) - 1);
    const __m512 v = _mm512_maskz_loadu_ps(mask, x + i);
    low = _mm512_mask_min_ps(low, mask, low, v);
    high = _mm512_mask_max_ps(high, mask, high, v);
    largest = _mm512_max_epu32(largest, _mm512_and_si512(_mm512_castps_si512(v), magnitude));
  }
  return {_mm512_reduce_min_ps(low), _mm512_reduce_max_ps(high),
          _mm512_reduce_max_epu32(largest) < kInfinityBits};
}

QL_AVX512 QL_INLINE void StoreBytesAvx512(__m512 v, __mmask16 mask, uint8_t* q) {
  v = _mm512_min_ps(_mm512_max_ps(v, _mm512_setzero_ps()), _mm512_set1_ps(255.0f));
  _mm_mask_storeu_epi8(q, mask, _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(v)));
}

QL_AVX512 void QuantizeAvx512(const float* x, int64_t n, float inverse, float zero, uint8_t* q) {
  const __m512 inverse16 = _mm512_set1_ps(inverse), zero16 = _mm512_set1_ps(zero);
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 mask = n - i >= 16 ? 0xffff : static_cast<__mmask16>((1u << (n - i)) - 1);
    StoreBytesAvx512(_mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, x + i), inverse16, zero16), mask, q + i);
  }
}

QL_AVX512 void QuantizeByFeatureAvx512(const float* x, int64_t n, const float* factor, float zero,
                                       uint8_t* q) {
  const __m512 zero16 = _mm512_set1_ps(zero);
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 mask = n - i >= 16 ? 0xffff : static_cast<__mmask16>((1u << (n - i)) - 1);
    const __m512 v = _mm512_maskz_loadu_ps(mask, x + i), f = _mm512_maskz_loadu_ps(mask, factor + i);
    StoreBytesAvx512(_mm512_fmadd_ps(v, f, zero16), mask, q + i);
  }
}

// acc[i] += sum over k of a[4 i + k] * w[4 i + k]. By name instead of the intrinsic, around which GCC 12
// copies every accumulator twice in TileAvx512: more copies than products, a third of the speed on CPUs of
// four instructions a cycle.
QL_AVX512 QL_INLINE void AddDots(__m512i& acc, __m512i a, __m512i w) {
  asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(w));
}

constexpr int kMaxTileRows = 12;

// kRows x 32 outputs: 2 x kRows accumulators stay in registers over all input features.
template <int kRows>
QL_AVX512 QL_INLINE void TileAvx512(const Int8GemmArgs& args, const int8_t* weights, int64_t row,
                                    int64_t column) {
  const int64_t groups = args.weights->padded_in() / 4, stride = args.a_stride;
  // A pointer for every four rows: all addresses fit in registers.
  const uint8_t* a[3] = {args.a + row * stride, args.a + (row + 4) * stride, args.a + (row + 8) * stride};
  __m512i left[kRows], right[kRows];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) left[r] = right[r] = _mm512_setzero_si512();
  for (int64_t g = 0; g < groups; ++g, weights += kGroupBytes) {
    const __m512i w0 = _mm512_load_si512(weights), w1 = _mm512_load_si512(weights + 64);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      int32_t four;
      std::memcpy(&four, a[r / 4] + r % 4 * stride, 4);
      const __m512i value = _mm512_set1_epi32(four);
      AddDots(left[r], value, w0);
      AddDots(right[r], value, w1);
    }
    for (const uint8_t*& rows : a) rows += 4;
  }
  const int64_t count = std::min(kPanel, args.weights->out() - column);
  const uint32_t mask = count >= 32 ? 0xffffffffu : (1u << count) - 1;
  const int32_t* sums = args.weights->column_sums() + column;
  const __m512i sums0 = _mm512_load_si512(sums), sums1 = _mm512_load_si512(sums + 16);
  const __m512 scale0 = _mm512_loadu_ps(args.weight_scale + column);
  const __m512 scale1 = _mm512_loadu_ps(args.weight_scale + column + 16);
  const __m512 bias0 = _mm512_loadu_ps(args.bias + column), bias1 = _mm512_loadu_ps(args.bias + column + 16);
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
    const __m512i zero = _mm512_set1_epi32(args.row_params[row + r].zero_point);
    const __m512 scale = _mm512_set1_ps(args.row_params[row + r].scale);
    const __m512i v0 = _mm512_sub_epi32(left[r], _mm512_mullo_epi32(zero, sums0));
    const __m512i v1 = _mm512_sub_epi32(right[r], _mm512_mullo_epi32(zero, sums1));
    float* out = args.out + (row + r) * args.out_stride + column;
    _mm512_mask_storeu_ps(out, static_cast<__mmask16>(mask),
                          _mm512_fmadd_ps(_mm512_cvtepi32_ps(v0), _mm512_mul_ps(scale, scale0), bias0));
    _mm512_mask_storeu_ps(out + 16, static_cast<__mmask16>(mask >> 16),
                          _mm512_fmadd_ps(_mm512_cvtepi32_ps(v1), _mm512_mul_ps(scale, scale1), bias1));
  }
}

// noinline: each width gets registers of its own.
template <int kRows>
QL_AVX512 __attribute__((noinline)) void RowsAvx512(const Int8GemmArgs& args, const int8_t* weights,
                                                    int64_t row, int64_t column) {
  TileAvx512<kRows>(args, weights, row, column);
}

QL_AVX512 void PanelAvx512(const Int8GemmArgs& args, int64_t panel) {
  using Tile = void (*)(const Int8GemmArgs&, const int8_t*, int64_t, int64_t);
  static constexpr Tile kTiles[] = {
      nullptr,        RowsAvx512<1>,  RowsAvx512<2>,           RowsAvx512<3>, RowsAvx512<4>,
      RowsAvx512<5>,  RowsAvx512<6>,  RowsAvx512<7>,           RowsAvx512<8>, RowsAvx512<9>,
      RowsAvx512<10>, RowsAvx512<11>, RowsAvx512<kMaxTileRows>};
  const int8_t* weights = args.weights->panel(panel);
  for (int64_t row = 0; row < args.rows;) {
    // 13 to 23 rows are halved: two middling tiles beat a full and a thin one.
    const int64_t left = args.rows - row;
    const int64_t rows = left <= kMaxTileRows      ? left
                         : left < 2 * kMaxTileRows ? (left + 1) / 2
                                                   : kMaxTileRows;
    kTiles[rows](args, weights, row, panel * kPanel);
    row += rows;
  }
}

#endif  // QL_X86

#if QL_X86
// clang 16 does not know it by name.
bool CpuHasAvxVnni() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & (1u << 4)) != 0;
}
#endif

template <typename T>
T* AllocateZeroed(int64_t count) {
  const size_t bytes = (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64;
  void* memory = std::aligned_alloc(64, bytes);
  if (memory == nullptr) throw std::bad_alloc();
  std::memset(memory, 0, bytes);
  return static_cast<T*>(memory);
}

Int8Isa DetectInt8Isa() {
  for (Int8Isa isa : {Int8Isa::kAvx512Vnni, Int8Isa::kAvxVnni, Int8Isa::kAvx2}) {
    if (CpuHasInt8Isa(isa)) return isa;
  }
  return Int8Isa::kPortable;
}

}  // namespace

const char* Int8IsaName(Int8Isa isa) {
  switch (isa) {
    case Int8Isa::kPortable:
      return "portable";
    case Int8Isa::kAvx2:
      return "avx2";
    case Int8Isa::kAvxVnni:
      return "avx_vnni";
    case Int8Isa::kAvx512Vnni:
      return "avx512_vnni";
  }
  return "unknown";
}

bool CpuHasInt8Isa(Int8Isa isa) {
#if QL_X86
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  switch (isa) {
    case Int8Isa::kPortable:
      return true;
    case Int8Isa::kAvx2:
      return avx2;
    case Int8Isa::kAvxVnni:
      return avx2 && CpuHasAvxVnni();
    case Int8Isa::kAvx512Vnni:
      return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vnni");
  }
  return false;
#else
  return isa == Int8Isa::kPortable;
#endif
}

Int8Isa LimitInt8Isa(Int8Isa cpu_best, const std::string& limit) {
  Int8Isa most = Int8Isa::kAvx512Vnni;
  if (limit == "SSE41" || limit == "AVX") most = Int8Isa::kPortable;
  if (limit == "AVX2" || limit == "AVX512_CORE") most = Int8Isa::kAvx2;
  if (limit == "AVX2_VNNI" || limit == "AVX2_VNNI_2") most = Int8Isa::kAvxVnni;
  if (cpu_best <= most) return cpu_best;
  // A CPU with 512-bit VNNI may lack the 256-bit one.
  return most == Int8Isa::kAvxVnni && !CpuHasInt8Isa(most) ? Int8Isa::kAvx2 : most;
}

Int8Isa BestInt8Isa() {
  static const Int8Isa best = LimitInt8Isa(DetectInt8Isa(), OneDnnMaxCpuIsa());
  return best;
}

ActivationParams ChooseActivationParams(float min, float max, bool reduce_range) {
  constexpr float kSmallScale = 6.1e-5f;  // below it, half-precision scales would be subnormal
  const int32_t top = reduce_range ? 127 : 255;
  min = std::min(min, 0.0f);
  max = std::max(max, 0.0f);
  double scale = (static_cast<double>(max) - min) / top;
  if (static_cast<float>(scale) == 0.0f || std::isinf(1.0f / static_cast<float>(scale))) scale = 0.1;
  if (scale < kSmallScale) {
    const float amplifier = kSmallScale / static_cast<float>(scale);
    scale = kSmallScale;
    if (min == 0.0f) {
      max = kSmallScale * static_cast<float>(top);
    } else if (max == 0.0f) {
      min = -kSmallScale * static_cast<float>(top);
    } else {
      min *= amplifier;
      max *= amplifier;
    }
  }
  // Of the two ends, the one whose arithmetic loses less fixes the zero point.
  const double from_min = -min / scale, from_max = top - max / scale;
  const double min_error = -std::abs(min / scale), max_error = top - std::abs(max / scale);
  const double zero = min_error < max_error ? from_min : from_max;
  return {static_cast<float>(scale),
          static_cast<int32_t>(std::nearbyint(std::clamp(zero, 0.0, static_cast<double>(top))))};
}

RowRange FindRowRange(Int8Isa isa, const float* x, int64_t n) {
#if QL_X86
  if (isa == Int8Isa::kAvx512Vnni) return RangeAvx512(x, n);
  if (isa != Int8Isa::kPortable) return RangeAvx2(x, n);
#endif
  return RangePortable(x, n);
}

void QuantizeRow(Int8Isa isa, const float* x, int64_t n, const ActivationParams& params, uint8_t* q,
                 int64_t padded) {
  const float inverse = 1.0f / params.scale, zero = static_cast<float>(params.zero_point);
  std::memset(q + n, 0, static_cast<size_t>(padded - n));
#if QL_X86
  if (isa == Int8Isa::kAvx512Vnni) return QuantizeAvx512(x, n, inverse, zero, q);
  if (isa != Int8Isa::kPortable) return QuantizeAvx2(x, n, inverse, zero, q);
#endif
  QuantizePortable(x, n, inverse, zero, q);
}

void QuantizeRowByFeature(Int8Isa isa, const float* x, int64_t n, const float* factor, int32_t zero_point,
                          uint8_t* q, int64_t padded) {
  const float zero = static_cast<float>(zero_point);
  std::memset(q + n, 0, static_cast<size_t>(padded - n));
#if QL_X86
  if (isa == Int8Isa::kAvx512Vnni) return QuantizeByFeatureAvx512(x, n, factor, zero, q);
  if (isa != Int8Isa::kPortable) return QuantizeByFeatureAvx2(x, n, factor, zero, q);
#endif
  QuantizeByFeaturePortable(x, n, factor, zero, q);
}

PackedInt8Weights::PackedInt8Weights(const int8_t* weights, int64_t out, int64_t in)
    : in_(in), out_(out), groups_((in + 3) / 4), panels_((out + kPanel - 1) / kPanel) {
  data_.reset(AllocateZeroed<int8_t>(panels_ * groups_ * kGroupBytes));
  sums_.reset(AllocateZeroed<int32_t>(panels_ * kPanel));
  for (int64_t column = 0; column < out; ++column) {
    int8_t* target = data_.get() + (column / kPanel) * groups_ * kGroupBytes + 4 * (column % kPanel);
    const int8_t* source = weights + column * in;
    int32_t sum = 0;
    for (int64_t k = 0; k < in; ++k) {
      target[(k / 4) * kGroupBytes + k % 4] = source[k];
      sum += source[k];
    }
    sums_.get()[column] = sum;
  }
}

void PackedInt8Weights::Unpack(int8_t* weights) const {
  for (int64_t column = 0; column < out_; ++column) {
    const int8_t* source = panel(column / kPanel) + 4 * (column % kPanel);
    for (int64_t k = 0; k < in_; ++k) weights[column * in_ + k] = source[(k / 4) * kGroupBytes + k % 4];
  }
}

void Int8Gemm(Int8Isa isa, const Int8GemmArgs& args, int64_t panel_begin, int64_t panel_end) {
  auto* panel_kernel = PanelPortable;
#if QL_X86
  if (isa == Int8Isa::kAvx512Vnni) panel_kernel = PanelAvx512;
  if (isa == Int8Isa::kAvxVnni) panel_kernel = PanelAvxVnni;
  if (isa == Int8Isa::kAvx2) panel_kernel = PanelAvx2;
#endif
  for (int64_t panel = panel_begin; panel < panel_end; ++panel) panel_kernel(args, panel);
}

}  // namespace quantlab::engine
