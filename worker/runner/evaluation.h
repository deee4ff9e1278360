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

namespace quantlab::runner {

// Reads the dataset and reports what was left out of it.
absl::StatusOr<engine::Dataset> ReadDataset(Attempt& attempt);

// Tokenizes `examples`; `what` names them in progress ("training texts").
// Errors: CANCELLED.
absl::StatusOr<engine::LabelledTexts> TokenizeExamples(Attempt& attempt, const engine::Tokenizer& tokenizer,
                                                       const std::vector<engine::Example>& examples,
                                                       const std::string& what);

// The tokenizer of `folder`, checked against the model there.
// Errors: INVALID_ARGUMENT more ids than the model has embeddings, max_length beyond its positions.
absl::StatusOr<std::unique_ptr<engine::Tokenizer>> LoadTokenizer(const std::string& folder,
                                                                 const engine::EncoderConfig& config,
                                                                 int max_length);

// One split and a model's predictions on it.
struct Evaluation {
  std::string split;   // "test"
  std::string digest;  // of the split
  std::vector<int> labels, predicted;
  std::vector<std::vector<float>> logits;
};

// Predicts `examples` and records accuracy, precision, recall, F1 and the time it took.
absl::StatusOr<Evaluation> Evaluate(Attempt& attempt, engine::Encoder& model,
                                    const engine::Tokenizer& tokenizer,
                                    const std::vector<engine::Example>& examples, const std::string& split,
                                    const std::string& digest);

// The same without recording anything: the class of each text.
absl::StatusOr<std::vector<int>> PredictClasses(Attempt& attempt, engine::Encoder& model,
                                                const engine::Tokenizer& tokenizer,
                                                const std::vector<engine::Example>& examples,
                                                const Message& phase);

// Puts the dataset's classes into the order of the model's in `model_folder`.
// Errors: INVALID_ARGUMENT they are not the same.
absl::Status AlignWithModel(Attempt& attempt, const std::string& model_folder, engine::Dataset* data);

// predictions.csv: row, label, predicted, one logit for each class.
absl::Status WritePredictions(Attempt& attempt, const Evaluation& evaluation, const engine::Dataset& dataset);

// Saves a model's predictions on the test split beside the model, so that a variant can be compared with its
// baseline text by text without predicting again.
inline constexpr char kTestPredictionsFile[] = "test_predictions.json";
absl::Status SaveTestPredictions(const Evaluation& evaluation, int max_length,
                                 const std::string& model_folder);
struct TestPredictions {
  std::string split, digest;
  int max_length = 0;
  std::vector<int> labels;  // empty in files of earlier versions
  std::vector<int> predicted;
};
// Errors: NOT_FOUND there is no such file; INVALID_ARGUMENT it is damaged.
absl::StatusOr<TestPredictions> ReadTestPredictions(const std::string& model_folder);
// The classes alone, of the split that was evaluated.
// Errors: NOT_FOUND there is no such file, or it is of other texts; INVALID_ARGUMENT it is damaged.
absl::StatusOr<std::vector<int>> LoadTestPredictions(const Evaluation& same_split, int max_length,
                                                     const std::string& model_folder);

// Records agreement, accuracy_difference, non_inferiority_p_value, non_inferior, label_flips and
// mcnemar_p_value of `evaluation` against the baseline.
absl::Status RecordPaired(Attempt& attempt, const Evaluation& evaluation, const std::vector<int>& baseline);

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_EVALUATION_H_
