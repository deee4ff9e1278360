#include "worker/engine/kernels/bf16_tile.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include "worker/engine/kernels/onednn_isa.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define QL_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma")))
#endif

namespace quantlab::engine {

#if defined(__x86_64__)

namespace {

bool Bf16Allowed() {
  const std::string limit = OneDnnMaxCpuIsa();
  return limit.empty() || limit.rfind("AVX512_CORE_BF16", 0) == 0 ||
         limit.rfind("AVX512_CORE_FP16", 0) == 0 || limit.rfind("AVX512_CORE_AMX", 0) == 0 ||
         limit.rfind("AVX10", 0) == 0;
}

// By name, as in int8_kernels.cc: GCC 12 copies accumulators around the intrinsic.
QL_BF16 __attribute__((always_inline)) inline void AddDots(__m512& acc, __m512i a, __m512i b) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
}

template <int kRows>
QL_BF16 __attribute__((noinline)) void Tile(const uint16_t* a, int64_t a_stride, const uint32_t* b,
                                            int64_t b_stride, int64_t pairs, float* out, int64_t out_stride) {
  // A pointer for every four rows: all addresses fit in registers.
  const uint16_t* rows[3] = {a, a + 4 * a_stride, a + 8 * a_stride};
  __m512 left[kRows], right[kRows];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) left[r] = right[r] = _mm512_setzero_ps();
  for (int64_t p = 0; p < pairs; ++p, b += b_stride) {
    const __m512i b0 = _mm512_load_si512(b), b1 = _mm512_load_si512(b + 16);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      int32_t pair;
      std::memcpy(&pair, rows[r / 4] + r % 4 * a_stride, 4);
      const __m512i value = _mm512_set1_epi32(pair);
      AddDots(left[r], value, b0);
      AddDots(right[r], value, b1);
    }
    for (const uint16_t*& row : rows) row += 2;
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
    _mm512_store_ps(out + r * out_stride, left[r]);
    _mm512_store_ps(out + r * out_stride + 16, right[r]);
  }
}

}  // namespace

bool HasBf16Products() {
  static const bool has = __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                          Bf16Allowed();
  return has;
}

void MultiplyBf16Tile(int64_t rows, const uint16_t* a, int64_t a_stride, const uint32_t* b, int64_t b_stride,
                      int64_t pairs, float* out, int64_t out_stride) {
  static constexpr decltype(&Tile<1>) kTiles[] = {nullptr,  Tile<1>,  Tile<2>, Tile<3>, Tile<4>,
                                                  Tile<5>,  Tile<6>,  Tile<7>, Tile<8>, Tile<9>,
                                                  Tile<10>, Tile<11>, Tile<12>};
  kTiles[rows](a, a_stride, b, b_stride, pairs, out, out_stride);
}

#else

bool HasBf16Products() {
  return false;
}

void MultiplyBf16Tile(int64_t, const uint16_t*, int64_t, const uint32_t*, int64_t, int64_t, float*, int64_t) {
  std::abort();  // HasBf16Products is false
}

#endif

}  // namespace quantlab::engine
