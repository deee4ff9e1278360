// The speed of a comparison's models, side by side in several processes.
#ifndef QUANTLAB_WORKER_RUNNER_COMPARISON_COMPARE_SPEED_H_
#define QUANTLAB_WORKER_RUNNER_COMPARISON_COMPARE_SPEED_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "worker/runner/attempt.h"
#include "worker/runner/comparison/compared_runtimes.h"
#include "worker/runner/comparison/memory_child.h"

namespace quantlab::runner {

struct RuntimesToTime {
  std::vector<ComparedRuntime> runtimes;
  std::string folder;  // where a file of them is written
};

// Times all models in EvaluationConfig::processes processes one after another, and in up to kMaxExtension
// times as many while an A/A interval is too wide. Records inference_time, throughput, speedup and aa_ratio
// of each shape, what `runtimes` measured of the models (RuntimeTimes), and writes samples.csv. The same
// model again (`first_of_same`: of FirstOfSameModels) is not timed again; it gets the numbers of the first.
// `runner`: this program's path. Errors: those of MeasureTimesInChild.
absl::Status CompareSpeed(Attempt& attempt, const std::string& runner, const std::vector<InputShape>& shapes,
                          const std::vector<size_t>& first_of_same, RuntimesToTime runtimes = {});

// "batch 8 x 128 tokens".
Message MessageOfShape(const InputShape& shape);

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_COMPARISON_COMPARE_SPEED_H_
