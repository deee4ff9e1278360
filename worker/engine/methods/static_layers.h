// Makes static INT8 layers from calibrated FP32 layers: the steps that static quantization and mixed
// precision share.
#ifndef QUANTLAB_WORKER_ENGINE_METHODS_STATIC_LAYERS_H_
#define QUANTLAB_WORKER_ENGINE_METHODS_STATIC_LAYERS_H_

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "worker/engine/calibration/calibration.h"

namespace quantlab::engine {

struct StaticWeightOptions {
  bool per_channel = true;
  int bits = 8;
};

using LayerMap = std::map<std::string, std::unique_ptr<Linear>>;

// An INT8 layer that computes what `layer` computes, with the input quantized as calibrated.
// `bias_shift`: [out] float, added to the bias; undefined for none.
absl::StatusOr<std::unique_ptr<Linear>> MakeStaticLayer(const LinearFp32& layer,
                                                        const LayerCalibration& calibration,
                                                        const StaticWeightOptions& options,
                                                        const at::Tensor& bias_shift = {});

// One for each linear layer of `model`, which stays as it is.
// With `correct_bias`, the mean error of each output channel over `texts`, given the FP32 model's inputs, is
// taken off its bias (Nagel 2019, arXiv 1906.04721, sec. 4.2, measured instead of derived): one more pass.
absl::StatusOr<LayerMap> MakeStaticLayers(Encoder& model,
                                          const std::map<std::string, LayerCalibration>& calibration,
                                          const LabelledTexts& texts, const StaticWeightOptions& options,
                                          bool correct_bias, const QuantizationContext& context);

// Puts each layer of `layers` into its slot. Other slots stay as they are.
void InstallLayers(Encoder& model, LayerMap layers);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_METHODS_STATIC_LAYERS_H_
