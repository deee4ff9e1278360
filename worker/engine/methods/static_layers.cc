#include "worker/engine/methods/static_layers.h"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "worker/engine/calibration/layer_inputs.h"

namespace quantlab::engine {
namespace {

std::map<std::string, const LinearFp32*> Fp32Layers(const Encoder& model) {
  std::map<std::string, const LinearFp32*> layers;
  model.ForEachLinear(
      [&](const LayerInfo& info, const Linear& layer) { layers[info.name] = &AsFp32(layer); });
  return layers;
}

// Mean over all rows of the FP32 layer's output minus the quantized layer's, [out] float.
absl::StatusOr<std::map<std::string, at::Tensor>> MeanErrors(
    Encoder& model, const std::map<std::string, const LinearFp32*>& fp32, const LayerMap& layers,
    const LabelledTexts& texts, const QuantizationContext& context) {
  std::map<std::string, at::Tensor> sums;
  std::map<std::string, int64_t> rows;
  absl::Status reported;
  const auto visit = [&](const std::string& name, const at::Tensor& x) {
    const at::Tensor error = (fp32.at(name)->Forward(x) - layers.at(name)->Forward(x)).to(at::kDouble).sum(0);
    at::Tensor& sum = sums[name];
    sum = sum.defined() ? sum + error : error;
    rows[name] += x.size(0);
  };
  QL_RETURN_IF_ERROR(VisitLayerInputs(model, texts.texts, kCalibrationBatch, visit, [&](int64_t done) {
    reported =
        context.Report(messages::kCorrectingBiases(), done, static_cast<int64_t>(texts.texts.size()), "text");
    return reported.ok();
  }));
  QL_RETURN_IF_ERROR(reported);
  std::map<std::string, at::Tensor> means;
  for (const auto& [name, sum] : sums) {
    means[name] = (sum / static_cast<double>(rows[name])).to(at::kFloat);
  }
  return means;
}

absl::StatusOr<LayerMap> MakeAll(const std::map<std::string, const LinearFp32*>& fp32,
                                 const std::map<std::string, LayerCalibration>& calibration,
                                 const StaticWeightOptions& options,
                                 const std::map<std::string, at::Tensor>& shifts,
                                 const QuantizationContext& context) {
  LayerMap layers;
  for (const auto& [name, layer] : fp32) {
    const auto shift = shifts.find(name);
    auto made = MakeStaticLayer(*layer, calibration.at(name), options,
                                shift == shifts.end() ? at::Tensor() : shift->second);
    QL_RETURN_IF_ERROR(Annotate(made.status(), name));
    layers[name] = *std::move(made);
    QL_RETURN_IF_ERROR(context.Report(messages::kQuantizing(), static_cast<int64_t>(layers.size()),
                                      static_cast<int64_t>(fp32.size()), "layer"));
  }
  return layers;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Linear>> MakeStaticLayer(const LinearFp32& layer,
                                                        const LayerCalibration& calibration,
                                                        const StaticWeightOptions& options,
                                                        const at::Tensor& bias_shift) {
  at::Tensor weight = layer.weight(), bias = layer.bias();
  if (calibration.input.smoothing.defined()) {
    weight = weight / calibration.input.smoothing.to(weight.device());
  }
  if (bias_shift.defined()) bias = bias.defined() ? bias + bias_shift : bias_shift;
  QL_ASSIGN_OR_RETURN(const Int8Weights weights, QuantizeWeights(weight, options.per_channel, options.bits));
  return StaticInt8Linear::Create(weights, options.bits, bias, calibration.input);
}

absl::StatusOr<LayerMap> MakeStaticLayers(Encoder& model,
                                          const std::map<std::string, LayerCalibration>& calibration,
                                          const LabelledTexts& texts, const StaticWeightOptions& options,
                                          bool correct_bias, const QuantizationContext& context) {
  const auto fp32 = Fp32Layers(model);
  QL_ASSIGN_OR_RETURN(LayerMap layers, MakeAll(fp32, calibration, options, {}, context));
  if (!correct_bias) return layers;
  QL_ASSIGN_OR_RETURN(const auto shifts, MeanErrors(model, fp32, layers, texts, context));
  return MakeAll(fp32, calibration, options, shifts, context);
}

void InstallLayers(Encoder& model, LayerMap layers) {
  model.ForEachLinear([&](const LayerInfo& info, std::unique_ptr<Linear>& slot) {
    if (const auto it = layers.find(info.name); it != layers.end()) slot = std::move(it->second);
  });
}

}  // namespace quantlab::engine
