#include "worker/engine/gpu/gpu_ops.h"

#include <limits>
#include <map>
#include <mutex>
#include <tuple>
#include <vector>

#include <ATen/Functions.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGraphsC10Utils.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "absl/strings/str_cat.h"
#include "worker/engine/gpu/row_kernels.h"
#include "worker/engine/gpu/scaled_gemm.h"

namespace quantlab::engine::gpu {
namespace {

constexpr int kLeastMajor = 8;  // what row_kernels.cu is compiled for

// Not by ATen's own list of them, whose header needs those of cuBLAS and cuSPARSE.
const cudaDeviceProp& PropertiesOf(const at::Device& device) {
  static const auto* const all = [] {
    auto* properties = new std::vector<cudaDeviceProp>(c10::cuda::device_count());
    for (size_t i = 0; i < properties->size(); ++i) {
      C10_CUDA_CHECK(cudaGetDeviceProperties(&(*properties)[i], static_cast<int>(i)));
    }
    return properties;
  }();
  return all->at(static_cast<size_t>(device.has_index() ? device.index() : c10::cuda::current_device()));
}

std::string NameOf(const at::Device& device) {
  const cudaDeviceProp& properties = PropertiesOf(device);
  return absl::StrCat(properties.name, " has compute capability ", properties.major, ".", properties.minor);
}

void* CurrentStream(const at::Tensor& x) {
  return c10::cuda::getCurrentCUDAStream(x.device().index()).stream();
}

ElementType TypeOf(const at::Tensor& x) {
  switch (x.scalar_type()) {
    case at::kFloat:
      return ElementType::kFloat;
    case at::kHalf:
      return ElementType::kHalf;
    case at::kBFloat16:
      return ElementType::kBFloat16;
    default:
      TORCH_CHECK(false, "the GPU's row kernels take float, half and bfloat16, not ", x.scalar_type());
  }
}

void Check(const char* error, const char* what) {
  TORCH_CHECK(error == nullptr, what, ": ", error == nullptr ? "" : error);
}

#if QUANTLAB_WITH_CUTLASS

// The fastest tile for each shape, by trying all of them once. Which one it is depends on how many tiles fit
// the multiprocessors at a time; INT8 sums are exact, so that the choice changes no result.
class Tiles {
 public:
  // `launch` computes with the given tile in the current stream. While a graph is being captured nothing can
  // be timed: a shape that is new then gets the tile that suits most.
  template <class Launch>
  GemmTile Choose(bool fp8, bool gelu, const ScaledGemmArgs& args, const Launch& launch) {
    const Key key{fp8, gelu, c10::cuda::current_device(), Rounded(args.m), args.n, args.k};
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto it = chosen_.find(key);
    if (it != chosen_.end()) return it->second;
    if (c10::cuda::currentStreamCaptureStatusMayInitCtx() != c10::cuda::CaptureStatus::None) {
      return GemmTile::kMedium;
    }
    if (chosen_.size() >= kMaxShapes) chosen_.clear();
    return chosen_[key] = Fastest(launch);
  }

 private:
  using Key = std::tuple<bool, bool, int, int, int, int>;
  static constexpr size_t kMaxShapes = 4096;
  static constexpr int kLaunches = 4;

  // Batches of texts of any length have any number of rows.
  static int Rounded(int rows) {
    constexpr int kStep = 256;
    return rows <= kStep ? rows : (rows + kStep - 1) / kStep * kStep;
  }

  template <class Launch>
  static GemmTile Fastest(const Launch& launch) {
    const cudaStream_t stream = c10::cuda::getCurrentCUDAStream().stream();
    cudaEvent_t start, stop;
    C10_CUDA_CHECK(cudaEventCreate(&start));
    C10_CUDA_CHECK(cudaEventCreate(&stop));
    GemmTile best = GemmTile::kMedium;
    float least = std::numeric_limits<float>::infinity();
    for (const GemmTile tile : {GemmTile::kSmall, GemmTile::kMedium, GemmTile::kLarge}) {
      launch(tile);
      C10_CUDA_CHECK(cudaEventRecord(start, stream));
      for (int i = 0; i < kLaunches; ++i) launch(tile);
      C10_CUDA_CHECK(cudaEventRecord(stop, stream));
      C10_CUDA_CHECK(cudaEventSynchronize(stop));
      float milliseconds = 0;
      C10_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, start, stop));
      if (milliseconds < least) {
        least = milliseconds;
        best = tile;
      }
    }
    C10_CUDA_CHECK(cudaEventDestroy(start));
    C10_CUDA_CHECK(cudaEventDestroy(stop));
    return best;
  }

  std::mutex mutex_;
  std::map<Key, GemmTile> chosen_;
};

#endif  // QUANTLAB_WITH_CUTLASS

}  // namespace

std::string WhyNotRowKernels(const at::Device& device, int64_t width) {
  if (!device.is_cuda()) return "the device is not a GPU";
  if (PropertiesOf(device).major < kLeastMajor) {
    return absl::StrCat(NameOf(device), "; the row kernels need ", kLeastMajor, ".0");
  }
  if (width % 8 != 0 || width < 8 || width > kMaxRowWidth) {
    return absl::StrCat("rows of ", width, " elements are not a multiple of 8 of at most ", kMaxRowWidth);
  }
  return "";
}

std::string WhyNotScaledProduct(const at::Device& device, int64_t in, int64_t out) {
  if (!device.is_cuda()) return "the device is not a GPU";
#if !QUANTLAB_WITH_CUTLASS
  return "this build has no fused products (QUANTLAB_CUTLASS_INCLUDE)";
#else
  const cudaDeviceProp& properties = PropertiesOf(device);
  if (properties.major != 9) return absl::StrCat(NameOf(device), "; fused products need 9.0");
  if (in % 16 != 0 || out % 8 != 0) {
    return absl::StrCat("a layer of ", in, " inputs and ", out, " outputs is no multiple of 16 by 8");
  }
  return WhyNotRowKernels(device, in);
#endif
}

std::string WhyNotFp8(const at::Device& device) {
  if (!device.is_cuda()) return "CPUs have no FP8 arithmetic";
  const cudaDeviceProp& properties = PropertiesOf(device);
  if (properties.major > 8 || (properties.major == 8 && properties.minor >= 9)) return "";
  return absl::StrCat(NameOf(device), "; FP8 arithmetic needs 8.9");
}

at::Tensor LayerNorm(const at::Tensor& x_in, const at::Tensor& residual_in, const at::Tensor& weight,
                     const at::Tensor& bias, double epsilon) {
  const at::Tensor x = x_in.contiguous();
  const at::Tensor residual =
      residual_in.defined() ? residual_in.to(x.scalar_type()).contiguous() : at::Tensor();
  const c10::cuda::CUDAGuard guard(x.device());
  at::Tensor out = at::empty_like(x);
  LayerNormArgs args;
  args.x = x.const_data_ptr();
  args.residual = residual.defined() ? residual.const_data_ptr() : nullptr;
  args.weight = weight.const_data_ptr<float>();
  args.bias = bias.const_data_ptr<float>();
  args.out = out.mutable_data_ptr();
  args.type = TypeOf(x);
  args.width = static_cast<int>(x.size(-1));
  args.rows = x.numel() / args.width;
  args.epsilon = static_cast<float>(epsilon);
  args.stream = CurrentStream(x);
  Check(LayerNormRows(args), "LayerNorm on the GPU");
  return out;
}

at::Tensor Embed(const at::Tensor& word, const at::Tensor& token_type, const at::Tensor& position,
                 const at::Tensor& ids, const at::Tensor& types, const at::Tensor& positions,
                 const at::Tensor& weight, const at::Tensor& bias, double epsilon, at::ScalarType dtype) {
  const c10::cuda::CUDAGuard guard(word.device());
  at::Tensor out = at::empty({ids.size(0), word.size(1)}, word.options().dtype(dtype));
  EmbedArgs args;
  args.word = word.const_data_ptr();
  args.position = position.const_data_ptr();
  args.token_type = token_type.defined() ? token_type.const_data_ptr() : nullptr;
  args.ids = ids.const_data_ptr<int64_t>();
  args.positions = positions.const_data_ptr<int64_t>();
  args.types = types.const_data_ptr<int64_t>();
  args.weight = weight.const_data_ptr<float>();
  args.bias = bias.const_data_ptr<float>();
  args.out = out.mutable_data_ptr();
  args.table_type = TypeOf(word);
  args.out_type = TypeOf(out);
  args.rows = ids.size(0);
  args.width = static_cast<int>(word.size(1));
  args.epsilon = static_cast<float>(epsilon);
  args.stream = CurrentStream(word);
  Check(EmbedRows(args), "embeddings on the GPU");
  return out;
}

QuantizedRows QuantizeRows(const at::Tensor& x, const QuantizeOptions& options) {
  const c10::cuda::CUDAGuard guard(x.device());
  const at::ScalarType bytes = options.fp8 ? at::kFloat8_e4m3fn : at::kChar;
  const at::TensorOptions floats = x.options().dtype(at::kFloat);
  QuantizedRows rows{at::empty(x.sizes(), x.options().dtype(bytes)), at::empty({x.size(0)}, floats),
                     options.fp8 ? at::Tensor() : at::empty({x.size(0)}, floats)};
  QuantizeArgs args;
  args.x = x.const_data_ptr();
  args.factor = options.factor.defined() ? options.factor.const_data_ptr<float>() : nullptr;
  args.bytes = rows.bytes.mutable_data_ptr();
  args.row_scale = rows.scale.mutable_data_ptr<float>();
  args.row_shift = rows.shift.defined() ? rows.shift.mutable_data_ptr<float>() : nullptr;
  args.type = TypeOf(x);
  args.format = options.fp8 ? (options.per_row ? RowFormat::kFp8PerRow : RowFormat::kFp8Fixed)
                            : (options.per_row ? RowFormat::kInt8PerRow : RowFormat::kInt8Fixed);
  args.scale = options.scale;
  args.zero_point = options.zero_point;
  args.top = options.top;
  args.rows = x.size(0);
  args.width = static_cast<int>(x.size(1));
  args.stream = CurrentStream(x);
  Check(gpu::QuantizeRows(args), "quantization on the GPU");
  return rows;
}

at::Tensor ScaledProduct(const QuantizedRows& x, const ProductWeights& weights, bool gelu, int tile) {
#if !QUANTLAB_WITH_CUTLASS
  TORCH_CHECK(false, WhyNotScaledProduct(x.bytes.device(), x.bytes.size(1), weights.values.size(0)));
#else
  const c10::cuda::CUDAGuard guard(x.bytes.device());
  const int64_t rows = x.bytes.size(0), columns = weights.values.size(0);
  at::Tensor out = at::empty({rows, columns}, x.scale.options().dtype(at::kHalf));
  if (rows == 0) return out;
  const bool fp8 = weights.values.scalar_type() == at::kFloat8_e4m3fn;
  TORCH_CHECK(fp8 || (x.shift.defined() && weights.scaled_sum.defined()),
              "an INT8 product needs zero points");
  ScaledGemmArgs args;
  args.a = x.bytes.const_data_ptr();
  args.b = weights.values.const_data_ptr();
  args.row_scale = x.scale.const_data_ptr<float>();
  args.row_shift = fp8 ? nullptr : x.shift.const_data_ptr<float>();
  args.column_scale = weights.scale.const_data_ptr<float>();
  args.column_sum = fp8 ? nullptr : weights.scaled_sum.const_data_ptr<float>();
  args.bias = weights.bias.defined() ? weights.bias.const_data_ptr<float>() : nullptr;
  args.out = out.mutable_data_ptr();
  args.m = static_cast<int>(rows);
  args.n = static_cast<int>(columns);
  args.k = static_cast<int>(x.bytes.size(1));
  args.stream = CurrentStream(x.bytes);
  const auto launch = [&](GemmTile by) {
    const ScaledGemmKernel kernel = fp8 ? Fp8Gemm(by, gelu) : Int8Gemm(by, gelu);
    args.workspace_bytes = kernel.workspace(args);
    at::Tensor workspace;
    if (args.workspace_bytes > 0) {
      workspace = at::empty({static_cast<int64_t>(args.workspace_bytes)}, x.bytes.options().dtype(at::kByte));
      args.workspace = workspace.mutable_data_ptr();
    }
    Check(kernel.run(args), "the fused product on the GPU");
  };
  static Tiles tiles;
  launch(tile >= 0 ? static_cast<GemmTile>(tile) : tiles.Choose(fp8, gelu, args, launch));
  return out;
#endif
}

}  // namespace quantlab::engine::gpu
