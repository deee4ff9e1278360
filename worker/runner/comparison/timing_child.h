// Times models in a fresh process: processes of one model differ, and only several of them show by how much.
#ifndef QUANTLAB_WORKER_RUNNER_COMPARISON_TIMING_CHILD_H_
#define QUANTLAB_WORKER_RUNNER_COMPARISON_TIMING_CHILD_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/config/device.h"
#include "worker/runner/comparison/memory_child.h"
#include "worker/runner/comparison/timing_json.h"

namespace quantlab::runner {

struct TimedInput {
  InputShape shape;
  std::string fp32_path;  // the kernel of the reference; empty: the faster one, by a trial
};

struct TimingRequest {
  std::vector<std::string> models;  // folders; the first is the FP32 baseline
  Device device;
  int threads = 0;
  std::vector<TimedInput> inputs;
  // For each input.
  int warmup_iterations = 0;
  int min_samples = 0;
  double min_duration_seconds = 0;
  bool until_narrow = false;  // see BenchOptions
  uint64_t seed = 0;
  std::string runtimes;  // a file of RuntimePlan: the models to time in other runtimes too; empty: none
};

// In the child. Errors: those of SideBySide. A child whose parent dies is killed.
absl::StatusOr<std::vector<ShapeTimes>> MeasureTimes(const TimingRequest& request);

// "8x128", or "8x128=at::linear" with the kernel of the reference.
// Errors: INVALID_ARGUMENT says how it is written.
absl::StatusOr<TimedInput> ParseTimedInput(const std::string& text);

// In the parent: starts `runner measure-times …` and reads its report. `should_stop` is called a few times a
// second; if it returns true, the child is killed and the result is CANCELLED.
// Errors: those of the child, with its message; INTERNAL it died or its report is malformed.
// `remote`: how many models the file of runtimes has.
absl::StatusOr<std::vector<ShapeTimes>> MeasureTimesInChild(const std::string& runner,
                                                            const TimingRequest& request, size_t remote,
                                                            const std::function<bool()>& should_stop);

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_COMPARISON_TIMING_CHILD_H_
