// Kernels over rows of activations on NVIDIA GPUs, each one pass over memory: residual sum with LayerNorm,
// sum of embedding rows with LayerNorm, quantization of rows. Plain C++, so that callers need no CUDA
// headers.
//
// All pointers are device memory, rows contiguous and 16-byte aligned; every function launches on `stream`
// (a cudaStream_t) and returns at once. nullptr: launched; otherwise what went wrong.
#ifndef QUANTLAB_WORKER_ENGINE_GPU_ROW_KERNELS_H_
#define QUANTLAB_WORKER_ENGINE_GPU_ROW_KERNELS_H_

#include <cstdint>

namespace quantlab::engine::gpu {

enum class ElementType { kFloat, kHalf, kBFloat16 };

// Rows that the kernels take: a multiple of 8 elements, at most this many.
inline constexpr int kMaxRowWidth = 8192;

// out[r] = LayerNorm(x[r] + residual[r]) * weight + bias; sums in FP32. residual: null for none.
struct LayerNormArgs {
  const void* x = nullptr;         // [rows, width]
  const void* residual = nullptr;  // the same
  const float* weight = nullptr;   // [width]
  const float* bias = nullptr;     // [width]
  void* out = nullptr;             // [rows, width] of x's type
  ElementType type = ElementType::kHalf;
  int64_t rows = 0;
  int width = 0;
  float epsilon = 0;
  void* stream = nullptr;
};
const char* LayerNormRows(const LayerNormArgs& args);

// out[r] = LayerNorm(word[ids[r]] + position[positions[r]] + token_type[types[r]]) * weight + bias.
struct EmbedArgs {
  const void* word = nullptr;        // [words, width]
  const void* position = nullptr;    // [positions, width]
  const void* token_type = nullptr;  // [types, width]; null for none
  const int64_t* ids = nullptr;      // [rows]; in range
  const int64_t* positions = nullptr;
  const int64_t* types = nullptr;
  const float* weight = nullptr;
  const float* bias = nullptr;
  void* out = nullptr;
  ElementType table_type = ElementType::kFloat, out_type = ElementType::kHalf;
  int64_t rows = 0;
  int width = 0;
  float epsilon = 0;
  void* stream = nullptr;
};
const char* EmbedRows(const EmbedArgs& args);

// How the rows of an input become bytes.
enum class RowFormat {
  kInt8PerRow,  // u8 with scale and zero point of each row, as ChooseActivationParams of int8_kernels.h
  kInt8Fixed,   // u8 with the given scale and zero point
  kFp8PerRow,   // FP8 E4M3 with a scale of each row: max|x| / 448
  kFp8Fixed,    // FP8 E4M3 with the given scale
};

// bytes: u8 values less 128, as int8, or FP8. A row with an infinity or a NaN gets the scale NaN.
// row_shift (INT8 only): 128 less the zero point, which ScaledGemm multiplies by the sums of the weights.
struct QuantizeArgs {
  const void* x = nullptr;  // [rows, width]
  const float* factor =
      nullptr;                 // kInt8Fixed: [width], by which x is multiplied in place of 1 / scale; or null
  void* bytes = nullptr;       // [rows, width]
  float* row_scale = nullptr;  // [rows]
  float* row_shift = nullptr;  // [rows]
  ElementType type = ElementType::kHalf;
  RowFormat format = RowFormat::kInt8PerRow;
  float scale = 1;     // of the fixed formats
  int zero_point = 0;  // of kInt8Fixed
  int top = 255;       // largest u8 value: 127 with reduce_range
  int64_t rows = 0;
  int width = 0;
  void* stream = nullptr;
};
const char* QuantizeRows(const QuantizeArgs& args);

}  // namespace quantlab::engine::gpu

#endif  // QUANTLAB_WORKER_ENGINE_GPU_ROW_KERNELS_H_
