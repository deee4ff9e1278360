// Times models side by side for reliable ratios: one process, interleaved and randomised blocks, every ratio
// taken within a block.
#ifndef QUANTLAB_WORKER_ENGINE_MEASURE_BENCH_H_
#define QUANTLAB_WORKER_ENGINE_MEASURE_BENCH_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/config/run_config.h"
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
  // Called before a pass in another program than the one before it, so that threads that wait busily have
  // gone to sleep. Tests may give their own. Empty: sleeps for kSettleTime.
  std::function<void()> settle;
};

// libgomp's threads wait busily for about a millisecond after a parallel region.
inline constexpr double kSettleTime = 0.002;  // seconds

// A model that another program computes.
class RemoteModel {
 public:
  virtual ~RemoteModel() = default;

  // Keeps the texts for Time, and computes them `passes` times.
  virtual absl::Status WarmUp(const std::vector<TokenizedText>& texts, int passes) = 0;
  // Seconds of one forward pass of those texts, by the other program's clock.
  virtual absl::StatusOr<double> Time() = 0;
};

struct BenchEntry {
  std::string name;
  const Encoder* model = nullptr;  // borrowed
};

// What one process measured.
struct BenchRun {
  std::vector<BenchSample> samples;  // models: the reference, its twin, the entries, the remote models
  BenchResult result;                // of this process alone, without the remote models
  // Remote models that failed, by the index of samples, which has none of theirs.
  std::map<int64_t, absl::Status> failed;
};

// Times `reference` (twice in every block), `entries` and `remote` (borrowed) on the same texts, after a
// warm-up. No block is left out. Device work is timed to its end: the logits are copied to the host. A remote
// model that fails is left out from then on. Errors: those of the other models.
absl::StatusOr<BenchRun> RunBench(const BenchEntry& reference, const std::vector<BenchEntry>& entries,
                                  const BenchOptions& options, const std::vector<RemoteModel*>& remote = {});

// `texts` random texts of `length` tokens, fixed by `seed`.
std::vector<TokenizedText> MakeBenchTexts(const EncoderConfig& config, int texts, int length, uint64_t seed);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MEASURE_BENCH_H_
