// What a task makes of the outputs of a model's head: the loss of training, and by what methods judge their
// choices. base/config/task.h lists the tasks; results are recorded by worker/runner/task_results.h.
#ifndef QUANTLAB_WORKER_ENGINE_TASKS_TASK_H_
#define QUANTLAB_WORKER_ENGINE_TASKS_TASK_H_

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "base/config/task.h"
#include "base/messages/message.h"
#include "worker/engine/families/encoder_config.h"
#include "worker/engine/tasks/labelled_texts.h"

namespace quantlab::engine {

// Of each text, what the head gives: one float for each class, or the one number of a regression.
using Logits = std::vector<std::vector<float>>;

// A number of a set of texts with its standard error over them.
struct Estimate {
  double value = 0;
  double standard_error = 0;
};

// Threads: safe; tasks have no state.
class Task {
 public:
  virtual ~Task() = default;

  virtual const TaskSpec& spec() const = 0;

  // ---- training; LibTorch's exceptions pass through ----

  // Whether every text has a label, and the head the outputs for it.
  // Errors: INVALID_ARGUMENT names the text.
  virtual absl::Status CheckLabels(const LabelledTexts& data, const EncoderConfig& config) const = 0;

  // What the loss compares the outputs with, [texts], on the CPU.
  virtual at::Tensor Targets(const LabelledTexts& data, const std::vector<int64_t>& indices) const = 0;

  // The mean over the texts, a scalar with gradients. logits: [texts, outputs] float; targets: of Targets, on
  // the same device.
  virtual at::Tensor Loss(const at::Tensor& logits, const at::Tensor& targets) const = 0;

  // How far a student's outputs are from its teacher's, a scalar with gradients; both [texts, outputs] float.
  virtual at::Tensor DistillationLoss(const at::Tensor& student, const at::Tensor& teacher,
                                      double temperature) const = 0;

  // ---- choices that methods make by measuring; all logits are finite ----

  virtual double MeanLoss(const Logits& logits, const LabelledTexts& texts) const = 0;

  // The quality of spec(): of a classification the accuracy, of a regression Pearson's correlation.
  virtual double Quality(const Logits& logits, const LabelledTexts& texts) const = 0;

  // Quality that `other` loses against `reference` on the same texts.
  virtual Estimate QualityDrop(const Logits& reference, const Logits& other,
                               const LabelledTexts& texts) const = 0;

  // Half of the smallest change of Quality on so many texts: what rounding alone may change is less.
  virtual double QualityStep(int64_t texts) const = 0;

  // Caveats of a budget for QualityDrop: that it is not shown to be kept (the drop, and with one standard
  // error added), and that it was missed (the least quality that was allowed, and the best one that was
  // found).
  virtual Message BudgetUncertain(double drop, double bound, double budget) const = 0;
  virtual Message BudgetMissed(double least, double best) const = 0;

  // How far the answers of `other` are from those of `reference`, nats; the mean over the texts.
  virtual Estimate Divergence(const Logits& reference, const Logits& other) const = 0;
};

// The task that the model's config.json names.
const Task& TaskOf(const EncoderConfig& config);
const Task& TaskFor(const TaskSpec& spec);

// One for each task.
const Task& ClassificationTask();
const Task& RegressionTask();

// Index of the largest value; the first of equals.
int Argmax(const std::vector<float>& logits);

// The mean of one value for each text, and the standard error of that mean (0 for one text).
Estimate MeanOf(const std::vector<double>& values);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TASKS_TASK_H_
