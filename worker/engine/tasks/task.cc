#include "worker/engine/tasks/task.h"

#include <algorithm>
#include <cmath>

namespace quantlab::engine {

const Task& TaskFor(const TaskSpec& spec) {
  for (const Task* task : {&ClassificationTask(), &RegressionTask()}) {
    if (task->spec().name == spec.name) return *task;
  }
  return ClassificationTask();
}

const Task& TaskOf(const EncoderConfig& config) {
  return TaskFor(TaskNamed(config.task));
}

std::vector<int> LabelledTexts::Lengths() const {
  std::vector<int> lengths;
  for (const TokenizedText& text : texts) lengths.push_back(static_cast<int>(text.ids.size()));
  return lengths;
}

int Argmax(const std::vector<float>& logits) {
  return static_cast<int>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

Estimate MeanOf(const std::vector<double>& values) {
  const double n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double value : values) {
    sum += value;
    squares += value * value;
  }
  Estimate estimate{sum / n, 0};
  if (n > 1) estimate.standard_error = std::sqrt(std::max(0.0, squares - sum * sum / n) / (n * (n - 1)));
  return estimate;
}

}  // namespace quantlab::engine
