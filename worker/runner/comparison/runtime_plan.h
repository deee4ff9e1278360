// The models that a comparison times in other runtimes, as a file for the processes that time them.
#ifndef QUANTLAB_WORKER_RUNNER_COMPARISON_RUNTIME_PLAN_H_
#define QUANTLAB_WORKER_RUNNER_COMPARISON_RUNTIME_PLAN_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace quantlab::runner {

struct PlannedRuntime {
  struct Model {
    std::string folder, format;  // absolute; of export/exporter.h
  };
  std::string name;  // "onnxruntime"
  std::vector<std::string> argv;
  std::vector<Model> models;
};

using RuntimePlan = std::vector<PlannedRuntime>;

absl::Status WriteRuntimePlan(const RuntimePlan& plan, const std::string& path);
// Errors: INVALID_ARGUMENT names the file and what is wrong with it; those of reading it.
absl::StatusOr<RuntimePlan> ReadRuntimePlan(const std::string& path);

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_COMPARISON_RUNTIME_PLAN_H_
