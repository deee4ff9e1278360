#include "worker/engine/methods/fake_quant_linear.h"

#include <cmath>
#include <limits>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/status_macros.h"
#include "worker/engine/layers/static_int8_linear.h"
#include "worker/engine/train/training_state.h"

namespace quantlab::engine {
namespace {

constexpr int kInputMax = 255;  // bytes

int WeightMax(int bits) {
  return (1 << (bits - 1)) - 1;
}

}  // namespace

at::Tensor LsqInitialStep(const at::Tensor& weight, bool per_channel, int bits) {
  const at::Tensor magnitude = weight.detach().abs();
  const at::Tensor mean = per_channel ? magnitude.mean(1) : magnitude.mean().reshape({1});
  const double root = std::sqrt(static_cast<double>(WeightMax(bits)));
  return (mean * (2 / root)).to(at::kFloat).clamp_min(std::numeric_limits<float>::epsilon());
}

double LsqGradientScale(int64_t values, int quant_max) {
  return 1 / std::sqrt(static_cast<double>(values) * quant_max);
}

FakeQuantLinear::FakeQuantLinear(const LinearFp32& layer, const LayerCalibration& calibration,
                                 const FakeQuantOptions& options)
    : options_(options),
      weight_(layer.weight()),
      bias_(layer.bias()),
      range_(calibration.range),
      first_input_(calibration.input.params) {
  if (!options_.learned_steps) return;
  first_weight_step_ = LsqInitialStep(weight_, options_.per_channel, options_.weight_bits);
  weight_step_ = at::zeros_like(first_weight_step_);
  input_step_ = at::zeros({1}, weight_.options());
}

std::map<std::string, at::Tensor> FakeQuantLinear::parameters() const {
  std::map<std::string, at::Tensor> parameters = {{"weight", weight_}};
  if (bias_.defined()) parameters["bias"] = bias_;
  if (options_.learned_steps) {
    parameters["weight_step"] = weight_step_;
    parameters["input_step"] = input_step_;
  }
  return parameters;
}

void FakeQuantLinear::To(const at::Device& device) {
  for (at::Tensor* tensor : {&weight_, &bias_, &first_weight_step_, &weight_step_, &input_step_}) {
    if (tensor->defined()) *tensor = tensor->to(device);
  }
}

std::map<std::string, at::Tensor> FakeQuantLinear::Observed() const {
  const at::Tensor range = at::empty({2}, at::dtype(at::kFloat));
  range.mutable_data_ptr<float>()[0] = range_.min;
  range.mutable_data_ptr<float>()[1] = range_.max;
  if (!options_.learned_steps) return {{"range", range}};
  const at::Tensor input = at::empty({2}, at::dtype(at::kDouble));
  input.mutable_data_ptr<double>()[0] = first_input_.scale;
  input.mutable_data_ptr<double>()[1] = first_input_.zero_point;
  return {{"range", range}, {"first_input", input}, {"first_weight_step", first_weight_step_}};
}

absl::Status FakeQuantLinear::Restore(const std::map<std::string, at::Tensor>& observed) {
  for (const auto& [name, own] : Observed()) QL_RETURN_IF_ERROR(CheckTensor(observed, name, own));
  const at::Tensor range = observed.at("range").contiguous();
  range_.min = range.const_data_ptr<float>()[0];
  range_.max = range.const_data_ptr<float>()[1];
  if (!options_.learned_steps) return absl::OkStatus();
  const at::Tensor input = observed.at("first_input").contiguous();
  first_input_.scale = static_cast<float>(input.const_data_ptr<double>()[0]);
  first_input_.zero_point = static_cast<int>(input.const_data_ptr<double>()[1]);
  return RestoreTensor(observed, "first_weight_step", first_weight_step_);
}

ActivationParams FakeQuantLinear::InputParams() const {
  if (!options_.learned_steps) return ChooseActivationParams(range_.min, range_.max, false);
  const double ratio = std::exp(kLearnedStepRate * input_step_.item<double>());
  return {static_cast<float>(first_input_.scale * ratio), first_input_.zero_point};
}

void FakeQuantLinear::ObserveInput(const at::Tensor& x) const {
  if (!observing_ || options_.learned_steps || !at::GradMode::is_enabled()) return;
  const auto [low, high] = x.detach().aminmax();
  const float c = static_cast<float>(options_.averaging_constant);
  range_.min += c * (low.item<float>() - range_.min);
  range_.max += c * (high.item<float>() - range_.max);
}

at::Tensor FakeQuantLinear::FakeQuantizeInput(const at::Tensor& x) const {
  if (!options_.learned_steps) {
    const ActivationParams params = InputParams();
    return at::fake_quantize_per_tensor_affine(x, params.scale, params.zero_point, 0, kInputMax);
  }
  const at::Tensor step = (input_step_ * kLearnedStepRate).exp() * first_input_.scale;
  const at::Tensor zero = at::full({1}, first_input_.zero_point, step.options());
  return at::_fake_quantize_learnable_per_tensor_affine(x, step, zero, 0, kInputMax,
                                                        LsqGradientScale(in_features(), kInputMax));
}

at::Tensor FakeQuantLinear::WeightStep() const {
  if (options_.learned_steps) return (weight_step_ * kLearnedStepRate).exp() * first_weight_step_;
  const at::Tensor magnitude = weight_.detach().abs();
  const at::Tensor largest = options_.per_channel ? magnitude.amax(1) : magnitude.amax().reshape({1});
  const float half_range = static_cast<float>((1 << options_.weight_bits) - 1) / 2;
  return (largest / half_range).clamp_min(std::numeric_limits<float>::epsilon());
}

at::Tensor FakeQuantLinear::FakeQuantizedWeight() const {
  const int top = WeightMax(options_.weight_bits), bottom = -top - 1;
  const at::Tensor step = WeightStep();
  if (options_.learned_steps) {
    const at::Tensor zero = at::zeros_like(step).detach();
    const double gradient = LsqGradientScale(weight_.numel() / step.numel(), top);
    if (!options_.per_channel) {
      return at::_fake_quantize_learnable_per_tensor_affine(weight_, step, zero, bottom, top, gradient);
    }
    return at::_fake_quantize_learnable_per_channel_affine(weight_, step, zero, 0, bottom, top, gradient);
  }
  const at::Tensor zero = at::zeros(step.sizes(), step.options().dtype(at::kInt));
  if (!options_.per_channel) {
    return at::fake_quantize_per_tensor_affine(weight_, step, zero, bottom, top);
  }
  return at::fake_quantize_per_channel_affine(weight_, step, zero, 0, bottom, top);
}

at::Tensor FakeQuantLinear::Product(const at::Tensor& fake_quantized) const {
  const auto bias = bias_.defined() ? std::optional<at::Tensor>(bias_) : std::nullopt;
  return at::linear(fake_quantized, FakeQuantizedWeight(), bias);
}

at::Tensor FakeQuantLinear::Forward(const at::Tensor& x) const {
  ObserveInput(x);
  return Product(FakeQuantizeInput(x));
}

std::vector<at::Tensor> FakeQuantLinear::ForwardTogether(const at::Tensor& x,
                                                         const std::vector<const Linear*>& others) const {
  const auto alike = [this](const Linear* other) {
    const auto* layer = dynamic_cast<const FakeQuantLinear*>(other);
    return layer != nullptr && !options_.learned_steps && !layer->options_.learned_steps &&
           layer->range_.min == range_.min && layer->range_.max == range_.max &&
           layer->observing_ == observing_;
  };
  for (const Linear* other : others) {
    if (!alike(other)) return Linear::ForwardTogether(x, others);
  }
  ObserveInput(x);
  const at::Tensor shared = FakeQuantizeInput(x);
  std::vector<at::Tensor> outputs = {Product(shared)};
  for (const Linear* other : others) {
    const auto& layer = static_cast<const FakeQuantLinear&>(*other);
    layer.range_ = range_;  // the range that it would have observed
    outputs.push_back(layer.Product(shared));
  }
  return outputs;
}

absl::StatusOr<std::unique_ptr<Linear>> FakeQuantLinear::Convert() const {
  const at::NoGradGuard no_grad;
  QL_ASSIGN_OR_RETURN(const Int8Weights weights,
                      QuantizeWeightsWith(weight_, WeightStep(), options_.weight_bits));
  const at::Tensor bias = bias_.defined() ? bias_.detach() : at::Tensor();
  return StaticInt8Linear::Create(weights, options_.weight_bits, bias, {InputParams(), {}});
}

void InstallFakeQuant(Encoder& model, const std::map<std::string, LayerCalibration>& calibration,
                      const FakeQuantOptions& options) {
  model.ForEachLinear([&](const LayerInfo& info, std::unique_ptr<Linear>& slot) {
    slot = std::make_unique<FakeQuantLinear>(dynamic_cast<const LinearFp32&>(*slot),
                                             calibration.at(info.name), options);
  });
}

}  // namespace quantlab::engine
