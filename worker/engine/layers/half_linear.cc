#include "worker/engine/layers/half_linear.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "worker/engine/kernels/onednn_isa.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "worker/engine/layers/packed_product.h"

namespace quantlab::engine {
namespace {

// Bits of CPUID leaf 7: the first subleaf's EDX, the second's EAX.
struct HalfFeatures {
  bool bf16 = false, fp16 = false;
};

HalfFeatures DetectHalfFeatures() {
  HalfFeatures features;
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0) {
    features.bf16 = (d & (1u << 22)) != 0;  // AMX-BF16
    features.fp16 = (d & (1u << 23)) != 0;  // AVX512-FP16
  }
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d) != 0) {
    features.bf16 |= (a & (1u << 5)) != 0;   // AVX512-BF16
    features.fp16 |= (a & (1u << 21)) != 0;  // AMX-FP16
  }
#endif
  return features;
}

// oneDNN's names of the instruction sets that support each precision; "" hides nothing.
bool IsaAllows(at::ScalarType dtype, const std::string& limit) {
  static constexpr std::array<const char*, 5> kBf16 = {"AVX512_CORE_BF16", "AVX10_1_512", "AVX512_CORE_AMX",
                                                       "AVX10_1_512_AMX", "AVX512_CORE_AMX_FP16"};
  static constexpr std::array<const char*, 5> kFp16 = {"AVX512_CORE_FP16", "AVX10_1_512", "AVX512_CORE_AMX",
                                                       "AVX10_1_512_AMX", "AVX512_CORE_AMX_FP16"};
  if (limit.empty()) return true;
  const auto& names = dtype == at::kBFloat16 ? kBf16 : kFp16;
  return std::find(names.begin(), names.end(), limit) != names.end() ||
         (dtype == at::kBFloat16 && limit == "AVX512_CORE_FP16");
}

const char* NameOf(at::ScalarType dtype) {
  return dtype == at::kBFloat16 ? HalfLinear::kBf16 : HalfLinear::kFp16;
}

absl::Status CheckFinite(const at::Tensor& tensor, const char* what, at::ScalarType dtype) {
  if (at::isfinite(tensor).all().item<bool>()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " holds a value that is not finite in ", NameOf(dtype),
                   dtype == at::kHalf ? ", which ends at 65504; use bf16" : ""));
}

LayerKind HalfKind(const char* name, at::ScalarType dtype) {
  LayerKind kind;
  kind.name = name;
  kind.load = [dtype](const LayerPlan& layer, Weights& weights) -> absl::StatusOr<std::unique_ptr<Linear>> {
    const int64_t out = layer.out_features;
    QL_ASSIGN_OR_RETURN(const at::Tensor weight,
                        TakeTensor(layer, "weight", dtype, {out, layer.in_features}, weights));
    QL_ASSIGN_OR_RETURN(const at::Tensor bias, TakeOptionalTensor(layer, "bias", dtype, {out}, weights));
    return HalfLinear::Create(weight, bias, dtype);
  };
  return kind;
}

// In oneDNN's layout; undefined where there is none, and at::linear is used.
at::Tensor Packed(const at::Tensor& weight) {
  if (!weight.is_cpu() || weight.scalar_type() != at::kBFloat16) return {};
  try {
    at::Tensor packed = PackWeight(weight, std::nullopt);
    PackedProduct(at::zeros({1, weight.size(1)}, weight.options()), packed, {}, Activation::kLinear);
    return packed;
  } catch (const std::exception&) {
    return {};  // this build or CPU has no such kernel
  }
}

}  // namespace

Message WhyNotHalf(at::ScalarType dtype, const at::Device& device) {
  if (!device.is_cpu()) return {};
  static const HalfFeatures cpu = DetectHalfFeatures();
  static const std::string limit = OneDnnMaxCpuIsa();
  const bool bf16 = dtype == at::kBFloat16;
  if ((bf16 ? cpu.bf16 : cpu.fp16) && IsaAllows(dtype, limit)) return {};
  return messages::kNoHalfArithmetic(bf16 ? "BF16" : "FP16", NameOf(dtype));
}

absl::StatusOr<std::unique_ptr<HalfLinear>> HalfLinear::Create(const at::Tensor& weight,
                                                               const at::Tensor& bias, at::ScalarType dtype) {
  const at::Tensor half = weight.detach().to(dtype).contiguous();
  const at::Tensor half_bias = bias.defined() ? bias.detach().to(dtype).contiguous() : at::Tensor();
  QL_RETURN_IF_ERROR(CheckFinite(half, "weight", dtype));
  if (half_bias.defined()) QL_RETURN_IF_ERROR(CheckFinite(half_bias, "bias", dtype));
  return std::unique_ptr<HalfLinear>(new HalfLinear(half, half_bias));
}

HalfLinear::HalfLinear(at::Tensor weight, at::Tensor bias)
    : weight_(std::move(weight)), bias_(std::move(bias)) {
  Prepare();
}

void HalfLinear::Prepare() {
  reason_ = WhyNotHalf(weight_.scalar_type(), weight_.device());
  const at::ScalarType dtype = reason_.empty() ? weight_.scalar_type() : at::kFloat;
  run_weight_ = weight_.to(dtype);
  run_bias_ = bias_.defined() ? bias_.to(dtype) : at::Tensor();
  packed_ = Packed(run_weight_);
}

at::Tensor HalfLinear::Forward(const at::Tensor& x) const {
  if (packed_.defined()) {
    return PackedProduct(x.detach().to(at::kBFloat16), packed_, run_bias_, Activation::kLinear)
        .to(x.scalar_type());
  }
  const auto bias = run_bias_.defined() ? std::optional<at::Tensor>(run_bias_) : std::nullopt;
  return at::linear(x.detach().to(run_weight_.scalar_type()), run_weight_, bias).to(x.scalar_type());
}

std::vector<at::Tensor> HalfLinear::ForwardTogether(const at::Tensor& x,
                                                    const std::vector<const Linear*>& others) const {
  std::vector<at::Tensor> weights = {run_weight_}, biases = {run_bias_};
  for (const Linear* other : others) {
    const auto* half = dynamic_cast<const HalfLinear*>(other);
    if (half == nullptr) break;
    weights.push_back(half->run_weight_);
    biases.push_back(half->run_bias_);
  }
  const bool fits =
      weights.size() == others.size() + 1 &&
      std::all_of(weights.begin(), weights.end(),
                  [&](const at::Tensor& weight) {
                    return weight.scalar_type() == run_weight_.scalar_type() &&
                           weight.device() == run_weight_.device();
                  }) &&
      std::all_of(biases.begin(), biases.end(), [](const at::Tensor& b) { return b.defined(); });
  if (!run_weight_.is_cuda() || !fits) return Linear::ForwardTogether(x, others);
  const auto all = joined_.Get(weights, [&] { return Weights{at::cat(weights), at::cat(biases)}; });
  const at::Tensor output =
      at::linear(x.detach().to(run_weight_.scalar_type()), all->weight, all->bias).to(x.scalar_type());
  std::vector<int64_t> sizes;
  for (const at::Tensor& weight : weights) sizes.push_back(weight.size(0));
  return at::split_with_sizes(output, sizes, -1);
}

LayerPrecision HalfLinear::precision() const {
  return {kind(), reason_.empty() ? kind() : LinearFp32::kKind,
          packed_.defined() ? "mkldnn::_linear_pointwise" : "at::linear", reason_};
}

std::string HalfLinear::kind() const {
  return NameOf(weight_.scalar_type());
}

std::map<std::string, at::Tensor> HalfLinear::tensors() const {
  std::map<std::string, at::Tensor> tensors = {{"weight", weight_}};
  if (bias_.defined()) tensors["bias"] = bias_;
  return tensors;
}

void HalfLinear::To(const at::Device& device) {
  joined_.Clear();
  weight_ = weight_.to(device);
  if (bias_.defined()) bias_ = bias_.to(device);
  Prepare();
}

LayerKind Bf16Kind() {
  return HalfKind(HalfLinear::kBf16, at::kBFloat16);
}

LayerKind Fp16Kind() {
  return HalfKind(HalfLinear::kFp16, at::kHalf);
}

}  // namespace quantlab::engine
