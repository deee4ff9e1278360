#include "worker/engine/layers/fp8_linear.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "worker/engine/layers/quantized_parts.h"
#include "worker/engine/layers/weight_grid.h"

namespace quantlab::engine {
namespace {

constexpr double kFp8Max = 448;
// The least normal float: a row of zeros has a scale too.
constexpr double kLeastScale = std::numeric_limits<float>::min();

at::Tensor ScaleOf(const at::Tensor& largest) {
  return (largest / kFp8Max).clamp_min(kLeastScale);
}

// Products with the reciprocal can exceed the largest value by rounding, and LibTorch then converts to NaN.
at::Tensor ToFp8(const at::Tensor& x, const at::Tensor& scale) {
  return (x * scale.reciprocal()).clamp(-kFp8Max, kFp8Max).to(at::kFloat8_e4m3fn);
}

absl::Status CheckWeights(const Fp8Weights& weights, const at::Tensor& bias) {
  const at::Tensor& values = weights.values;
  if (values.dim() != 2 || values.scalar_type() != at::kFloat8_e4m3fn || values.numel() == 0) {
    return absl::InvalidArgumentError("weight_fp8 must be float8_e4m3fn [out, in]");
  }
  if (at::isnan(values.to(at::kFloat)).any().item<bool>()) {
    return absl::InvalidArgumentError("weight_fp8 holds a NaN");
  }
  return CheckScaleAndBias("weight_fp8", values, weights.scale, bias);
}

}  // namespace

absl::StatusOr<Fp8Weights> QuantizeWeightsToFp8(const at::Tensor& weight, bool per_channel) {
  const at::Tensor w = weight.detach().to(at::kFloat).contiguous();
  QL_RETURN_IF_ERROR(CheckFiniteWeight(w));
  const at::Tensor scale = ScaleOf(per_channel ? w.abs().amax(1) : w.abs().amax().reshape({1}));
  return Fp8Weights{ToFp8(w, scale.reshape({-1, 1})), scale};
}

absl::StatusOr<std::unique_ptr<Fp8Linear>> Fp8Linear::Create(const Fp8Weights& weights,
                                                             const at::Tensor& bias, bool per_token) {
  QL_RETURN_IF_ERROR(CheckWeights(weights, bias));
  return std::unique_ptr<Fp8Linear>(new Fp8Linear(weights, bias, per_token));
}

Fp8Linear::Fp8Linear(Fp8Weights weights, at::Tensor bias, bool per_token)
    : weights_(std::move(weights)), bias_(std::move(bias)), per_token_(per_token) {
  Prepare();
}

void Fp8Linear::Prepare() {
  const at::Device device = weights_.values.device();
  const std::string why = gpu::WhyNotScaledProduct(device, in_features(), out_features());
  gpu_weights_ = gpu::ProductWeights();
  run_weight_ = at::Tensor();
  if (device.is_cuda() && why.empty()) {
    reason_ = Message();
    const at::Tensor scale = weights_.scale.expand({out_features()}).contiguous();
    gpu_weights_ = gpu::ProductWeights{weights_.values, scale, at::Tensor(), bias_};
    return;
  }
  reason_ = device.is_cpu() ? messages::kNoFp8Arithmetic() : messages::kNoFp8Product(why);
  run_weight_ = weights_.values.to(at::kFloat) * weights_.scale.reshape({-1, 1});
}

gpu::QuantizedRows Fp8Linear::RoundRows(const at::Tensor& x) const {
  if (on_gpu_kernels() && per_token_) return gpu::QuantizeRows(x, {.fp8 = true});
  const at::Tensor input = x.to(at::kFloat);
  const at::Tensor magnitude = input.abs();
  // The largest magnitude is NaN or infinite where any is.
  const at::Tensor largest =
      per_token_ ? magnitude.amax(1) : magnitude.amax().reshape({1}).expand({input.size(0)});
  const at::Tensor finite = at::isfinite(largest);
  const at::Tensor scale = at::where(finite, ScaleOf(largest), 1.0);
  const at::Tensor bytes = ToFp8(input.nan_to_num(0, 0, 0), scale.unsqueeze(1));
  return {bytes,
          at::where(finite, scale, std::numeric_limits<double>::quiet_NaN()).to(at::kFloat).contiguous(),
          {}};
}

at::Tensor Fp8Linear::Multiply(const gpu::QuantizedRows& rows, bool gelu) const {
  if (on_gpu_kernels()) return gpu::ScaledProduct(rows, gpu_weights_, gelu);
  // Scaled before the product, so that the sums have the range of the input and not that of its bytes.
  const at::Tensor input = rows.bytes.to(at::kFloat) * rows.scale.unsqueeze(1);
  const at::Tensor output =
      at::linear(input, run_weight_, bias_.defined() ? std::optional<at::Tensor>(bias_) : std::nullopt);
  return gelu ? Activate(Activation::kGelu, output) : output;
}

at::Tensor Fp8Linear::Forward(const at::Tensor& x) const {
  const at::Tensor input = RowsOf(x);
  if (input.size(0) == 0) return ShapedLike(at::empty({0, out_features()}, input.options()), x);
  return ShapedLike(Multiply(RoundRows(input), /*gelu=*/false), x);
}

at::Tensor Fp8Linear::ForwardInto(const at::Tensor& x, Activation activation, const Linear& next) const {
  const bool fused = on_gpu_kernels() && activation == Activation::kGelu && x.numel() > 0;
  if (!fused) return Linear::ForwardInto(x, activation, next);
  return next.Forward(ShapedLike(Multiply(RoundRows(RowsOf(x)), /*gelu=*/true), x));
}

std::vector<at::Tensor> Fp8Linear::ForwardTogether(const at::Tensor& x,
                                                   const std::vector<const Linear*>& others) const {
  std::vector<const Fp8Linear*> layers = {this};
  for (const Linear* other : others) {
    const auto* fp8 = dynamic_cast<const Fp8Linear*>(other);
    const bool alike = fp8 != nullptr && fp8->per_token_ == per_token_ &&
                       fp8->on_gpu_kernels() == on_gpu_kernels() && fp8->bias_.defined() == bias_.defined();
    if (alike) layers.push_back(fp8);
  }
  if (layers.size() != others.size() + 1 || x.numel() == 0) return Linear::ForwardTogether(x, others);
  const gpu::QuantizedRows rows = RoundRows(RowsOf(x));
  std::vector<at::Tensor> outputs;
  if (!on_gpu_kernels()) {
    for (const Fp8Linear* layer : layers)
      outputs.push_back(ShapedLike(layer->Multiply(rows, /*gelu=*/false), x));
    return outputs;
  }
  std::vector<gpu::ProductWeights> weights;
  for (const Fp8Linear* layer : layers) weights.push_back(layer->gpu_weights_);
  return ProductTogether(rows, weights, x, joined_);
}

LayerPrecision Fp8Linear::precision() const {
  if (on_gpu_kernels()) return {kKind, kKind, "quantlab::ScaledGemm/fp8", {}};
  return {kKind, LinearFp32::kKind, "at::linear", reason_};
}

Params Fp8Linear::options() const {
  const bool per_channel = weights_.scale.size(0) != 1 || out_features() == 1;
  return {{"granularity", std::string(per_token_ ? "per_token" : "per_tensor")},
          {"weight_granularity", std::string(per_channel ? "per_channel" : "per_tensor")}};
}

std::map<std::string, at::Tensor> Fp8Linear::tensors() const {
  std::map<std::string, at::Tensor> tensors = {{"weight_fp8", weights_.values},
                                               {"weight_scale", weights_.scale}};
  if (bias_.defined()) tensors["bias"] = bias_;
  return tensors;
}

void Fp8Linear::To(const at::Device& device) {
  joined_.Clear();
  weights_.values = weights_.values.to(device);
  weights_.scale = weights_.scale.to(device);
  if (bias_.defined()) bias_ = bias_.to(device);
  Prepare();
}

LayerKind Fp8Kind() {
  LayerKind kind;
  kind.name = Fp8Linear::kKind;
  kind.options = {
      {"granularity", ParamType::kString, std::string(), {"per_token", "per_tensor"}, {}, {}, ""},
      {"weight_granularity", ParamType::kString, std::string(), {"per_channel", "per_tensor"}, {}, {}, ""}};
  kind.load = [](const LayerPlan& layer, Weights& weights) -> absl::StatusOr<std::unique_ptr<Linear>> {
    const auto is = [&layer](const char* option, const char* value) {
      return std::get<std::string>(layer.options.at(option)) == value;
    };
    const int64_t out = layer.out_features;
    const int64_t scales = is("weight_granularity", "per_channel") ? out : 1;
    Fp8Weights fp8;
    QL_ASSIGN_OR_RETURN(
        fp8.values, TakeTensor(layer, "weight_fp8", at::kFloat8_e4m3fn, {out, layer.in_features}, weights));
    QL_ASSIGN_OR_RETURN(fp8.scale, TakeTensor(layer, "weight_scale", at::kFloat, {scales}, weights));
    QL_ASSIGN_OR_RETURN(const at::Tensor bias, TakeOptionalTensor(layer, "bias", at::kFloat, {out}, weights));
    return Fp8Linear::Create(fp8, bias, is("granularity", "per_token"));
  };
  return kind;
}

}  // namespace quantlab::engine
