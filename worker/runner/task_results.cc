#include "worker/runner/task_results.h"

#include <utility>

namespace quantlab::runner {

const TaskResults& ResultsOf(const TaskSpec& task) {
  for (const TaskResults* results : {&ClassificationResults(), &RegressionResults()}) {
    if (results->spec().name == task.name) return *results;
  }
  return ClassificationResults();
}

Metric QualityMetric(const std::string& name, double value, const std::string& split, int64_t samples) {
  Metric metric;
  metric.name = name;
  metric.value = value;
  metric.unit = std::string("1");
  metric.labels = {{"split", split}};
  metric.samples = samples;
  return metric;
}

}  // namespace quantlab::runner
