// The methods that train: qat, and fp32_continued, which trains for as many steps without quantizing.
#include <cmath>
#include <memory>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "worker/engine/calibration/layer_inputs.h"
#include "worker/engine/methods/fake_quant_linear.h"
#include "worker/engine/methods/method.h"
#include "worker/engine/tasks/task.h"
#include "worker/engine/train/training_log.h"
#include "worker/engine/train/training_state.h"

namespace quantlab::engine {
namespace {

TrainingConfig ExtraTraining(const Params& params, const QuantizationContext& context) {
  TrainingConfig config = context.training;
  config.epochs = static_cast<int>(Param<int64_t>(params, "epochs"));
  config.learning_rate = Param<double>(params, "learning_rate");
  return config;
}

// A deep copy of the model.
absl::StatusOr<std::unique_ptr<Encoder>> Copy(const Encoder& model) {
  QL_ASSIGN_OR_RETURN(auto copy,
                      MakeEncoder(model.config(), Weights(model.StateTensors(), "the FP32 teacher")));
  QL_RETURN_IF_ERROR(copy->To(model.device()));
  return copy;
}

// (1 - weight) of the task's loss and weight of the distance from the teacher (Task::DistillationLoss).
// Source: Hinton 2015 (arXiv 1503.02531).
class Distillation {
 public:
  Distillation(std::unique_ptr<Encoder> teacher, double weight, double temperature)
      : teacher_(std::move(teacher)), weight_(weight), temperature_(temperature) {}

  absl::StatusOr<at::Tensor> Loss(const at::Tensor& logits, const at::Tensor& targets,
                                  const PackedBatch& batch) const {
    at::Tensor wanted;
    {
      const at::NoGradGuard no_grad;
      QL_ASSIGN_OR_RETURN(wanted, teacher_->Forward(batch));
    }
    const Task& task = TaskOf(teacher_->config());
    const at::Tensor distance = task.DistillationLoss(logits, wanted, temperature_);
    return task.Loss(logits, targets) * (1 - weight_) + distance * weight_;
  }

 private:
  std::unique_ptr<Encoder> teacher_;
  double weight_, temperature_;
};

// Trains `model` on the context's training examples and reports curve, log and progress.
absl::Status TrainMore(Encoder& model, const TrainingConfig& config, const QuantizationContext& context,
                       TrainingOptions options, const std::function<void(const TrainingStep&)>& after_step) {
  options.config = config;
  options.seed = context.seed;
  options.checkpoints = context.checkpoints;
  TrainingLog log(context.record);
  absl::Status reported;
  options.on_step = [&](const TrainingStep& step) {
    log.Add(step);
    after_step(step);
    // Clients compute the speed from the first report on.
    if (step.repeated) return true;
    reported = context.Report(messages::kTraining(), step.step, step.steps, "step");
    return reported.ok();
  };
  const auto schedule = MakeTrainingSchedule(*context.train, config, context.seed);
  QL_ASSIGN_OR_RETURN(const TrainingSummary summary, Train(model, *context.train, schedule, options));
  context.Record(Metric{"training_time", summary.seconds, "s", {{"dtype", summary.dtype}}, 0, {}, {}, 0});
  for (size_t epoch = 0; epoch < summary.epoch_losses.size(); ++epoch) {
    context.Log(absl::StrCat("extra epoch ", epoch + 1, ": mean loss ", summary.epoch_losses[epoch]));
  }
  return context.WriteFile("training_log.csv", log.csv());
}

class Qat : public QuantizationMethod {
 public:
  const MethodSpec& spec() const override { return *FindMethod("qat"); }

 protected:
  absl::Status Quantize(Encoder& model, const Params& params,
                        const QuantizationContext& context) const override {
    TrainingOptions training;
    std::unique_ptr<Distillation> distillation;
    if (const double weight = Param<double>(params, "distillation"); weight > 0) {
      QL_ASSIGN_OR_RETURN(auto teacher, Copy(model));
      distillation =
          std::make_unique<Distillation>(std::move(teacher), weight, Param<double>(params, "temperature"));
      training.loss = [&](const at::Tensor& logits, const at::Tensor& targets, const PackedBatch& batch) {
        return distillation->Loss(logits, targets, batch);
      };
    }
    QL_RETURN_IF_ERROR(Prepare(model, params, context));
    for (const auto& [name, value] : params) {
      absl::StrAppend(&training.loss_key, "qat ", name, "=", ParamToString(value), "\n");
    }
    training.extra_state = [&model] { return ObservedState(model); };
    training.restore_extra_state = [&model](const TensorMap& state) { return RestoreObserved(model, state); };
    const double freeze_at = Param<double>(params, "freeze_observers_at");
    const auto freeze = [&](const TrainingStep& step) {
      if (static_cast<double>(step.step) < freeze_at * static_cast<double>(step.steps)) return;
      ForEachFakeQuant(model, [](FakeQuantLinear& layer) { layer.SetObserving(false); });
    };
    QL_RETURN_IF_ERROR(TrainMore(model, ExtraTraining(params, context), context, training, freeze));
    if (context.keep_trained) {
      QL_ASSIGN_OR_RETURN(auto trained, TrainedModel(model));
      context.keep_trained(std::move(trained));
    }
    return Convert(model, context);
  }

 private:
  // The FP32 model of the weights that training made, without the simulation.
  static absl::StatusOr<std::unique_ptr<Encoder>> TrainedModel(const Encoder& model) {
    TensorMap tensors;
    for (const auto& [name, tensor] : model.StateTensors()) {
      // Learned steps are of the simulation.
      const bool step = absl::EndsWith(name, ".weight_step") || absl::EndsWith(name, ".input_step");
      if (!step) tensors[name] = tensor.detach().clone();
    }
    QL_ASSIGN_OR_RETURN(auto trained,
                        MakeEncoder(model.config(), Weights(std::move(tensors), "the trained model")));
    QL_RETURN_IF_ERROR(trained->To(model.device()));
    return trained;
  }

  static absl::Status Prepare(Encoder& model, const Params& params, const QuantizationContext& context) {
    const LabelledTexts texts =
        SampleTexts(*context.train, Param<int64_t>(params, "calibration_texts"), context.seed);
    const CalibrationOptions options = CalibrationOptionsFrom(params);
    QL_ASSIGN_OR_RETURN(const auto calibration, CalibrateInputs(model, texts, options, context));
    QL_RETURN_IF_ERROR(context.WriteFile("calibration.csv", CalibrationToCsv(calibration)));
    InstallFakeQuant(model, calibration,
                     {options.weight_bits, options.weight_per_channel, Param<bool>(params, "learned_steps"),
                      options.observer.averaging_constant});
    return absl::OkStatus();
  }

  static void ForEachFakeQuant(Encoder& model, const std::function<void(FakeQuantLinear&)>& visitor) {
    model.ForEachLinear([&](const LayerInfo&, std::unique_ptr<Linear>& slot) {
      visitor(dynamic_cast<FakeQuantLinear&>(*slot));
    });
  }

  // What the layers observed: "LAYER/range" and so on.
  static TensorMap ObservedState(Encoder& model) {
    TensorMap state;
    model.ForEachLinear([&](const LayerInfo& info, std::unique_ptr<Linear>& slot) {
      for (const auto& [name, tensor] : dynamic_cast<const FakeQuantLinear&>(*slot).Observed()) {
        state[absl::StrCat(info.name, "/", name)] = tensor;
      }
    });
    return state;
  }

  static absl::Status RestoreObserved(Encoder& model, const TensorMap& state) {
    const TensorMap own = ObservedState(model);
    for (const auto& [name, tensor] : own) QL_RETURN_IF_ERROR(CheckTensor(state, name, tensor));
    absl::Status status;
    model.ForEachLinear([&](const LayerInfo& info, std::unique_ptr<Linear>& slot) {
      auto& layer = dynamic_cast<FakeQuantLinear&>(*slot);
      TensorMap observed;
      for (const auto& [name, tensor] : layer.Observed()) {
        observed[name] = state.at(absl::StrCat(info.name, "/", name));
      }
      status.Update(layer.Restore(observed));
    });
    return status;
  }

  // The integer layers are reported and saved, never the simulation.
  static absl::Status Convert(Encoder& model, const QuantizationContext& context) {
    int64_t done = 0;
    absl::Status status;
    model.ForEachLinear([&](const LayerInfo& info, std::unique_ptr<Linear>& slot) {
      if (!status.ok()) return;
      auto layer = dynamic_cast<const FakeQuantLinear&>(*slot).Convert();
      status = Annotate(layer.status(), info.name);
      if (status.ok()) slot = *std::move(layer);
      if (status.ok()) status = context.Report(messages::kConverting(), ++done, 0, "layer");
    });
    return status;
  }
};

class Fp32Continued : public QuantizationMethod {
 public:
  const MethodSpec& spec() const override { return *FindMethod("fp32_continued"); }

 protected:
  absl::Status Quantize(Encoder& model, const Params& params,
                        const QuantizationContext& context) const override {
    return TrainMore(model, ExtraTraining(params, context), context, {}, [](const TrainingStep&) {});
  }
};

}  // namespace

std::unique_ptr<QuantizationMethod> MakeQat() {
  return std::make_unique<Qat>();
}

std::unique_ptr<QuantizationMethod> MakeFp32Continued() {
  return std::make_unique<Fp32Continued>();
}

}  // namespace quantlab::engine
