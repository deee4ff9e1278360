// The list of tasks: what the labels of a dataset are, and so by which metrics and tests variants are judged.
// Experiment files, runs and reports share it.
//
// To add a task: an entry in task.cc with its metrics in metric_spec.cc, its loss and its answers in
// worker/engine/tasks, and its results in worker/runner/task_results.h.
#ifndef QUANTLAB_BASE_CONFIG_TASK_H_
#define QUANTLAB_BASE_CONFIG_TASK_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace quantlab {

struct TaskSpec {
  std::string name;             // as in experiment files: "classification"
  std::string title, title_zh;  // "Classification"
  bool numeric = false;         // labels are numbers, and the model has one output; else they are classes
  std::string problem_type;     // in config.json, as transformers calls it; empty: it is not written

  // Names of metrics: the quality by which variants are judged, its difference from the baseline's on the
  // same texts, and the p-value of the paired test of that difference, alone and after Holm.
  std::string quality, difference, p_value, p_holm;

  // In sentences of reports.
  std::string quality_name, quality_name_zh;  // "accuracy"
  std::string test_name, test_name_zh;        // "McNemar's test"
  std::string better, better_zh;              // "more accurate"
  std::string worse, worse_zh;                // "less accurate"
};

// In the order in which errors and documents name them; the first is the default.
const std::vector<TaskSpec>& AllTasks();

// nullptr for an unknown name.
const TaskSpec* FindTask(absl::string_view name);

// The same, and the default for an unknown name: of results that a later version made.
const TaskSpec& TaskNamed(absl::string_view name);

std::vector<std::string> TaskNames();

}  // namespace quantlab

#endif  // QUANTLAB_BASE_CONFIG_TASK_H_
