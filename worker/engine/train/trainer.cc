#include "worker/engine/train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "worker/engine/kernels/bf16_tile.h"
#include "worker/engine/tasks/task.h"
#include "worker/engine/tensors/torch_status.h"
#include "worker/engine/train/adamw.h"
#include "worker/engine/train/checkpoints.h"
#include "worker/engine/train/training_state.h"

namespace quantlab::engine {
namespace {

using Schedule = std::vector<std::vector<Batch>>;

absl::Status CheckConfig(const TrainingConfig& config) {
  const auto bad = [](const char* name, double value, const char* allowed) {
    return absl::InvalidArgumentError(absl::StrCat("training.", name, " is ", value, "; allowed: ", allowed));
  };
  // Negated, so that NaN is refused too.
  if (!(config.learning_rate > 0 && std::isfinite(config.learning_rate))) {
    return bad("learning_rate", config.learning_rate, "a number greater than 0");
  }
  if (!(config.weight_decay >= 0)) return bad("weight_decay", config.weight_decay, "at least 0");
  if (!(config.warmup_ratio >= 0 && config.warmup_ratio <= 1)) {
    return bad("warmup_ratio", config.warmup_ratio, "from 0 to 1");
  }
  if (!(config.max_grad_norm >= 0)) return bad("max_grad_norm", config.max_grad_norm, "at least 0");
  if (!(config.adam_beta1 >= 0 && config.adam_beta1 < 1))
    return bad("adam_beta1", config.adam_beta1, "[0, 1)");
  if (!(config.adam_beta2 >= 0 && config.adam_beta2 < 1))
    return bad("adam_beta2", config.adam_beta2, "[0, 1)");
  if (!(config.adam_epsilon > 0)) return bad("adam_epsilon", config.adam_epsilon, "greater than 0");
  if (config.dtype != "fp32" && config.dtype != "bf16" && config.dtype != "auto") {
    return absl::InvalidArgumentError(
        absl::StrCat("training.dtype is ", config.dtype, "; allowed: fp32, bf16, auto"));
  }
  return absl::OkStatus();
}

absl::Status CheckData(const EncoderConfig& model, const LabelledTexts& data, const Schedule& schedule) {
  QL_RETURN_IF_ERROR(TaskOf(model).CheckLabels(data, model));
  int64_t batches = 0;
  for (const std::vector<Batch>& epoch : schedule) {
    for (const Batch& batch : epoch) {
      ++batches;
      if (batch.indices.empty()) return absl::InvalidArgumentError("a batch of the schedule is empty");
      for (const int64_t index : batch.indices) {
        if (index >= 0 && index < static_cast<int64_t>(data.texts.size())) continue;
        return absl::InvalidArgumentError(
            absl::StrCat("the schedule names text ", index, ", but there are ", data.texts.size()));
      }
    }
  }
  if (batches == 0) return absl::InvalidArgumentError("there is nothing to train on: no batches");
  return absl::OkStatus();
}

// Autocast to BF16 within a scope, where it is requested. Affects the current thread.
class AutocastScope {
 public:
  AutocastScope(at::DeviceType device, bool enabled) : device_(device), enabled_(enabled) {
    if (!enabled_) return;
    at::autocast::set_autocast_dtype(device_, at::kBFloat16);
    at::autocast::set_autocast_enabled(device_, true);
  }
  ~AutocastScope() {
    if (!enabled_) return;
    at::autocast::clear_cache();  // of weights cast to BF16, which the next step changes
    at::autocast::set_autocast_enabled(device_, false);
  }
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  at::DeviceType device_;
  bool enabled_;
};

// Training mode within a scope.
class TrainingScope {
 public:
  TrainingScope(Encoder& model, bool dropout) : model_(model) {
    model_.SetTraining(dropout);
    model_.SetRequiresGrad(true);
  }
  ~TrainingScope() {
    model_.SetTraining(false);
    model_.SetRequiresGrad(false);
    for (const auto& parameter : model_.Parameters()) parameter.tensor.mutable_grad().reset();
  }
  TrainingScope(const TrainingScope&) = delete;
  TrainingScope& operator=(const TrainingScope&) = delete;

 private:
  Encoder& model_;
};

absl::Status NotFinite(const TrainingStep& step, const char* what, double value) {
  return MessageStatus(absl::StatusCode::kFailedPrecondition,
                       messages::kTrainingDiverged(what, value, step.step, step.steps, step.learning_rate));
}

constexpr char kExtra[] = "extra/";

std::string ParameterKey(const Encoder::NamedTensor& parameter) {
  return absl::StrCat("parameter/", parameter.name);
}

TensorMap ExtraOf(const TrainingState& state) {
  TensorMap extra;
  for (const auto& [name, tensor] : state.tensors) {
    if (absl::StartsWith(name, kExtra)) extra[std::string(absl::StripPrefix(name, kExtra))] = tensor;
  }
  return extra;
}

class TrainingLoop {
 public:
  TrainingLoop(Encoder& model, const LabelledTexts& data, const Schedule& schedule,
               const TrainingOptions& options)
      : model_(model),
        data_(data),
        schedule_(schedule),
        options_(options),
        bf16_(TrainingDtype(options.config.dtype, model.device()) == "bf16"),
        scope_(model, options.config.dropout),
        optimizer_(model.Parameters(), {options.config.adam_beta1, options.config.adam_beta2,
                                        options.config.adam_epsilon, options.config.weight_decay}) {
    for (const std::vector<Batch>& epoch : schedule) steps_ += static_cast<int64_t>(epoch.size());
  }

  absl::StatusOr<TrainingSummary> Run() {
    start_ = std::chrono::steady_clock::now();
    at::manual_seed(options_.seed);
    if (options_.checkpoints != nullptr) QL_RETURN_IF_ERROR(Resume());
    TrainingSummary summary;
    for (size_t epoch = 0; epoch < schedule_.size(); ++epoch) {
      double loss = 0, examples = 0;
      for (const Batch& batch : schedule_[epoch]) {
        QL_ASSIGN_OR_RETURN(const TrainingStep step, NextStep(batch, epoch, ++summary.steps));
        loss += step.loss * static_cast<double>(step.examples);
        examples += static_cast<double>(step.examples);
        QL_RETURN_IF_ERROR(AfterStep(step));
      }
      if (examples > 0) summary.epoch_losses.push_back(loss / examples);
    }
    summary.seconds = Seconds();
    summary.dtype = bf16_ ? "bf16" : "fp32";
    if (options_.checkpoints != nullptr) options_.checkpoints->SetFinal(State());
    return summary;
  }

 private:
  double Seconds() const {
    return seconds_before_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

  // A step that an earlier process made is not made again.
  absl::StatusOr<TrainingStep> NextStep(const Batch& batch, size_t epoch, int64_t number) {
    TrainingStep step;
    if (number <= resumed_) {
      step = done_[static_cast<size_t>(number - 1)];
      step.repeated = true;
      return step;
    }
    step.epoch = static_cast<int>(epoch);
    step.step = number;
    QL_RETURN_IF_ERROR(RunStep(batch, step));
    if (options_.checkpoints != nullptr) done_.push_back(step);
    return step;
  }

  absl::Status AfterStep(const TrainingStep& step) {
    const bool go_on = !options_.on_step || options_.on_step(step);
    Checkpoints* const checkpoints = options_.checkpoints;
    if (checkpoints != nullptr && !step.repeated && (!go_on || checkpoints->Due()))
      checkpoints->Write(State());
    if (go_on) return absl::OkStatus();
    return absl::CancelledError(absl::StrCat("training cancelled after step ", step.step, " of ", steps_));
  }

  // ---- state between two steps ----

  // Its tensors share storage with the training's own. After the last step the optimizer is not needed.
  TrainingState State() const {
    TrainingState state;
    state.inputs = inputs_;
    state.total_steps = steps_;
    state.seconds = Seconds();
    state.steps = done_;
    if (static_cast<int64_t>(done_.size()) < steps_) state.tensors = optimizer_.State();
    for (const Encoder::NamedTensor& parameter : model_.Parameters()) {
      state.tensors[ParameterKey(parameter)] = parameter.tensor.detach();
    }
    if (options_.extra_state) {
      for (const auto& [name, tensor] : options_.extra_state()) {
        state.tensors[absl::StrCat(kExtra, name)] = tensor;
      }
    }
    AddRandomState(model_.device(), &state.tensors);
    return state;
  }

  absl::Status Resume() {
    QL_ASSIGN_OR_RETURN(inputs_, TrainingInputsDigest(model_, data_, schedule_, options_));
    const std::optional<TrainingState> state = options_.checkpoints->Resume(inputs_, steps_);
    if (!state) return absl::OkStatus();
    if (const absl::Status restored = Restore(*state); !restored.ok()) {
      at::manual_seed(options_.seed);
      options_.checkpoints->Refuse(restored);
      return absl::OkStatus();
    }
    done_ = state->steps;
    resumed_ = static_cast<int64_t>(done_.size());
    seconds_before_ = state->seconds;
    options_.checkpoints->Accept(*state);
    return absl::OkStatus();
  }

  // After an error, only the generators of random numbers may have changed.
  absl::Status Restore(const TrainingState& state) {
    const std::vector<Encoder::NamedTensor> parameters = model_.Parameters();
    const bool optimizes = static_cast<int64_t>(state.steps.size()) < steps_;
    for (const Encoder::NamedTensor& parameter : parameters) {
      QL_RETURN_IF_ERROR(CheckTensor(state.tensors, ParameterKey(parameter), parameter.tensor));
    }
    if (optimizes) {
      for (const auto& [name, tensor] : optimizer_.State()) {
        QL_RETURN_IF_ERROR(CheckTensor(state.tensors, name, tensor));
      }
      QL_RETURN_IF_ERROR(RestoreRandomState(model_.device(), state.tensors));
    }
    if (options_.restore_extra_state) {
      QL_RETURN_IF_ERROR(options_.restore_extra_state(ExtraOf(state)));
    }
    for (const Encoder::NamedTensor& parameter : parameters) {
      QL_RETURN_IF_ERROR(RestoreTensor(state.tensors, ParameterKey(parameter), parameter.tensor));
    }
    return optimizes ? optimizer_.Restore(state.tensors) : absl::OkStatus();
  }

  absl::Status RunStep(const Batch& batch, TrainingStep& step) {
    const TrainingConfig& config = options_.config;
    step.steps = steps_;
    step.learning_rate =
        config.learning_rate * LearningRateFactor(step.step - 1, steps_, config.warmup_ratio);
    QL_ASSIGN_OR_RETURN(const at::Tensor loss, Loss(batch, step));
    step.loss = loss.item<double>();
    if (!std::isfinite(step.loss)) return NotFinite(step, "loss", step.loss);
    optimizer_.ClearGradients();
    loss.backward();
    step.gradient_norm = optimizer_.ClipGradients(config.max_grad_norm);
    if (!std::isfinite(step.gradient_norm)) return NotFinite(step, "gradient norm", step.gradient_norm);
    optimizer_.Step(step.learning_rate);
    return absl::OkStatus();
  }

  absl::StatusOr<at::Tensor> Loss(const Batch& batch, TrainingStep& step) {
    std::vector<const TokenizedText*> texts;
    for (const int64_t index : batch.indices) texts.push_back(&data_.texts[static_cast<size_t>(index)]);
    const Task& task = TaskOf(model_.config());
    QL_ASSIGN_OR_RETURN(const PackedBatch packed, PackTexts(model_.config(), texts));
    step.examples = packed.texts();
    step.tokens = packed.tokens();
    const AutocastScope autocast(model_.device().type(), bf16_);
    QL_ASSIGN_OR_RETURN(const at::Tensor logits, model_.Forward(packed));
    const at::Tensor targets = task.Targets(data_, batch.indices).to(model_.device());
    if (options_.loss) return options_.loss(logits.to(at::kFloat), targets, packed);
    return task.Loss(logits.to(at::kFloat), targets);
  }

  Encoder& model_;
  const LabelledTexts& data_;
  const Schedule& schedule_;
  const TrainingOptions& options_;
  const bool bf16_;
  const TrainingScope scope_;  // before the optimizer, which keeps what requires gradients
  AdamW optimizer_;
  int64_t steps_ = 0;
  std::chrono::steady_clock::time_point start_;
  // With `options_.checkpoints` only.
  std::string inputs_;
  std::vector<TrainingStep> done_;
  int64_t resumed_ = 0;        // of `done_`, those that an earlier process made
  double seconds_before_ = 0;  // that they took
};

}  // namespace

std::string TrainingDtype(const std::string& dtype, const at::Device& device) {
  if (dtype != "auto") return dtype;
  return !device.is_cpu() || HasBf16Products() ? "bf16" : "fp32";
}

Schedule MakeTrainingSchedule(const LabelledTexts& data, const TrainingConfig& config, uint64_t seed) {
  const std::vector<int> lengths = data.Lengths();
  Schedule schedule;
  for (int epoch = 0; epoch < config.epochs; ++epoch) {
    schedule.push_back(TrainingBatches(lengths, config.batch_size, seed, epoch));
  }
  return schedule;
}

double LearningRateFactor(int64_t step, int64_t steps, double warmup_ratio) {
  // At least one step follows the warm-up, or a training of one step would have the rate 0.
  const double warmup =
      std::min(std::ceil(warmup_ratio * static_cast<double>(steps)), static_cast<double>(steps - 1));
  const double at = static_cast<double>(step), end = static_cast<double>(steps);
  if (at < warmup) return at / warmup;
  return std::max(0.0, (end - at) / std::max(1.0, end - warmup));
}

absl::StatusOr<TrainingSummary> Train(Encoder& model, const LabelledTexts& data, const Schedule& schedule,
                                      const TrainingOptions& options) {
  QL_RETURN_IF_ERROR(CheckConfig(options.config));
  QL_RETURN_IF_ERROR(CheckData(model.config(), data, schedule));
  return CatchTorch("training", [&]() -> absl::StatusOr<TrainingSummary> {
    const at::AutoGradMode gradients(true);
    return TrainingLoop(model, data, schedule, options).Run();
  });
}

}  // namespace quantlab::engine
