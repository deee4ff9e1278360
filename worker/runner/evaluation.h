// The texts of a run, and a model's predictions on them as metrics and files.
#ifndef QUANTLAB_WORKER_RUNNER_EVALUATION_H_
#define QUANTLAB_WORKER_RUNNER_EVALUATION_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "worker/engine/data/dataset.h"
#include "worker/engine/models/encoder.h"
#include "worker/engine/text/tokenizer.h"
#include "worker/engine/train/trainer.h"
#include "worker/runner/attempt.h"
#include "worker/runner/task_results.h"

namespace quantlab::runner {

// Reads the dataset and reports what was left out of it.
absl::StatusOr<engine::Dataset> ReadDataset(Attempt& attempt);

// Tokenizes `examples` for a model of `config`; `what` names them in progress ("training examples").
// Errors: CANCELLED.
absl::StatusOr<engine::LabelledTexts> TokenizeExamples(Attempt& attempt, const engine::Tokenizer& tokenizer,
                                                       const engine::EncoderConfig& config,
                                                       const std::vector<engine::Example>& examples,
                                                       const std::string& what);

// The tokenizer of `folder`, checked against the model there; where config.text_pairs, also for pairs.
// Errors: INVALID_ARGUMENT more ids than the model has embeddings, max_length beyond its positions, and those
// of engine::CheckPairs.
absl::StatusOr<std::unique_ptr<engine::Tokenizer>> LoadTokenizer(
    const std::string& folder, const engine::EncoderConfig& config, int max_length,
    std::optional<engine::TruncationSide> side = {});

// One split and a model's predictions on it.
struct Evaluation {
  std::string split;   // "test"
  std::string digest;  // of the split
  Predictions predictions;
  engine::Logits logits;
};

// Predicts `examples`, records what the task records of a split, and the time it took.
absl::StatusOr<Evaluation> Evaluate(Attempt& attempt, engine::Encoder& model,
                                    const engine::Tokenizer& tokenizer,
                                    const std::vector<engine::Example>& examples, const std::string& split,
                                    const std::string& digest);

// The same without recording anything.
absl::StatusOr<Predictions> Predict(Attempt& attempt, engine::Encoder& model,
                                    const engine::Tokenizer& tokenizer,
                                    const std::vector<engine::Example>& examples, const Message& phase);

// Puts the dataset's classes, where its labels are classes, into the order of the model's in `model_folder`.
// Errors: INVALID_ARGUMENT they are not the same.
absl::Status AlignWithModel(Attempt& attempt, const std::string& model_folder, engine::Dataset* data);

// predictions.csv: row, label, predicted; of classes also one logit for each.
absl::Status WritePredictions(Attempt& attempt, const Evaluation& evaluation, const engine::Dataset& dataset);

// Saves a model's predictions on the test split beside the model, so that a variant can be compared with its
// baseline text by text without predicting again.
inline constexpr char kTestPredictionsFile[] = "test_predictions.json";
absl::Status SaveTestPredictions(const Evaluation& evaluation, int max_length,
                                 const std::string& model_folder);
struct TestPredictions {
  std::string split, digest;
  int max_length = 0;
  Predictions predictions;  // without labels in files of earlier versions
};
// Errors: NOT_FOUND there is no such file; INVALID_ARGUMENT it is damaged.
absl::StatusOr<TestPredictions> ReadTestPredictions(const std::string& model_folder);
// The predictions alone, of the split that was evaluated.
// Errors: NOT_FOUND there is no such file, or it is of other texts; INVALID_ARGUMENT it is damaged.
absl::StatusOr<Predictions> LoadTestPredictions(const Evaluation& same_split, int max_length,
                                                const std::string& model_folder);

// Records of `evaluation` against the baseline: what changed, the difference of the task's quality with its
// p-value, non_inferiority_p_value and non_inferior.
absl::Status RecordPaired(Attempt& attempt, const Evaluation& evaluation, const Predictions& baseline);

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_EVALUATION_H_
