// Fine-tuning: AdamW with linear warm-up and decay (Devlin 2018, Loshchilov 2019).
#ifndef QUANTLAB_WORKER_ENGINE_TRAIN_TRAINER_H_
#define QUANTLAB_WORKER_ENGINE_TRAIN_TRAINER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/config/run_config.h"
#include "worker/engine/data/batching.h"
#include "worker/engine/models/encoder.h"
#include "worker/engine/tasks/labelled_texts.h"

namespace quantlab::engine {

class Checkpoints;

// One optimizer step.
struct TrainingStep {
  int64_t step = 0;          // from 1
  int64_t steps = 0;         // of the whole training
  int epoch = 0;             // from 0
  int64_t examples = 0;      // of this batch
  int64_t tokens = 0;        // of this batch; there is no padding
  double loss = 0;           // of the batch, before the step
  double learning_rate = 0;  // of the step
  double gradient_norm = 0;  // global L2 norm before clipping
  bool repeated = false;     // an earlier process made it; on_step gets it again
};

struct TrainingOptions {
  TrainingConfig config;
  // Of dropout. On a CPU, equal seed, data, schedule and threads give equal weights, bit for bit.
  uint64_t seed = 0;
  // The loss of a batch, a scalar, from logits [texts, outputs] float and Task::Targets on the model's
  // device. Empty: Task::Loss of the model's task.
  std::function<absl::StatusOr<at::Tensor>(const at::Tensor& logits, const at::Tensor& targets,
                                           const PackedBatch& batch)>
      loss;
  // The settings on which `loss` depends, as a text. Empty with the default loss.
  std::string loss_key;
  // Called after every step, on the training thread; false ends the training with CANCELLED. Steps that an
  // earlier process made are repeated to it, in order, before the first new one. May be empty.
  std::function<bool(const TrainingStep&)> on_step;
  // Where the training's state is kept, and from where it continues (checkpoints.h). nullptr: nothing is
  // kept.
  Checkpoints* checkpoints = nullptr;
  // State outside of the parameters that steps change, such as the ranges that layers observe. Both or none.
  // Restoring changes nothing where it fails.
  std::function<TensorMap()> extra_state;
  std::function<absl::Status(const TensorMap&)> restore_extra_state;
};

struct TrainingSummary {
  int64_t steps = 0;
  std::string dtype;                 // of the products: fp32, bf16
  double seconds = 0;                // with those of the processes from which this one continued
  std::vector<double> epoch_losses;  // mean over the examples of each epoch
};

// What TrainingConfig::dtype means on `device`: for auto "bf16" on a GPU and on a CPU with AVX512-BF16, whose
// products of BF16 take about half the time, else "fp32"; any other as it is.
std::string TrainingDtype(const std::string& dtype, const at::Device& device);

// What each epoch reads, in order: TrainingBatches for every epoch of `config`.
std::vector<std::vector<Batch>> MakeTrainingSchedule(const LabelledTexts& data, const TrainingConfig& config,
                                                     uint64_t seed);

// Trains all parameters of `model`, on the device where it is, one step for each batch of `schedule`.
// Weight decay is decoupled and excludes biases and LayerNorms. The learning rate rises linearly from 0
// over the first ceil(warmup_ratio * steps) steps (at most all but one), and falls linearly to 0 after them.
// Afterwards the model is in evaluation mode and requires no gradients, also after an error.
//
// Errors: INVALID_ARGUMENT nothing to train on, a label (Task::CheckLabels) or an index out of range, a
// setting out of range; CANCELLED by on_step; FAILED_PRECONDITION the loss is no longer finite (with the
// remedy); RESOURCE_EXHAUSTED out of memory. After an error the weights are those of the last whole step.
//
// With `checkpoints`, a training that is cancelled by on_step writes its state first, and one that finds the
// state of an earlier process continues from it, to the same weights, bit for bit on the same fingerprint.
absl::StatusOr<TrainingSummary> Train(Encoder& model, const LabelledTexts& data,
                                      const std::vector<std::vector<Batch>>& schedule,
                                      const TrainingOptions& options);

// The factor on the learning rate at `step` (from 0) of `steps`.
double LearningRateFactor(int64_t step, int64_t steps, double warmup_ratio);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TRAIN_TRAINER_H_
