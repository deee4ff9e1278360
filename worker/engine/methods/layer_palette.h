// Every linear layer of a model at several precisions, one of which is installed at a time.
#ifndef QUANTLAB_WORKER_ENGINE_METHODS_LAYER_PALETTE_H_
#define QUANTLAB_WORKER_ENGINE_METHODS_LAYER_PALETTE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/engine/methods/static_layers.h"

namespace quantlab::engine {

// Ownership: borrows the model, owns the layers that are not in it. Nothing else may change the model's
// layers during its lifetime.
// Threads:   one.
class LayerPalette {
 public:
  static constexpr char kFp32[] = "fp32";

  // `model` is FP32 throughout.
  explicit LayerPalette(Encoder& model);

  // Adds layers for all slots or some of them, under the name of their precision ("int8").
  void Add(const std::string& precision, LayerMap layers);

  // Names of the layers in order of computation.
  const std::vector<std::string>& layers() const { return names_; }
  // Errors: std::out_of_range where the model has no such layer.
  const LayerInfo& Info(const std::string& layer) const { return infos_.at(layer); }
  // The layer at a precision, installed or not; nullptr where there is none.
  const Linear* Find(const std::string& layer, const std::string& precision) const;

  // Puts the layers of `precisions` (by layer) into the model; those that it does not name become FP32.
  void Install(const std::map<std::string, std::string>& precisions);

 private:
  Encoder& model_;
  std::vector<std::string> names_;
  std::map<std::string, LayerInfo> infos_;
  std::map<std::string, std::string> current_;  // what is in the model, by layer
  std::map<std::string, const Linear*> installed_;
  std::map<std::string, std::map<std::string, std::unique_ptr<Linear>>> waiting_;  // by layer and precision
};

// Half-precision layers for every slot of an FP32 model. Errors: those of HalfLinear::Create, with the layer.
absl::StatusOr<LayerMap> MakeHalfLayers(const Encoder& model, at::ScalarType dtype);

// Median seconds of one forward pass of `layer` over `rows` rows of `dtype`, on the device.
double MeasureLayerSeconds(const Linear& layer, int64_t rows, at::ScalarType dtype, const at::Device& device);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_METHODS_LAYER_PALETTE_H_
