#include "worker/engine/kernels/weight_kernels.h"

#include <algorithm>
#include <cstring>

#include "worker/engine/kernels/bf16_tile.h"
#include "worker/engine/kernels/onednn_isa.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "worker/engine/kernels/weight_kernels.cc"
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
constexpr int64_t kChannels = PackedWeights::kChannels;
// 24 accumulators where there are 32 registers, 12 where there are 16.
constexpr int kTileVectors = kLanes >= 16 ? 2 : 4;
constexpr int kTileRows = kLanes >= 16 ? 12 : 3;

// A panel as floats, [padded_in, 32], without the scale of its channels.
void DequantizePanel(const PackedWeights& weights, int64_t panel, float* HWY_RESTRICT out) {
  const D d;
  const hn::RebindToSigned<D> di;
  const int bits = weights.bits(), inputs = 32 / bits;
  const auto* words = reinterpret_cast<const int32_t*>(weights.panel(panel));
  for (int64_t first = 0; first < weights.padded_in(); first += inputs, words += kChannels) {
    const int64_t group = first / weights.group_size() * kChannels;
    for (int64_t c = 0; c < kChannels; c += kLanes) {
      const auto word = hn::LoadU(di, words + c);
      for (int i = 0; i < inputs; ++i) {
        const auto left = hn::ShiftLeftSame(word, 32 - bits * (i + 1));
        V value = hn::ConvertTo(d, hn::ShiftRightSame(left, 32 - bits));
        if (bits == 4) {
          value = hn::MulSub(value, hn::LoadU(d, weights.scale(panel) + group + c),
                             hn::LoadU(d, weights.shift(panel) + group + c));
        }
        hn::Store(value, d, out + (first + i) * kChannels + c);
      }
    }
  }
}

// `count` <= 32 channels of one row from their sums.
void FinishRow(const float* sums, const float* scale, const float* bias, int64_t count, float* out) {
  for (int64_t c = 0; c < count; ++c) out[c] = sums[c] * scale[c] + (bias == nullptr ? 0.0f : bias[c]);
}

template <int kRows>
HWY_NOINLINE void TileFp32(const float* HWY_RESTRICT x, int64_t stride, const float* HWY_RESTRICT panel,
                           float* HWY_RESTRICT sums) {
  const D d;
  for (int64_t c = 0; c < kChannels; c += kTileVectors * kLanes) {
    V acc[kRows][kTileVectors];
    for (int r = 0; r < kRows; ++r) {
      for (int j = 0; j < kTileVectors; ++j) acc[r][j] = hn::Zero(d);
    }
    for (int64_t k = 0; k < stride; ++k) {
      V w[kTileVectors];
      for (int j = 0; j < kTileVectors; ++j) w[j] = hn::Load(d, panel + k * kChannels + c + j * kLanes);
      for (int r = 0; r < kRows; ++r) {
        const V value = hn::Set(d, x[r * stride + k]);
        for (int j = 0; j < kTileVectors; ++j) acc[r][j] = hn::MulAdd(value, w[j], acc[r][j]);
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (int j = 0; j < kTileVectors; ++j) hn::Store(acc[r][j], d, sums + r * kChannels + c + j * kLanes);
    }
  }
}

void Gemm(const WeightGemmArgs& args, int64_t panel_begin, int64_t panel_end) {
  const PackedWeights& weights = *args.weights;
  const int64_t stride = weights.padded_in();
  float* const panel = static_cast<float*>(args.scratch);
  float* const sums = panel + stride * kChannels;
  for (int64_t p = panel_begin; p < panel_end; ++p) {
    DequantizePanel(weights, p, panel);
    const int64_t column = p * kChannels, count = std::min(kChannels, weights.out() - column);
    for (int64_t row = 0; row < args.rows;) {
      const float* const x = static_cast<const float*>(args.x) + row * stride;
      const int64_t rows = args.rows - row >= kTileRows ? kTileRows : 1;
      rows == 1 ? TileFp32<1>(x, stride, panel, sums) : TileFp32<kTileRows>(x, stride, panel, sums);
      for (int64_t r = 0; r < rows; ++r) {
        FinishRow(sums + r * kChannels, weights.channel_scale() + column,
                  args.bias == nullptr ? nullptr : args.bias + column, count,
                  args.out + (row + r) * weights.out() + column);
      }
      row += rows;
    }
  }
}

const char* Fp32Name() {
  switch (HWY_TARGET) {
    case HWY_AVX3:
      return "fp32/avx512";
    case HWY_AVX2:
      return "fp32/avx2";
    default:
      return "fp32/baseline";
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace quantlab::engine
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#if defined(__x86_64__)
#include <immintrin.h>
#define QL_X86 1
#define QL_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma")))
#define QL_INLINE __attribute__((always_inline)) inline
#endif

namespace quantlab::engine {
namespace {

HWY_EXPORT(Gemm);
HWY_EXPORT(Fp32Name);

#if QL_X86

// The inputs i and i + 1 of 16 channels as pairs of BF16, from words of `kBits` bits.
template <int kBits>
QL_BF16 QL_INLINE __m512i Bf16Pair(__m512i word, int i, __m512 scale, __m512 shift) {
  const auto extract = [&](int index) QL_BF16 {
    const __m512i left = _mm512_slli_epi32(word, static_cast<unsigned>(32 - kBits * (index + 1)));
    return _mm512_cvtepi32_ps(_mm512_srai_epi32(left, 32 - kBits));
  };
  if (kBits == 8) {  // integers of 8 bits are exact in BF16
    const __m512i low = _mm512_srli_epi32(_mm512_castps_si512(extract(i)), 16);
    const __m512i high = _mm512_and_si512(_mm512_castps_si512(extract(i + 1)), _mm512_set1_epi32(-65536));
    return _mm512_or_si512(low, high);
  }
  const auto round = [](__m512 v) QL_BF16 {
    const __m256bh rounded = _mm512_cvtneps_pbh(v);
    __m256i bits;
    std::memcpy(&bits, &rounded, sizeof(bits));
    return _mm512_cvtepu16_epi32(bits);
  };
  const __m512i low = round(_mm512_fmsub_ps(extract(i), scale, shift));
  const __m512i high = round(_mm512_fmsub_ps(extract(i + 1), scale, shift));
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

// A panel as [padded_in / 2, 32] pairs of BF16, without the scale of its channels.
template <int kBits>
QL_BF16 void DequantizePanelBf16(const PackedWeights& weights, int64_t panel, uint32_t* out) {
  constexpr int kInputs = 32 / kBits;
  constexpr int64_t kChannels = PackedWeights::kChannels;
  const uint32_t* words = weights.panel(panel);
  __m512 scale = _mm512_setzero_ps(), shift = scale;
  for (int64_t first = 0; first < weights.padded_in(); first += kInputs, words += kChannels) {
    const int64_t group = first / weights.group_size() * kChannels;
    for (int64_t c = 0; c < kChannels; c += 16) {
      if (kBits == 4) {
        scale = _mm512_loadu_ps(weights.scale(panel) + group + c);
        shift = _mm512_loadu_ps(weights.shift(panel) + group + c);
      }
      const __m512i word = _mm512_loadu_si512(words + c);
#pragma GCC unroll 8
      for (int i = 0; i < kInputs; i += 2) {
        _mm512_store_si512(out + (first + i) / 2 * kChannels + c, Bf16Pair<kBits>(word, i, scale, shift));
      }
    }
  }
}

QL_BF16 void FinishRowBf16(const float* sums, const float* scale, const float* bias, int64_t count,
                           float* out) {
  for (int64_t c = 0; c < count; c += 16) {
    const __mmask16 mask = count - c >= 16 ? 0xffff : static_cast<__mmask16>((1u << (count - c)) - 1);
    const __m512 b = bias == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(mask, bias + c);
    const __m512 v = _mm512_fmadd_ps(_mm512_load_ps(sums + c), _mm512_loadu_ps(scale + c), b);
    _mm512_mask_storeu_ps(out + c, mask, v);
  }
}

QL_BF16 void GemmBf16(const WeightGemmArgs& args, int64_t panel_begin, int64_t panel_end) {
  constexpr int64_t kChannels = PackedWeights::kChannels;
  const PackedWeights& weights = *args.weights;
  const int64_t stride = weights.padded_in();
  auto* const panel = static_cast<uint32_t*>(args.scratch);
  auto* const sums = reinterpret_cast<float*>(panel + stride / 2 * kChannels);
  for (int64_t p = panel_begin; p < panel_end; ++p) {
    weights.bits() == 8 ? DequantizePanelBf16<8>(weights, p, panel)
                        : DequantizePanelBf16<4>(weights, p, panel);
    const int64_t column = p * kChannels, count = std::min(kChannels, weights.out() - column);
    for (int64_t row = 0; row < args.rows;) {
      const int64_t left = args.rows - row;
      const int64_t rows = left <= kBf16TileRows      ? left
                           : left < 2 * kBf16TileRows ? (left + 1) / 2
                                                      : kBf16TileRows;
      MultiplyBf16Tile(rows, static_cast<const uint16_t*>(args.x) + row * stride, stride, panel, kChannels,
                       stride / 2, sums, kChannels);
      for (int64_t r = 0; r < rows; ++r) {
        FinishRowBf16(sums + r * kChannels, weights.channel_scale() + column,
                      args.bias == nullptr ? nullptr : args.bias + column, count,
                      args.out + (row + r) * weights.out() + column);
      }
      row += rows;
    }
  }
}

#endif  // QL_X86

}  // namespace

bool WeightGemmUsesBf16() {
  return HasBf16Products();
}

const char* WeightGemmName() {
  if (WeightGemmUsesBf16()) return "avx512_bf16";
  LimitHighway();
  return HWY_DYNAMIC_DISPATCH(Fp32Name)();
}

PackedWeights::PackedWeights(const int8_t* integers, int64_t out, int64_t in, int bits, int64_t groups,
                             int64_t group_size)
    : in_(in),
      out_(out),
      padded_in_((in + 7) / 8 * 8),
      panels_((out + kChannels - 1) / kChannels),
      bits_(bits),
      groups_(groups),
      group_size_(group_size) {
  const int64_t inputs = 32 / bits;
  const uint32_t mask = bits == 8 ? 0xffu : 0xfu;
  words_.assign(static_cast<size_t>(panels_ * kChannels * padded_in_ / inputs), 0);
  channel_scale_.assign(static_cast<size_t>(panels_ * kChannels), 1.0f);
  for (int64_t channel = 0; channel < out; ++channel) {
    uint32_t* const target =
        words_.data() + channel / kChannels * kChannels * padded_in_ / inputs + channel % kChannels;
    for (int64_t k = 0; k < in; ++k) {
      const auto value = static_cast<uint32_t>(integers[channel * in + k]) & mask;
      target[k / inputs * kChannels] |= value << (k % inputs * bits);
    }
  }
}

PackedWeights PackedWeights::Int8(const int8_t* integers, int64_t out, int64_t in,
                                  const float* channel_scale) {
  PackedWeights packed(integers, out, in, 8, 1, (in + 7) / 8 * 8);
  std::copy_n(channel_scale, out, packed.channel_scale_.begin());
  return packed;
}

PackedWeights PackedWeights::Int4(const int8_t* integers, int64_t out, int64_t in, const Groups& groups) {
  const int64_t count = (in + groups.size - 1) / groups.size;
  PackedWeights packed(integers, out, in, 4, count, groups.size);
  const auto size = static_cast<size_t>(packed.panels_ * count * kChannels);
  packed.scale_.assign(size, 0.0f);
  packed.shift_.assign(size, 0.0f);
  for (int64_t channel = 0; channel < out; ++channel) {
    for (int64_t g = 0; g < count; ++g) {
      const int64_t to = (channel / kChannels * count + g) * kChannels + channel % kChannels;
      packed.scale_[static_cast<size_t>(to)] = groups.scale[channel * count + g];
      packed.shift_[static_cast<size_t>(to)] = groups.shift[channel * count + g];
    }
  }
  return packed;
}

void PackedWeights::Unpack(int8_t* integers) const {
  const int64_t inputs = 32 / bits_;
  for (int64_t channel = 0; channel < out_; ++channel) {
    const uint32_t* const words = panel(channel / kChannels) + channel % kChannels;
    for (int64_t k = 0; k < in_; ++k) {
      const uint32_t left = words[k / inputs * kChannels] << (32 - bits_ * (k % inputs + 1));
      integers[channel * in_ + k] = static_cast<int8_t>(static_cast<int32_t>(left) >> (32 - bits_));
    }
  }
}

int64_t WeightGemmScratch(const PackedWeights& weights) {
  return (weights.padded_in() + kBf16TileRows) * PackedWeights::kChannels *
         static_cast<int64_t>(sizeof(float));
}

void WeightGemmFp32(const WeightGemmArgs& args, int64_t panel_begin, int64_t panel_end) {
  LimitHighway();
  HWY_DYNAMIC_DISPATCH(Gemm)(args, panel_begin, panel_end);
}

void WeightGemm(const WeightGemmArgs& args, int64_t panel_begin, int64_t panel_end) {
#if QL_X86
  if (WeightGemmUsesBf16()) return GemmBf16(args, panel_begin, panel_end);
#endif
  WeightGemmFp32(args, panel_begin, panel_end);
}

}  // namespace quantlab::engine

#endif  // HWY_ONCE
