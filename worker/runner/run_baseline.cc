// The baseline: fine-tunes a checkpoint, or uses one that is already fine-tuned, and evaluates it.
#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "worker/engine/measure/devices.h"
#include "worker/engine/models/checkpoint.h"
#include "worker/engine/models/saved_model.h"
#include "worker/engine/train/trainer.h"
#include "worker/engine/train/training_log.h"
#include "worker/runner/attempt.h"
#include "worker/runner/evaluation.h"

namespace quantlab::runner {
namespace {

using Model = engine::Encoder;

absl::StatusOr<std::unique_ptr<Model>> LoadPretrained(Attempt& attempt, const engine::Dataset& data) {
  const TrainingConfig& training = attempt.config().training;
  engine::CheckpointOptions options;
  options.labels = data.labels;
  options.text_pairs = data.pairs;
  options.task = attempt.config().dataset.task;
  options.label_map = attempt.config().dataset.label_map;
  options.build.initialize_missing_head = training.enabled;
  options.build.seed = attempt.config().seed;
  Message new_head;
  options.new_head = &new_head;
  auto model = engine::LoadCheckpoint(attempt.job().model_folder, options);
  if (!model.ok()) {
    const absl::Status& status = model.status();
    return training.enabled ? status
                            : MessageStatus(status.code(), messages::kMustBeClassifier(MessageOf(status)));
  }
  if (!new_head.empty()) attempt.Warn("new_head", messages::kNewHead(new_head));
  for (const std::string& layer : (*model)->initialized_layers()) {
    attempt.Log(absl::StrCat("the checkpoint has no ", layer, ": drawn at random with the run's seed"));
  }
  QL_RETURN_IF_ERROR((*model)->To(engine::TorchDevice(attempt.device())));
  return *std::move(model);
}

// Records the actual sizes of the splits, since the configuration may have 0.
void RecordSizes(Attempt& attempt, const engine::Dataset& data) {
  const auto count = [&](const char* split, size_t texts) {
    attempt.Record(
        Metric{"dataset_texts", static_cast<double>(texts), "texts", {{"split", split}}, 0, {}, {}, 0});
  };
  count("train", data.train.size());
  count("validation", data.validation.size());
  count("test", data.test.size());
  if (data.numeric) return;
  constexpr size_t kMaxClasses = 100;  // beyond, a table of them is of no use
  for (size_t i = 0; i < std::min(data.labels.size(), kMaxClasses); ++i) {
    const auto rows = static_cast<double>(data.summary.class_rows[i]);
    attempt.Record(Metric{"class_rows", rows, "1", {{"class", data.labels[i]}}, 0, {}, {}, 0});
  }
}

absl::Status FineTune(Attempt& attempt, Model& model, const engine::LabelledTexts& data) {
  const TrainingConfig& training = attempt.config().training;
  engine::TrainingLog log([&attempt](Metric metric) { attempt.Send(std::move(metric)); });
  engine::TrainingOptions options;
  options.config = training;
  options.seed = attempt.config().seed;
  options.checkpoints = attempt.checkpoints();
  options.on_step = [&](const engine::TrainingStep& step) {
    log.Add(step);
    // Clients compute the speed from the first report on.
    if (step.repeated) return true;
    return attempt.Report(messages::kTraining(), step.step, step.steps, "step");
  };
  const auto schedule = engine::MakeTrainingSchedule(data, training, attempt.config().seed);
  QL_ASSIGN_OR_RETURN(const engine::TrainingSummary summary, engine::Train(model, data, schedule, options));
  attempt.Record(Metric{"training_time", summary.seconds, "s", {{"dtype", summary.dtype}}, 0, {}, {}, 0});
  for (size_t epoch = 0; epoch < summary.epoch_losses.size(); ++epoch) {
    attempt.Log(absl::StrCat("epoch ", epoch + 1, ": mean loss ", summary.epoch_losses[epoch]));
  }
  return attempt.WriteArtifact("training_log.csv", log.csv());
}

}  // namespace

absl::Status RunBaseline(Attempt& attempt) {
  const DatasetConfig& dataset = attempt.config().dataset;
  QL_ASSIGN_OR_RETURN(engine::Dataset data, ReadDataset(attempt));
  // A model that is trained takes the dataset's classes as they are, unless it is told how they belong
  // together.
  if (!attempt.config().training.enabled || !dataset.label_map.empty()) {
    QL_RETURN_IF_ERROR(AlignWithModel(attempt, attempt.job().model_folder, &data));
  }
  RecordSizes(attempt, data);
  QL_ASSIGN_OR_RETURN(const std::unique_ptr<Model> model, LoadPretrained(attempt, data));
  const auto side = engine::ParseTruncationSide(dataset.truncation_side);
  QL_ASSIGN_OR_RETURN(const auto tokenizer,
                      LoadTokenizer(attempt.job().model_folder, model->config(), dataset.max_length, side));
  if (attempt.config().training.enabled) {
    QL_ASSIGN_OR_RETURN(
        const engine::LabelledTexts texts,
        TokenizeExamples(attempt, *tokenizer, model->config(), data.train, "training examples"));
    QL_RETURN_IF_ERROR(FineTune(attempt, *model, texts));
  }
  attempt.Report(messages::kSavingCheckpoint(), 0, 1, "file");
  QL_RETURN_IF_ERROR(
      engine::SaveModel(*model, std::nullopt, attempt.job().model_folder, attempt.OutputPath("model")));
  if (side) {
    QL_RETURN_IF_ERROR(engine::SaveTruncationSide(dataset.truncation_side, attempt.OutputPath("model")));
  }
  if (!data.validation.empty()) {
    QL_RETURN_IF_ERROR(
        Evaluate(attempt, *model, *tokenizer, data.validation, "validation", data.validation_digest)
            .status());
  }
  QL_ASSIGN_OR_RETURN(const Evaluation test,
                      Evaluate(attempt, *model, *tokenizer, data.test, "test", data.test_digest));
  QL_RETURN_IF_ERROR(WritePredictions(attempt, test, data));
  QL_RETURN_IF_ERROR(SaveTestPredictions(test, dataset.max_length, attempt.OutputPath("model")));
  return attempt.AnnounceFolder("model");
}

}  // namespace quantlab::runner
