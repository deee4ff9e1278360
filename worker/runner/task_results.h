// What a task records of a model's predictions: the quality, and the comparison with another model's
// predictions on the same texts. One implementation for each task of base/config/task.h.
#ifndef QUANTLAB_WORKER_RUNNER_TASK_RESULTS_H_
#define QUANTLAB_WORKER_RUNNER_TASK_RESULTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/config/task.h"
#include "worker/engine/data/dataset.h"
#include "worker/engine/measure/statistics.h"
#include "worker/engine/tasks/task.h"
#include "worker/runner/attempt.h"

namespace quantlab::runner {

// Of every text of a split the label and the answer: classes, or numbers. The two lists of the other kind are
// empty.
struct Predictions {
  std::vector<int> labels, predicted;
  std::vector<double> values, outputs;

  int64_t texts() const {
    return static_cast<int64_t>(predicted.empty() ? outputs.size() : predicted.size());
  }
};

// A model against another one on the same texts.
struct PairedResult {
  double difference = 0;  // of the task's quality, the second model's less the first's
  statistics::Interval interval;
  double p_value = 1;            // of no difference
  int64_t samples = 0;           // texts that p_value depends on
  double non_inferiority_p = 1;  // of "the second model's quality is lower by the margin or more"
};

// Threads: safe; implementations have no state.
class TaskResults {
 public:
  virtual ~TaskResults() = default;

  virtual const TaskSpec& spec() const = 0;

  // The answers that the logits of a split are; labels as in the examples.
  virtual Predictions Answer(const engine::Logits& logits, const engine::LabelledTexts& texts) const = 0;

  // Records the metrics of the task on a split; of the baseline's test split also caveats about a model that
  // has learned nothing. outputs: of the model's head. Errors: INVALID_ARGUMENT a label or a prediction out
  // of range.
  virtual absl::Status RecordQuality(Attempt& attempt, const Predictions& predictions,
                                     const std::string& split, int outputs) const = 0;

  // `second` against `first`, to the same texts. margin: evaluation.non_inferiority_margin; absent: without
  // that test, which takes longest. seed: of a bootstrap. Errors: INVALID_ARGUMENT the texts cannot be the
  // same.
  virtual absl::StatusOr<PairedResult> Compare(const Predictions& first, const Predictions& second,
                                               std::optional<double> margin, uint64_t seed) const = 0;

  // Records how many answers changed, and how.
  virtual void RecordChanges(Attempt& attempt, const Predictions& first, const Predictions& second,
                             const std::string& split) const = 0;

  // Header and one row of predictions.csv after the column `row`.
  virtual std::string CsvHeader(const engine::Dataset& dataset) const = 0;
  virtual std::string CsvRow(const Predictions& predictions, const engine::Logits& logits, size_t text,
                             const engine::Dataset& dataset) const = 0;
};

const TaskResults& ResultsOf(const TaskSpec& task);

// One for each task.
const TaskResults& ClassificationResults();
const TaskResults& RegressionResults();

// A metric of a split, without unit.
Metric QualityMetric(const std::string& name, double value, const std::string& split, int64_t samples);

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_TASK_RESULTS_H_
