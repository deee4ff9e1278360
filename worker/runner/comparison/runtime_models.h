// The models of a RuntimePlan in their runtimes, for a process that times them.
#ifndef QUANTLAB_WORKER_RUNNER_COMPARISON_RUNTIME_MODELS_H_
#define QUANTLAB_WORKER_RUNNER_COMPARISON_RUNTIME_MODELS_H_

#include <memory>
#include <vector>

#include "runtimes/runtime_process.h"
#include "worker/engine/measure/bench.h"
#include "worker/runner/comparison/runtime_plan.h"

namespace quantlab::runner {

// Starts every runtime and loads its models. What cannot be started or loaded is a model whose calls fail
// with the reason.
//
// Ownership: owns the processes, which end with it.
// Threads:   one.
class RuntimeModels {
 public:
  RuntimeModels(const RuntimePlan& plan, int threads);

  // In the order of the plan.
  std::vector<engine::RemoteModel*> models() const;
  // Of the runtimes that were started.
  std::vector<int> pids() const;

 private:
  std::vector<std::unique_ptr<runtimes::RuntimeProcess>> processes_;
  std::vector<std::unique_ptr<engine::RemoteModel>> models_;
};

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_COMPARISON_RUNTIME_MODELS_H_
