// Integer kernels of dynamically quantized linear layers on x86 and elsewhere, without LibTorch.
//
// All variants compute the same: the integer products are exact (32-bit sums, no 16-bit saturation on
// any CPU), and the few floating-point steps are written out, so every result is equal to the bit on
// every CPU and does not depend on which rows are computed together.
#ifndef QUANTLAB_WORKER_ENGINE_KERNELS_INT8_KERNELS_H_
#define QUANTLAB_WORKER_ENGINE_KERNELS_INT8_KERNELS_H_

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

namespace quantlab::engine {

// In rising order of speed.
enum class Int8Isa {
  kPortable,    // C++ alone
  kAvx2,        // 16-bit multiply-add into 32 bits: exact, about half as fast as with VNNI
  kAvxVnni,     // 256-bit dot products of bytes
  kAvx512Vnni,  // 512-bit dot products of bytes
};

// "avx512_vnni", …
const char* Int8IsaName(Int8Isa isa);

// What this CPU has, at most what onednn_isa.h allows (so that one variable holds oneDNN's kernels and these
// to an older CPU). Read once, when first called.
Int8Isa BestInt8Isa();
// The same from `cpu_best` and that limit (empty: none).
Int8Isa LimitInt8Isa(Int8Isa cpu_best, const std::string& onednn_max_cpu_isa);
// Whether this CPU can run `isa`.
bool CpuHasInt8Isa(Int8Isa isa);

// real = scale * (quantized - zero_point); quantized in 0..255, or 0..127 with reduce_range.
struct ActivationParams {
  float scale = 1;
  int32_t zero_point = 0;
};

// Follows fbgemm::ChooseQuantizationParams as PyTorch's quantized::linear_dynamic calls it: the range is
// widened to hold 0, scales below 6.1e-5 are raised to it, and the zero point is nudged to an integer.
// min, max: finite.
ActivationParams ChooseActivationParams(float min, float max, bool reduce_range);

struct RowRange {
  float min = 0, max = 0;
  bool finite = true;  // false: the row holds an infinity or a NaN, and min and max mean nothing
};
RowRange FindRowRange(Int8Isa isa, const float* x, int64_t n);

// q[i] = clamp(round_to_even(fma(x[i], 1 / scale, zero_point)), 0, 255), as FBGEMM rounds.
// q: `padded` >= n bytes; those from n on become 0.
void QuantizeRow(Int8Isa isa, const float* x, int64_t n, const ActivationParams& params, uint8_t* q,
                 int64_t padded);

// The same with a factor of its own for each input feature (SmoothQuant's, times 1 / scale):
// q[i] = clamp(round_to_even(fma(x[i], factor[i], zero_point)), 0, 255).
void QuantizeRowByFeature(Int8Isa isa, const float* x, int64_t n, const float* factor, int32_t zero_point,
                          uint8_t* q, int64_t padded);

// Columns (output channels) are packed in panels of this many.
inline constexpr int64_t kPanel = 32;
// Weights of more input features than this could overflow 32-bit sums.
inline constexpr int64_t kMaxInFeatures = 65536;

// INT8 weights laid out for the kernels: panels of 32 output channels, in each of them groups of 4 input
// features, in each of these 32 x 4 bytes. Input features are padded to a multiple of 4 and output
// channels to a multiple of 32 with zeros.
//
// Ownership: owns its memory. Threads: immutable.
class PackedInt8Weights {
 public:
  // weights: [out, in] row-major; 0 < in <= kMaxInFeatures.
  PackedInt8Weights(const int8_t* weights, int64_t out, int64_t in);

  int64_t in() const { return in_; }
  int64_t out() const { return out_; }
  int64_t padded_in() const { return groups_ * 4; }
  int64_t panels() const { return panels_; }
  // The weights as they were given, [out, in] row-major.
  void Unpack(int8_t* weights) const;

  const int8_t* panel(int64_t p) const { return data_.get() + p * groups_ * 4 * kPanel; }
  int64_t bytes() const { return panels_ * kPanel * (groups_ * 4 + 4); }
  // [panels * 32] sums over the input features of each output channel.
  const int32_t* column_sums() const { return sums_.get(); }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  int64_t in_, out_, groups_, panels_;
  std::unique_ptr<int8_t, Free> data_;
  std::unique_ptr<int32_t, Free> sums_;
};

// One linear layer over rows that are already quantized:
// out[r][c] = fma(float(sum_k (a[r][k] - zero_point[r]) * w[c][k]), scale[r] * weight_scale[c], bias[c]).
struct Int8GemmArgs {
  const uint8_t* a = nullptr;  // [rows, a_stride]; the first padded_in() bytes of each row are read
  int64_t a_stride = 0;        // bytes
  const ActivationParams* row_params = nullptr;  // [rows]
  int64_t rows = 0;
  const PackedInt8Weights* weights = nullptr;
  const float* weight_scale = nullptr;  // [panels * 32], padded
  const float* bias = nullptr;          // [panels * 32], padded with zeros
  float* out = nullptr;                 // [rows, out_stride]
  int64_t out_stride = 0;               // floats
};
// Computes the panels [panel_begin, panel_end). Different panels and rows may be computed by different
// threads at once.
void Int8Gemm(Int8Isa isa, const Int8GemmArgs& args, int64_t panel_begin, int64_t panel_end);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_KERNELS_INT8_KERNELS_H_
