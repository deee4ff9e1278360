// The list of metrics, shared by experiment files, runs and reports.
#ifndef QUANTLAB_BASE_CONFIG_METRIC_SPEC_H_
#define QUANTLAB_BASE_CONFIG_METRIC_SPEC_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace quantlab {

// A model's predictions on one split.
struct SplitAnswers {
  const std::vector<int>& labels;     // the right classes
  const std::vector<int>& predicted;  // as many
  int classes = 0;                    // classes go from 0 to classes - 1
};

// A metric as users name it. One metric may be measured under several labels; those of its own are
// documented with each entry's help. The comparison's metrics have the labels `run` (the run name) and
// `variant` (RunConfig::variant); a run's own metrics have neither.
struct MetricSpec {
  std::string name;      // as in experiment files and events: "f1_score"
  std::string unit;      // base unit: "1", "s", "bytes", "texts/s"
  std::string title;     // "F1 score"
  std::string title_zh;  // "F1 分数"
  std::string help;      // one or two sentences: what it is, over what, with which labels
  bool higher_is_better = true;
  // Measured by the comparison (timing, memory and size, side by side), never by the run itself.
  bool needs_comparison = false;
  std::string task = "";                  // of base/config/task.h, whose runs alone measure it; empty: any
  std::vector<std::string> aliases = {};  // further names accepted in experiment files: "f1"
  // Computes it in every run from the predictions on a split; it is then recorded with the label split, and
  // shown in the report, without further code. nullptr: the metric is measured elsewhere.
  double (*of_answers)(const SplitAnswers& answers) = nullptr;
};

// In the order in which reports show them.
const std::vector<MetricSpec>& AllMetrics();

// Further metrics that runs always measure: paired tests, the A/A check, training curves. Reports show them
// in their places; a metric in neither list is shown under its own name.
const std::vector<MetricSpec>& SupportingMetrics();

// Of AllMetrics(), those that runs of a task measure.
std::vector<const MetricSpec*> MetricsOf(absl::string_view task);

// By name or alias, of AllMetrics(); nullptr when there is none.
const MetricSpec* FindMetric(absl::string_view name);

// By name, of both lists; nullptr when there is none.
const MetricSpec* DescribeMetric(absl::string_view name);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_CONFIG_METRIC_SPEC_H_
