// Models on disk, FP32 and quantized alike: a folder in the Hugging Face layout, with plan.json where
// layers are quantized.
#ifndef QUANTLAB_WORKER_ENGINE_MODELS_SAVED_MODEL_H_
#define QUANTLAB_WORKER_ENGINE_MODELS_SAVED_MODEL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/records/event.h"
#include "worker/engine/models/encoder.h"
#include "worker/engine/models/plan.h"

namespace quantlab::engine {

inline constexpr char kPlanFile[] = "plan.json";

struct LoadedModel {
  std::unique_ptr<Encoder> model;
  std::optional<QuantizationPlan> plan;  // none: FP32
};

// Loads a complete model onto the CPU. Everything is checked: plan against config.json, both against the
// tensors of model.safetensors.
// Errors: NOT_FOUND a file or a tensor is missing (a checkpoint without classifier among them);
// INVALID_ARGUMENT names the file, the layer and what disagrees.
absl::StatusOr<LoadedModel> LoadModel(const std::string& folder);

// Writes config.json, plan.json (where there is a plan), model.safetensors and the tokenizer's files.
// Loaded again, the model gives the same logits to the bit. Each file appears whole or not at all.
absl::Status SaveModel(const Encoder& model, const std::optional<QuantizationPlan>& plan,
                       const std::string& tokenizer_folder, const std::string& folder);

struct ModelSize {
  int64_t total = 0;    // bytes of all files that loading reads, the tokenizer's too
  int64_t tensors = 0;  // bytes of model.safetensors
};
// Errors: NOT_FOUND no such folder or no model.safetensors in it.
absl::StatusOr<ModelSize> SizeOfModel(const std::string& folder);

// One entry for each linear layer in order of computation: what was asked, what runs, bytes of its
// tensors, and its share of the multiply-adds of all linear layers for texts of `tokens` tokens.
std::vector<Layer> DescribeLayers(const Encoder& model, int64_t tokens);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MODELS_SAVED_MODEL_H_
