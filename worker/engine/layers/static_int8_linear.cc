#include "worker/engine/layers/static_int8_linear.h"

#include <cmath>
#include <limits>
#include <utility>

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "worker/engine/layers/int4_packing.h"

namespace quantlab::engine {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr int kBitsThatShareAByte = 4;

absl::Status CheckInput(const StaticInput& input, int64_t in) {
  const float scale = input.params.scale;
  // Negated, so that NaN is refused too.
  if (!(scale > 0 && std::isfinite(scale) && std::isfinite(1 / scale))) {
    return absl::InvalidArgumentError(
        absl::StrCat("input_scale is ", scale, "; it must be positive and finite"));
  }
  if (input.params.zero_point < 0 || input.params.zero_point > 255) {
    return absl::InvalidArgumentError(
        absl::StrCat("input_zero_point is ", input.params.zero_point, "; allowed: 0 to 255"));
  }
  const at::Tensor& smoothing = input.smoothing;
  if (!smoothing.defined()) return absl::OkStatus();
  if (smoothing.dim() != 1 || smoothing.size(0) != in || smoothing.scalar_type() != at::kFloat) {
    return absl::InvalidArgumentError(absl::StrCat("input_smoothing must be float [", in, "]"));
  }
  const at::Tensor factor = smoothing / scale;
  if (!at::logical_and(smoothing > 0, at::isfinite(factor)).all().item<bool>()) {
    return absl::InvalidArgumentError("input_smoothing holds a value that is not positive and finite");
  }
  return absl::OkStatus();
}

absl::Status CheckBits(const Int8Weights& weights, int bits) {
  if (bits < 2 || bits > 8) {
    return absl::InvalidArgumentError(absl::StrCat("weight_bits is ", bits, "; allowed: 2 to 8"));
  }
  const int low = -(1 << (bits - 1)), high = (1 << (bits - 1)) - 1;
  if (weights.quantized.min().item<int>() < low || weights.quantized.max().item<int>() > high) {
    return absl::InvalidArgumentError(
        absl::StrCat("the weights do not fit ", bits, " bits, ", low, " to ", high));
  }
  return absl::OkStatus();
}

std::vector<float> ToVector(const at::Tensor& tensor) {
  if (!tensor.defined()) return {};
  const at::Tensor plain = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
  return {plain.data_ptr<float>(), plain.data_ptr<float>() + plain.numel()};
}

at::Tensor ToTensor(const std::vector<float>& values) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(values.size())}, at::kFloat);
  std::copy(values.begin(), values.end(), tensor.data_ptr<float>());
  return tensor;
}

absl::StatusOr<at::Tensor> TakeWeights(const LayerPlan& layer, int64_t bits, Weights& weights) {
  const int64_t out = layer.out_features, in = layer.in_features;
  if (bits > kBitsThatShareAByte) return TakeTensor(layer, "weight_int8", at::kChar, {out, in}, weights);
  QL_ASSIGN_OR_RETURN(const at::Tensor packed,
                      TakeTensor(layer, "weight_int4", at::kByte, {out, (in + 1) / 2}, weights));
  return UnpackInt4(packed, in);
}

absl::StatusOr<StaticInput> TakeInput(const LayerPlan& layer, Weights& weights) {
  StaticInput input;
  QL_ASSIGN_OR_RETURN(const at::Tensor scale, TakeTensor(layer, "input_scale", at::kFloat, {1}, weights));
  QL_ASSIGN_OR_RETURN(const at::Tensor zero, TakeTensor(layer, "input_zero_point", at::kInt, {1}, weights));
  QL_ASSIGN_OR_RETURN(input.smoothing,
                      TakeOptionalTensor(layer, "input_smoothing", at::kFloat, {layer.in_features}, weights));
  input.params = {scale.item<float>(), zero.item<int32_t>()};
  return input;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StaticInt8Linear>> StaticInt8Linear::Create(const Int8Weights& weights,
                                                                           int weight_bits,
                                                                           const at::Tensor& bias,
                                                                           const StaticInput& input) {
  QL_RETURN_IF_ERROR(CheckInt8Weights(weights, bias));
  QL_RETURN_IF_ERROR(CheckBits(weights, weight_bits));
  QL_RETURN_IF_ERROR(CheckInput(input, weights.quantized.size(1)));
  return std::unique_ptr<StaticInt8Linear>(new StaticInt8Linear(weights, weight_bits, bias, input));
}

StaticInt8Linear::StaticInt8Linear(const Int8Weights& weights, int weight_bits, const at::Tensor& bias,
                                   const StaticInput& input)
    : Int8Linear(weights, bias),
      weight_bits_(weight_bits),
      weights_per_channel_(weights.scale.size(0) == weights.quantized.size(0)),
      params_(input.params),
      smoothing_(ToVector(input.smoothing)) {
  for (const float value : smoothing_) factor_.push_back(value / params_.scale);
}

Params StaticInt8Linear::options() const {
  return {{"weight_bits", int64_t{weight_bits_}},
          {"weight_granularity", std::string(weights_per_channel_ ? "per_channel" : "per_tensor")}};
}

std::map<std::string, at::Tensor> StaticInt8Linear::tensors() const {
  std::map<std::string, at::Tensor> tensors = Int8Linear::tensors();
  if (weight_bits_ <= kBitsThatShareAByte) {
    tensors["weight_int4"] = PackInt4(tensors.at("weight_int8"));
    tensors.erase("weight_int8");
  }
  tensors["input_scale"] = at::full({1}, params_.scale, at::kFloat);
  tensors["input_zero_point"] = at::full({1}, params_.zero_point, at::kInt);
  if (!smoothing_.empty()) tensors["input_smoothing"] = ToTensor(smoothing_);
  return tensors;
}

void StaticInt8Linear::To(const at::Device& device) {
  Int8Linear::To(device);
  factor_on_device_ = factor_.empty() || device.is_cpu() ? at::Tensor() : ToTensor(factor_).to(device);
}

bool StaticInt8Linear::QuantizesLike(const Int8Linear& other) const {
  const auto* same = dynamic_cast<const StaticInt8Linear*>(&other);
  return same != nullptr && same->params_.scale == params_.scale &&
         same->params_.zero_point == params_.zero_point && same->smoothing_ == smoothing_;
}

ActivationParams StaticInt8Linear::QuantizeInputRow(const float* row, const ActivationParams&, uint8_t* bytes,
                                                    int64_t padded) const {
  const Int8Isa isa = BestInt8Isa();
  if (!FindRowRange(isa, row, in_features()).finite) return {kNan, params_.zero_point};
  if (factor_.empty()) {
    QuantizeRow(isa, row, in_features(), params_, bytes, padded);
  } else {
    QuantizeRowByFeature(isa, row, in_features(), factor_.data(), params_.zero_point, bytes, padded);
  }
  return params_;
}

Int8Linear::AtenInput StaticInt8Linear::QuantizeInputByAten(const at::Tensor& input) const {
  const at::TensorOptions options = input.options().dtype(at::kDouble);
  // In double, where the product is exact: what a fused multiply-add gives.
  at::Tensor factor = factor_on_device_;
  if (!factor.defined()) {
    factor = factor_.empty() ? at::full({1, 1}, 1.0f / params_.scale, input.options().dtype(at::kFloat))
                             : ToTensor(factor_);
  }
  factor = factor.reshape({1, -1});
  const at::Tensor scaled = input.to(at::kDouble) * factor.to(options);
  return {(scaled + params_.zero_point).to(at::kFloat).round().clamp(0, 255),
          at::full({1, 1}, params_.scale, options), at::full({1, 1}, params_.zero_point, options)};
}

std::optional<gpu::QuantizeOptions> StaticInt8Linear::GpuQuantization() const {
  gpu::QuantizeOptions options;
  options.per_row = false;
  options.scale = params_.scale;
  options.zero_point = params_.zero_point;
  options.factor = factor_on_device_;
  return options;
}

LayerKind StaticInt8Kind() {
  LayerKind kind;
  kind.name = StaticInt8Linear::kKind;
  kind.options = {
      {"weight_bits", ParamType::kInt, int64_t{8}, {}, 2, 8, ""},
      {"weight_granularity", ParamType::kString, std::string(), {"per_channel", "per_tensor"}, {}, {}, ""}};
  kind.load = [](const LayerPlan& layer, Weights& weights) -> absl::StatusOr<std::unique_ptr<Linear>> {
    const int64_t bits = std::get<int64_t>(layer.options.at("weight_bits"));
    const bool per_channel = std::get<std::string>(layer.options.at("weight_granularity")) == "per_channel";
    const int64_t out = layer.out_features;
    Int8Weights int8;
    QL_ASSIGN_OR_RETURN(int8.quantized, TakeWeights(layer, bits, weights));
    QL_ASSIGN_OR_RETURN(int8.scale,
                        TakeTensor(layer, "weight_scale", at::kFloat, {per_channel ? out : 1}, weights));
    QL_ASSIGN_OR_RETURN(const at::Tensor bias, TakeOptionalTensor(layer, "bias", at::kFloat, {out}, weights));
    QL_ASSIGN_OR_RETURN(const StaticInput input, TakeInput(layer, weights));
    return StaticInt8Linear::Create(int8, static_cast<int>(bits), bias, input);
  };
  return kind;
}

}  // namespace quantlab::engine
