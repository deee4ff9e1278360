#include "worker/engine/methods/layer_palette.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/status_macros.h"
#include "worker/engine/layers/half_linear.h"

namespace quantlab::engine {

LayerPalette::LayerPalette(Encoder& model) : model_(model) {
  std::as_const(model).ForEachLinear([this](const LayerInfo& info, const Linear& layer) {
    names_.push_back(info.name);
    infos_[info.name] = info;
    current_[info.name] = kFp32;
    installed_[info.name] = &layer;
  });
}

void LayerPalette::Add(const std::string& precision, LayerMap layers) {
  for (auto& [name, layer] : layers) waiting_[name][precision] = std::move(layer);
}

const Linear* LayerPalette::Find(const std::string& layer, const std::string& precision) const {
  if (current_.at(layer) == precision) return installed_.at(layer);
  const auto slot = waiting_.find(layer);
  if (slot == waiting_.end()) return nullptr;
  const auto it = slot->second.find(precision);
  return it == slot->second.end() ? nullptr : it->second.get();
}

void LayerPalette::Install(const std::map<std::string, std::string>& precisions) {
  model_.ForEachLinear([&](const LayerInfo& info, std::unique_ptr<Linear>& slot) {
    const auto it = precisions.find(info.name);
    const std::string wanted = it == precisions.end() ? kFp32 : it->second;
    std::string& current = current_[info.name];
    if (wanted == current) return;
    std::unique_ptr<Linear> next = std::move(waiting_.at(info.name).at(wanted));
    waiting_[info.name][current] = std::move(slot);
    slot = std::move(next);
    installed_[info.name] = slot.get();
    current = wanted;
  });
}

absl::StatusOr<LayerMap> MakeHalfLayers(const Encoder& model, at::ScalarType dtype) {
  LayerMap layers;
  absl::Status status;
  model.ForEachLinear([&](const LayerInfo& info, const Linear& layer) {
    if (!status.ok()) return;
    auto half = HalfLinear::Create(AsFp32(layer).weight(), AsFp32(layer).bias(), dtype);
    status = Annotate(half.status(), info.name);
    if (status.ok()) layers[info.name] = *std::move(half);
  });
  QL_RETURN_IF_ERROR(status);
  return layers;
}

double MeasureLayerSeconds(const Linear& layer, int64_t rows, at::ScalarType dtype,
                           const at::Device& device) {
  constexpr int kWarmUps = 3, kSamples = 15, kCallsPerSample = 4;
  const at::NoGradGuard no_grad;
  const at::Tensor x =
      at::linspace(-3, 3, rows * layer.in_features(), at::TensorOptions(at::kFloat).device(device))
          .reshape({rows, layer.in_features()})
          .to(dtype);
  std::vector<double> seconds;
  for (int i = 0; i < kWarmUps + kSamples; ++i) {
    const auto start = std::chrono::steady_clock::now();
    at::Tensor y;
    for (int call = 0; call < kCallsPerSample; ++call) y = layer.Forward(x);
    y.flatten()[0].item<float>();  // waits for the device
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    if (i >= kWarmUps) seconds.push_back(elapsed.count() / kCallsPerSample);
  }
  std::nth_element(seconds.begin(), seconds.begin() + kSamples / 2, seconds.end());
  return seconds[kSamples / 2];
}

}  // namespace quantlab::engine
