// A model's folder in the Hugging Face layout, as model_folder/model_folder.h describes it.
#ifndef QUANTLAB_WORKER_ENGINE_MODELS_CHECKPOINT_H_
#define QUANTLAB_WORKER_ENGINE_MODELS_CHECKPOINT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/messages/message.h"
#include "worker/engine/models/encoder.h"

namespace quantlab::engine {

struct CheckpointOptions {
  // Class names by index, from the dataset. Empty: those of config.json. A checkpoint with a classifier of
  // another number or order of classes is refused, or gets a new one where build.initialize_missing_head
  // allows it; one without a classifier gets one of this size.
  std::vector<std::string> labels;
  // DatasetConfig::label_map: how these labels and the checkpoint's own belong together.
  std::vector<std::string> label_map;
  std::string task = "classification";  // of the dataset; EncoderConfig::task from then on
  bool text_pairs =
      false;  // whether the dataset's examples are pairs: EncoderConfig::text_pairs from then on
  // Where not null, set to the reason why the checkpoint's own classifier was not used.
  Message* new_head = nullptr;
  EncoderBuildOptions build;
};

// Errors: NOT_FOUND a file is missing; INVALID_ARGUMENT names file, key or tensor, and what is wrong.
absl::StatusOr<std::unique_ptr<Encoder>> LoadCheckpoint(const std::string& folder,
                                                        const CheckpointOptions& options = {});

// Writes config.json and model.safetensors into `folder` (made where missing) and copies the tokenizer's
// files from `tokenizer_folder`. Each file appears whole or not at all.
// What is loaded again equals what was saved bit for bit.
absl::Status SaveCheckpoint(const Encoder& model, const std::string& tokenizer_folder,
                            const std::string& folder);

// The parts of SaveCheckpoint, for formats that store the tensors otherwise.
absl::Status SaveModelConfig(const EncoderConfig& config, const std::string& folder);
absl::Status CopyTokenizerFiles(const std::string& from, const std::string& to);

// Makes "left" or "right" the truncation_side of the tokenizer in `folder`: of its tokenizer_config.json.
absl::Status SaveTruncationSide(const std::string& side, const std::string& folder);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MODELS_CHECKPOINT_H_
