// What measured times say: speedups with intervals over blocks and processes, and the A/A check. Pure
// arithmetic, without LibTorch.
#ifndef QUANTLAB_WORKER_ENGINE_MEASURE_TIMINGS_H_
#define QUANTLAB_WORKER_ENGINE_MEASURE_TIMINGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/statistics/aa_check.h"
#include "worker/engine/measure/statistics.h"

namespace quantlab::engine {

// One forward pass that was timed.
struct BenchSample {
  int64_t block = 0;     // from 0, in order of time
  int64_t position = 0;  // within its block, from 0
  int64_t model = 0;     // index of the models that were timed together
  double start = 0;      // seconds since 1970, by the clock of the machine
  double seconds = 0;
};

struct BenchTimes {
  std::string name;
  statistics::SampleSummary summary;  // over all blocks of all processes
  // 95 % intervals of the quantiles of summary; absent where one process has too few blocks for them.
  std::optional<statistics::Interval> p50_interval, p90_interval, p99_interval;
  // Reference over this one, of each block: the geometric mean over processes of the median over their
  // blocks, and its 95 % interval.
  double speedup = 1;
  statistics::Interval speedup_interval;
};

struct BenchResult {
  BenchTimes reference;
  std::vector<BenchTimes> entries;  // in the order given
  // The reference against itself: twice in every block, as if it were two models.
  BenchTimes twin;
  AaCheckResult check;
  int64_t processes = 0, blocks = 0;  // blocks of all processes
  // The greatest median of the reference of a process over the smallest, minus 1. 0 for one process.
  double drift = 0;
};

// The times of one process: [models][blocks] seconds, the reference first, its twin second.
using ProcessTimes = std::vector<std::vector<double>>;

// Seconds of each model from samples in order of time; `models` of them.
ProcessTimes TimesOf(const std::vector<BenchSample>& samples, size_t models);

// names: of the reference, the twin and the others. Every process must have timed all of them, in blocks of
// which there is at least one. Intervals hold from one process to another; of a single process, within it
// (statistics.h).
BenchResult AnalyzeProcesses(const std::vector<std::string>& names,
                             const std::vector<ProcessTimes>& processes, uint64_t seed);

// The models by their index, each compared with the one at `reference`, whose own speedup is 1.
std::vector<BenchTimes> CompareWith(size_t reference, const std::vector<std::string>& names,
                                    const std::vector<ProcessTimes>& processes, uint64_t seed);

// Of `candidates`, indices of models, the one with the smallest geometric mean over processes of its medians;
// the first of equals. There must be one.
size_t FastestOf(const std::vector<size_t>& candidates, const std::vector<ProcessTimes>& processes);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MEASURE_TIMINGS_H_
