// What a process that times models prints for the one that started it.
#ifndef QUANTLAB_WORKER_RUNNER_COMPARISON_TIMING_JSON_H_
#define QUANTLAB_WORKER_RUNNER_COMPARISON_TIMING_JSON_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/engine/measure/machine_use.h"
#include "worker/engine/measure/timings.h"

namespace quantlab::runner {

// Of one shape of input, in one process.
struct ShapeTimes {
  std::string fp32_path;                       // the kernel of the reference: "at::linear"
  std::string other_fp32_path;                 // the slower one; empty where none was timed
  double other_fp32_ratio = 1;                 // its time over that of the chosen one
  std::vector<engine::BenchSample> trial;      // what the choice was made from; empty where there was none
  std::vector<engine::BenchSample> samples;    // models: the reference, its twin, the others
  engine::MachineUse use;                      // while the samples were taken
  std::map<int64_t, std::string> failed = {};  // models in other runtimes that have no samples, and why
};

std::string TimesToJson(const std::vector<ShapeTimes>& shapes);

// `shapes`, `models`: how many there must be, the twin among the models; every model that did not fail is in
// every block.
// Errors: INTERNAL says what is missing or out of range.
absl::StatusOr<std::vector<ShapeTimes>> TimesFromJson(const std::string& text, size_t shapes, size_t models);

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_COMPARISON_TIMING_JSON_H_
