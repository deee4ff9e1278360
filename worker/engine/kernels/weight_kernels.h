// Products of floating-point rows with weights of 8 or 4 bits, on plain memory.
//
// The weights of 32 output channels at a time are dequantized into memory that fits a core's second-level
// cache, where all rows use them. With AVX512-BF16 rows and weights are BF16 and sums FP32; on other CPUs
// everything is FP32, vectorised with Highway for the best instruction set that onednn_isa.h allows.
//
// A row's result does not depend on the rows beside it or on threads, bit for bit.
#ifndef QUANTLAB_WORKER_ENGINE_KERNELS_WEIGHT_KERNELS_H_
#define QUANTLAB_WORKER_ENGINE_KERNELS_WEIGHT_KERNELS_H_

#include <cstdint>
#include <vector>

namespace quantlab::engine {

// Whether products are of BF16: the CPU has AVX512-BF16, and onednn_isa.h allows it.
bool WeightGemmUsesBf16();
// "avx512_bf16", or "fp32/" and the instruction set.
const char* WeightGemmName();

// Integer weights with what they mean: weight = channel_scale * (scale * integer - shift), scale and shift
// being those of the channel and of the group of inputs.
//
// Ownership: owns its memory. Threads: immutable.
class PackedWeights {
 public:
  static constexpr int64_t kChannels = 32;  // of a panel

  struct Groups {
    int64_t size = 0;  // inputs of a group, a multiple of 8
    // [out, ceil(in / size)] each.
    const float* scale = nullptr;
    const float* shift = nullptr;
  };

  // integers: [out, in] row-major, -128 to 127; channel_scale: [out].
  static PackedWeights Int8(const int8_t* integers, int64_t out, int64_t in, const float* channel_scale);
  // integers: [out, in] row-major, -8 to 7.
  static PackedWeights Int4(const int8_t* integers, int64_t out, int64_t in, const Groups& groups);

  int64_t in() const { return in_; }
  int64_t out() const { return out_; }
  // Inputs of a row as the kernels read it: in(), rounded up to a multiple of 8.
  int64_t padded_in() const { return padded_in_; }
  int64_t panels() const { return panels_; }
  int bits() const { return bits_; }
  int64_t groups() const { return groups_; }
  int64_t group_size() const { return group_size_; }
  // The integers as they were given, [out, in] row-major.
  void Unpack(int8_t* integers) const;

  // [padded_in / (32 / bits), 32] words of 32 / bits inputs of a channel, the first in the lowest bits.
  const uint32_t* panel(int64_t p) const { return words_.data() + p * padded_in_ / (32 / bits_) * kChannels; }
  // [groups, 32] of a panel; INT4 only.
  const float* scale(int64_t p) const { return scale_.data() + p * groups_ * kChannels; }
  const float* shift(int64_t p) const { return shift_.data() + p * groups_ * kChannels; }
  const float* channel_scale() const { return channel_scale_.data(); }  // [panels * 32]

 private:
  PackedWeights(const int8_t* integers, int64_t out, int64_t in, int bits, int64_t groups,
                int64_t group_size);

  int64_t in_, out_, padded_in_, panels_;
  int bits_;
  int64_t groups_, group_size_;
  std::vector<uint32_t> words_;
  std::vector<float> scale_, shift_, channel_scale_;
};

struct WeightGemmArgs {
  // [rows, padded_in()], zeros beyond in(): BF16 where WeightGemmUsesBf16(), else float.
  const void* x = nullptr;
  int64_t rows = 0;
  const PackedWeights* weights = nullptr;
  const float* bias = nullptr;  // [out]; nullptr for none
  float* out = nullptr;         // [rows, out]
  void* scratch = nullptr;      // WeightGemmScratch() bytes, aligned to 64, of the calling thread alone
};
int64_t WeightGemmScratch(const PackedWeights& weights);
// Computes the panels [panel_begin, panel_end). Different panels may be computed by different threads at
// once.
void WeightGemm(const WeightGemmArgs& args, int64_t panel_begin, int64_t panel_end);
// The FP32 product on any CPU, for tests.
void WeightGemmFp32(const WeightGemmArgs& args, int64_t panel_begin, int64_t panel_end);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_KERNELS_WEIGHT_KERNELS_H_
