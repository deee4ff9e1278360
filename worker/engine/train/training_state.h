// The state of a training between two steps, and its file. A process that continues from it computes the
// same weights, bit for bit on the same execution fingerprint, as one that was never interrupted.
//
// The file is safetensors. Its tensors are the parameters ("parameter/NAME"), the optimizer's moments and
// counts ("first_moment/NAME", "second_moment/NAME", "updates/NAME"), state outside of the parameters
// ("extra/NAME"), the generators of random numbers ("random/cpu", "random/device") and one value for each
// step so far ("steps/loss", …). Its metadata are the other fields of TrainingState.
#ifndef QUANTLAB_WORKER_ENGINE_TRAIN_TRAINING_STATE_H_
#define QUANTLAB_WORKER_ENGINE_TRAIN_TRAINING_STATE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "worker/engine/train/trainer.h"

namespace quantlab::engine {

struct TrainingState {
  std::string inputs;       // TrainingInputsDigest
  int64_t attempt = 0;      // that wrote it
  int64_t total_steps = 0;  // of the whole training
  double seconds = 0;       // spent on `steps`, over all processes
  // Execution fingerprints of the processes that made `steps`, each once, in order.
  std::vector<std::string> executed_by;
  std::vector<TrainingStep> steps;  // made so far
  TensorMap tensors;                // by their names in the file, without those of `steps`
};

// Atomically, with fsync. Errors: those of WriteSafetensors.
absl::Status WriteTrainingState(const std::string& path, const TrainingState& state);

// Errors: NOT_FOUND; INVALID_ARGUMENT the file is damaged, or is no training state.
absl::StatusOr<TrainingState> ReadTrainingState(const std::string& path);

// SHA-256 of everything that determines the steps of a training: settings, seed, schedule, token ids, labels,
// and the model's tensors before the first step, except those drawn at random, whose bits depend on the
// machine.
absl::StatusOr<std::string> TrainingInputsDigest(const Encoder& model, const LabelledTexts& data,
                                                 const std::vector<std::vector<Batch>>& schedule,
                                                 const TrainingOptions& options);

// Adds the state of the generators that training on `device` draws from, and sets it again.
// Errors: INVALID_ARGUMENT it is missing or not of this device. LibTorch's exceptions pass through.
void AddRandomState(const at::Device& device, TensorMap* tensors);
absl::Status RestoreRandomState(const at::Device& device, const TensorMap& tensors);

// Whether tensors[name] can be copied into `target`.
// Errors: INVALID_ARGUMENT it is missing, or has another shape or dtype.
absl::Status CheckTensor(const TensorMap& tensors, const std::string& name, const at::Tensor& target);
// Copies it. Errors: those of CheckTensor.
absl::Status RestoreTensor(const TensorMap& tensors, const std::string& name, const at::Tensor& target);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TRAIN_TRAINING_STATE_H_
