#include "worker/engine/gpu/row_kernels.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <cuda_runtime.h>
#include <math_constants.h>

namespace quantlab::engine::gpu {
namespace {

constexpr int kVector = 8;  // elements that a thread loads at once
constexpr int kWarp = 32;

__device__ float ToFloat(float x) { return x; }
__device__ float ToFloat(__half x) { return __half2float(x); }
__device__ float ToFloat(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ void FromFloat(float x, float& out) { out = x; }
__device__ void FromFloat(float x, __half& out) { out = __float2half_rn(x); }
__device__ void FromFloat(float x, __nv_bfloat16& out) { out = __float2bfloat16_rn(x); }

template <class T>
struct alignas(16) Vector {
  T values[kVector];
};

// Adds the vector at `from` to `sum`.
template <class T>
__device__ void AddVector(const T* from, float (&sum)[kVector]) {
  const Vector<T> vector = *reinterpret_cast<const Vector<T>*>(from);
#pragma unroll
  for (int i = 0; i < kVector; ++i) sum[i] += ToFloat(vector.values[i]);
}

template <class T>
__device__ void StoreVector(const float (&values)[kVector], T* to) {
  Vector<T> vector;
#pragma unroll
  for (int i = 0; i < kVector; ++i) FromFloat(values[i], vector.values[i]);
  *reinterpret_cast<Vector<T>*>(to) = vector;
}

struct Sum {
  __device__ float operator()(float a, float b) const { return a + b; }
};
struct Least {
  __device__ float operator()(float a, float b) const { return fminf(a, b); }
};
struct Most {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

// The reduction of `value` over the `kThreads` threads of a row, in all of them. A block has one row where
// kThreads is more than a warp; `shared` has room for one value of each warp.
template <int kThreads, class Operation>
__device__ float Reduce(float value, Operation operation, float* shared) {
#pragma unroll
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    value = operation(value, __shfl_xor_sync(0xffffffffu, value, offset));
  }
  if constexpr (kThreads > kWarp) {
    __syncthreads();  // the values of the reduction before have been read
    if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = value;
    __syncthreads();
    value = shared[0];
#pragma unroll
    for (int warp = 1; warp < kThreads / kWarp; ++warp) value = operation(value, shared[warp]);
  }
  return value;
}

// A row lies in the registers of its threads: thread t has the vectors t, t + kThreads, ….
template <int kThreads, int kVectors>
struct Row {
  float values[kVectors][kVector];

  template <class Body>
  __device__ void ForEach(int width, const Body& body) {
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      const int column = (v * kThreads + threadIdx.x % kThreads) * kVector;
      if (column < width) body(column, values[v]);
    }
  }
};

template <int kThreads, int kVectors, class Out>
__device__ void NormAndStore(Row<kThreads, kVectors>& row, const float* weight, const float* bias, int width,
                             float epsilon, Out* out) {
  __shared__ float shared[kThreads / kWarp];
  float sum = 0;
  row.ForEach(width, [&](int, float(&x)[kVector]) {
#pragma unroll
    for (int i = 0; i < kVector; ++i) sum += x[i];
  });
  const float mean = Reduce<kThreads>(sum, Sum(), shared) / width;
  float squares = 0;
  row.ForEach(width, [&](int, float(&x)[kVector]) {
#pragma unroll
    for (int i = 0; i < kVector; ++i) squares += (x[i] - mean) * (x[i] - mean);
  });
  const float inverse = rsqrtf(Reduce<kThreads>(squares, Sum(), shared) / width + epsilon);
  row.ForEach(width, [&](int column, float(&x)[kVector]) {
    float scale[kVector] = {}, shift[kVector] = {};
    AddVector(weight + column, scale);
    AddVector(bias + column, shift);
#pragma unroll
    for (int i = 0; i < kVector; ++i) x[i] = (x[i] - mean) * inverse * scale[i] + shift[i];
    StoreVector(x, out + column);
  });
}

template <int kThreads>
__device__ int64_t RowOfThread() {
  return static_cast<int64_t>(blockIdx.x) * (blockDim.x / kThreads) + threadIdx.x / kThreads;
}

template <class T, int kThreads, int kVectors>
__global__ void LayerNormKernel(LayerNormArgs args) {
  const int64_t r = RowOfThread<kThreads>();
  if (r >= args.rows) return;
  const T* x = static_cast<const T*>(args.x) + r * args.width;
  const T* residual = args.residual ? static_cast<const T*>(args.residual) + r * args.width : nullptr;
  Row<kThreads, kVectors> row = {};
  row.ForEach(args.width, [&](int column, float(&values)[kVector]) {
    AddVector(x + column, values);
    if (residual) AddVector(residual + column, values);
  });
  NormAndStore(row, args.weight, args.bias, args.width, args.epsilon,
               static_cast<T*>(args.out) + r * args.width);
}

template <class T, class Out, int kThreads, int kVectors>
__global__ void EmbedKernel(EmbedArgs args) {
  const int64_t r = RowOfThread<kThreads>();
  if (r >= args.rows) return;
  const T* word = static_cast<const T*>(args.word) + args.ids[r] * args.width;
  const T* position = static_cast<const T*>(args.position) + args.positions[r] * args.width;
  const T* type = args.token_type ? static_cast<const T*>(args.token_type) + args.types[r] * args.width : nullptr;
  Row<kThreads, kVectors> row = {};
  row.ForEach(args.width, [&](int column, float(&values)[kVector]) {
    AddVector(word + column, values);
    if (type) AddVector(type + column, values);
    AddVector(position + column, values);
  });
  NormAndStore(row, args.weight, args.bias, args.width, args.epsilon,
               static_cast<Out*>(args.out) + r * args.width);
}

struct Params {
  float scale;
  int zero_point;
};

// ChooseActivationParams of kernels/int8_kernels.cc, which says why; in double as there.
__device__ Params ChooseParams(float min, float max, int top) {
  constexpr float kSmallScale = 6.1e-5f;
  min = fminf(min, 0.0f);
  max = fmaxf(max, 0.0f);
  double scale = (static_cast<double>(max) - min) / top;
  if (static_cast<float>(scale) == 0.0f || isinf(1.0f / static_cast<float>(scale))) scale = 0.1;
  if (scale < kSmallScale) {
    const float amplifier = kSmallScale / static_cast<float>(scale);
    scale = kSmallScale;
    if (min == 0.0f) {
      max = kSmallScale * top;
    } else if (max == 0.0f) {
      min = -kSmallScale * top;
    } else {
      min *= amplifier;
      max *= amplifier;
    }
  }
  const double from_min = -min / scale, from_max = top - max / scale;
  const double zero = -fabs(min / scale) < top - fabs(max / scale) ? from_min : from_max;
  return {static_cast<float>(scale), static_cast<int>(rint(fmin(fmax(zero, 0.0), static_cast<double>(top))))};
}

struct alignas(8) Bytes {
  uint8_t values[kVector];
};

template <class T, int kThreads, int kVectors>
__global__ void QuantizeKernel(QuantizeArgs args) {
  __shared__ float shared[kThreads / kWarp];
  const int64_t r = RowOfThread<kThreads>();
  if (r >= args.rows) return;
  const T* x = static_cast<const T*>(args.x) + r * args.width;
  Row<kThreads, kVectors> row = {};
  // fmin and fmax pass over a NaN, so that the sum of all absolute values stands guard.
  float min = CUDART_INF_F, max = -CUDART_INF_F, guard = 0;
  row.ForEach(args.width, [&](int column, float(&values)[kVector]) {
    AddVector(x + column, values);
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      min = fminf(min, values[i]);
      max = fmaxf(max, values[i]);
      guard += isfinite(values[i]) ? 0.0f : 1.0f;
    }
  });
  const bool fp8 = args.format == RowFormat::kFp8PerRow || args.format == RowFormat::kFp8Fixed;
  const bool fixed = args.format == RowFormat::kInt8Fixed || args.format == RowFormat::kFp8Fixed;
  Params params{args.scale, args.zero_point};
  if (!fixed) {
    min = Reduce<kThreads>(min, Least(), shared);
    max = Reduce<kThreads>(max, Most(), shared);
    constexpr float kFp8Max = 448.0f, kLeastScale = 1.1754944e-38f;
    params = fp8 ? Params{fmaxf(fmaxf(-min, max) / kFp8Max, kLeastScale), 0} : ChooseParams(min, max, args.top);
  }
  const bool broken = Reduce<kThreads>(guard, Sum(), shared) > 0;
  const float inverse = 1.0f / params.scale, zero = static_cast<float>(params.zero_point);
  uint8_t* out = static_cast<uint8_t*>(args.bytes) + r * args.width;
  row.ForEach(args.width, [&](int column, float(&values)[kVector]) {
    Bytes bytes;
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      const float factor = args.factor ? args.factor[column + i] : inverse;
      if (fp8) {
        bytes.values[i] = __nv_cvt_float_to_fp8(broken ? 0.0f : values[i] * inverse, __NV_SATFINITE, __NV_E4M3);
      } else {
        const float q = fminf(fmaxf(rintf(fmaf(values[i], factor, zero)), 0.0f), 255.0f);
        bytes.values[i] = static_cast<uint8_t>(static_cast<int>(broken ? 0.0f : q) - 128);
      }
    }
    *reinterpret_cast<Bytes*>(out + column) = bytes;
  });
  if (threadIdx.x % kThreads == 0) {
    args.row_scale[r] = broken ? CUDART_NAN_F : params.scale;
    if (args.row_shift) args.row_shift[r] = static_cast<float>(128 - params.zero_point);
  }
}

constexpr int kWarpsPerBlock = 4;

// How a row is shared out.
template <int threads, int vectors>
struct Layout {
  static constexpr int kThreads = threads;  // of a row
  static constexpr int kVectors = vectors;  // of a thread
};

// Calls launch(Layout<…>()) for the width.
template <class Launch>
const char* ForWidth(int width, const Launch& launch) {
  if (width < kVector || width % kVector != 0 || width > kMaxRowWidth) {
    return "the row's width is not a multiple of 8 from 8 to 8192";
  }
  const int vectors = width / kVector;
  constexpr int kWide = kWarp * kWarpsPerBlock;
  if (vectors <= kWarp) {
    launch(Layout<kWarp, 1>());
  } else if (vectors <= 2 * kWarp) {
    launch(Layout<kWarp, 2>());
  } else if (vectors <= 3 * kWarp) {
    launch(Layout<kWarp, 3>());
  } else if (vectors <= kWide) {
    launch(Layout<kWide, 1>());
  } else if (vectors <= 2 * kWide) {
    launch(Layout<kWide, 2>());
  } else if (vectors <= 3 * kWide) {
    launch(Layout<kWide, 3>());
  } else if (vectors <= 4 * kWide) {
    launch(Layout<kWide, 4>());
  } else {
    launch(Layout<kWide, 8>());
  }
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

template <class Body>
const char* ForType(ElementType type, const Body& body) {
  switch (type) {
    case ElementType::kFloat: return body(float());
    case ElementType::kHalf: return body(__half());
    case ElementType::kBFloat16: return body(__nv_bfloat16());
  }
  return "unknown element type";
}

unsigned Blocks(int64_t rows, int threads_per_row) {
  const int per_block = kWarp * kWarpsPerBlock / threads_per_row;
  return static_cast<unsigned>((rows + per_block - 1) / per_block);
}

constexpr int kBlock = kWarp * kWarpsPerBlock;

}  // namespace

const char* LayerNormRows(const LayerNormArgs& args) {
  if (args.rows == 0) return nullptr;
  return ForType(args.type, [&](auto type) {
    return ForWidth(args.width, [&](auto layout) {
      using L = decltype(layout);
      LayerNormKernel<decltype(type), L::kThreads, L::kVectors>
          <<<Blocks(args.rows, L::kThreads), kBlock, 0, static_cast<cudaStream_t>(args.stream)>>>(args);
    });
  });
}

const char* EmbedRows(const EmbedArgs& args) {
  if (args.rows == 0) return nullptr;
  return ForType(args.table_type, [&](auto table) {
    return ForType(args.out_type, [&](auto out) {
      return ForWidth(args.width, [&](auto layout) {
        using L = decltype(layout);
        EmbedKernel<decltype(table), decltype(out), L::kThreads, L::kVectors>
            <<<Blocks(args.rows, L::kThreads), kBlock, 0, static_cast<cudaStream_t>(args.stream)>>>(args);
      });
    });
  });
}

const char* QuantizeRows(const QuantizeArgs& args) {
  if (args.rows == 0) return nullptr;
  return ForType(args.type, [&](auto type) {
    return ForWidth(args.width, [&](auto layout) {
      using L = decltype(layout);
      QuantizeKernel<decltype(type), L::kThreads, L::kVectors>
          <<<Blocks(args.rows, L::kThreads), kBlock, 0, static_cast<cudaStream_t>(args.stream)>>>(args);
    });
  });
}

}  // namespace quantlab::engine::gpu
