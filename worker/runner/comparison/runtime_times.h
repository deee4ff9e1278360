// The models in other runtimes, while a comparison times them: which still take part, and what is recorded.
#ifndef QUANTLAB_WORKER_RUNNER_COMPARISON_RUNTIME_TIMES_H_
#define QUANTLAB_WORKER_RUNNER_COMPARISON_RUNTIME_TIMES_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/engine/measure/timings.h"
#include "worker/runner/attempt.h"
#include "worker/runner/comparison/compared_runtimes.h"
#include "worker/runner/comparison/memory_child.h"
#include "worker/runner/comparison/timing_json.h"

namespace quantlab::runner {

// Models have indices: first those of this engine, as they are timed (the reference, its twin, the others),
// then those of the runtimes in order. An index keeps its meaning when models are left out.
//
// Ownership: borrows the attempt and `first_of_same`.
// Threads:   one.
class RuntimeTimes {
 public:
  // own: the index of Job::inputs of each model of this engine that is timed, by its index; the reference's
  // for its twin too. folder: where the plan is written.
  RuntimeTimes(Attempt& attempt, std::vector<ComparedRuntime> runtimes, std::vector<size_t> own,
               const std::vector<size_t>& first_of_same, std::string folder);

  // The file of the models that still take part; empty: none. Errors: those of writing.
  absl::StatusOr<std::string> WritePlan() const;
  size_t active() const { return active_.size(); }

  // Of one process that timed that plan: gives the models in its samples the indices that last, and leaves
  // out those that failed in it, with a caveat.
  void Take(std::vector<ShapeTimes>& shapes);

  // Records runtime_time and runtime_speedup of one shape, from what its processes measured. Nothing where no
  // other runtime takes part.
  void Record(const InputShape& shape, const std::vector<ShapeTimes>& processes) const;

  // Of an index: "quantlab", "onnxruntime"; the variant.
  std::string RuntimeOf(size_t index) const;
  std::string VariantOf(size_t index) const;
  size_t size() const { return own_.size() + models_.size(); }

 private:
  struct Model {
    size_t runtime = 0, input = 0;
    std::string folder, format;
  };

  void LeaveOut(const std::map<size_t, std::string>& failed);
  size_t InputOf(size_t index) const;
  void RecordModel(const InputShape& shape, size_t index, size_t best, const engine::BenchTimes& times) const;

  Attempt& attempt_;
  const std::vector<ComparedRuntime> runtimes_;
  const std::vector<size_t> own_;
  const std::vector<size_t>& first_of_same_;
  const std::string folder_;
  std::vector<Model> models_;   // of all runtimes
  std::vector<size_t> active_;  // indices of models_ that take part
};

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_COMPARISON_RUNTIME_TIMES_H_
