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
#include "worker/engine/measure/timings.h"
#include "worker/engine/models/encoder.h"

namespace quantlab::engine {

// How many times as many blocks, or processes, are measured at most until the A/A interval is narrow.
inline constexpr int kMaxExtension = 3;

struct BenchOptions {
  int batch_size = 1;
  int sequence_length = 128;  // tokens of each text; all texts are of one length
  int warmup_iterations = EvaluationConfig().warmup_iterations;
  int min_samples = EvaluationConfig().min_samples;                       // blocks
  double min_duration_seconds = EvaluationConfig().min_duration_seconds;  // of each model
  // Goes on while the A/A interval is wider than CheckAa allows, up to kMaxExtension times the blocks that
  // the limits above asked for.
  bool until_narrow = false;
  uint64_t seed = 0;  // of the texts, the order within blocks and the bootstrap
  // Seconds of a steady clock; tests may give their own. Empty: the system's.
  std::function<double()> now;
};

struct BenchEntry {
  std::string name;
  const Encoder* model = nullptr;  // borrowed
};

// What one process measured.
struct BenchRun {
  std::vector<BenchSample> samples;  // models: the reference, its twin, the entries
  BenchResult result;                // of this process alone
};

// Times `reference` (twice in every block) and `entries` on the same texts, after a warm-up. No block is left
// out. Device work is timed to its end: the logits are copied to the host. Errors: those of the models.
absl::StatusOr<BenchRun> RunBench(const BenchEntry& reference, const std::vector<BenchEntry>& entries,
                                  const BenchOptions& options);

// `texts` random texts of `length` tokens, fixed by `seed`.
std::vector<TokenizedText> MakeBenchTexts(const EncoderConfig& config, int texts, int length, uint64_t seed);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MEASURE_BENCH_H_
