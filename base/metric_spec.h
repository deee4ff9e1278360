// The one list of metrics: what experiment files may ask for, what runs measure, what reports show.
#ifndef QUANTLAB_BASE_METRIC_SPEC_H_
#define QUANTLAB_BASE_METRIC_SPEC_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace quantlab {

// A metric as users name it. One metric may be measured under several labels (split, batch_size,
// variant, quantile, part); the labels are documented with each entry's help.
struct MetricSpec {
  std::string name;      // as in experiment files and events: "f1_score"
  std::string unit;      // base unit: "1", "s", "bytes", "texts/s"
  std::string title;     // "F1 score"
  std::string title_zh;  // "F1 分数"
  std::string help;      // one or two sentences: what it is, over what, with which labels
  bool higher_is_better = true;
  // Measured by the comparison (timing, memory and size, side by side), never by the run itself.
  bool needs_comparison = false;
  std::vector<std::string> aliases;  // further names accepted in experiment files: "f1"
};

// In the order in which reports show them.
const std::vector<MetricSpec>& AllMetrics();

// By name or alias; nullptr when there is none.
const MetricSpec* FindMetric(absl::string_view name);

// "accuracy, precision, …": for error messages.
std::string MetricNames();

}  // namespace quantlab

#endif  // QUANTLAB_BASE_METRIC_SPEC_H_
