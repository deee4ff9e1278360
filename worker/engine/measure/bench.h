// Times models side by side for reliable ratios: one process, interleaved and randomised blocks, every ratio
// taken within a block.
#ifndef QUANTLAB_WORKER_ENGINE_MEASURE_BENCH_H_
#define QUANTLAB_WORKER_ENGINE_MEASURE_BENCH_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/run_config.h"
#include "worker/engine/measure/statistics.h"
#include "worker/engine/models/encoder.h"

namespace quantlab::engine {

// Largest distance from 1 of the A/A pair's interval before the timings count as unreliable.
inline constexpr double kAaTolerance = 0.03;

struct BenchOptions {
  int batch_size = 1;
  int sequence_length = 128;  // tokens of each text; all texts are of one length
  int warmup_iterations = EvaluationConfig().warmup_iterations;
  int min_samples = EvaluationConfig().min_samples;                       // blocks
  double min_duration_seconds = EvaluationConfig().min_duration_seconds;  // of each model
  uint64_t seed = 0;  // of the texts, the order within blocks and the bootstrap
  // Seconds of a steady clock; tests may give their own. Empty: the system's.
  std::function<double()> now;
  // Called after each block; if it returns false, the result is CANCELLED. `seconds`: of the slowest model so
  // far.
  std::function<bool(int64_t blocks, double seconds)> progress;
};

struct BenchEntry {
  std::string name;
  const Encoder* model = nullptr;  // borrowed
};

struct BenchTimes {
  std::string name;
  std::vector<double> seconds;  // one for each block
  statistics::SampleSummary summary;
  // Reference over this one, of each block: the median and its 95 % interval.
  double speedup = 1;
  statistics::Interval speedup_interval;
};

struct BenchResult {
  BenchTimes reference;
  std::vector<BenchTimes> entries;  // in the order given
  // The reference against itself: twice in every block, as if it were two models.
  BenchTimes twin;
  bool reliable = false;  // the twin's interval is within 1 -+ kAaTolerance
  int attempts = 0;       // 2 where the first was unreliable
};

// Times `reference` (twice in every block) and `entries` on the same texts. Each attempt starts with a
// warm-up; where the A/A pair disagrees, everything is measured once more.
// Device work is timed to its end: the logits are copied to the host.
// Errors: CANCELLED; those of the models.
absl::StatusOr<BenchResult> RunBench(const BenchEntry& reference, const std::vector<BenchEntry>& entries,
                                     const BenchOptions& options);

// `texts` random texts of `length` tokens, fixed by `seed`.
std::vector<TokenizedText> MakeBenchTexts(const EncoderConfig& config, int texts, int length, uint64_t seed);

// The analysis of finished blocks; [models][blocks] seconds, the reference first, its twin second.
BenchResult AnalyzeBlocks(const std::vector<std::string>& names,
                          const std::vector<std::vector<double>>& seconds, uint64_t seed);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MEASURE_BENCH_H_
