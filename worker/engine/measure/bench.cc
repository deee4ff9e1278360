#include "worker/engine/measure/bench.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <random>
#include <utility>

#include <ATen/core/grad_mode.h>

#include "base/status_macros.h"
#include "worker/engine/models/packed_batch.h"

namespace quantlab::engine {
namespace {

double SteadySeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Fisher-Yates, the same on every standard library.
void Shuffle(std::vector<size_t>& order, std::mt19937_64& random) {
  for (size_t i = order.size(); i > 1; --i) {
    const size_t j = static_cast<size_t>(((random() >> 32) * static_cast<uint64_t>(i)) >> 32);
    std::swap(order[i - 1], order[j]);
  }
}

class Blocks {
 public:
  Blocks(std::vector<const Encoder*> models, const BenchOptions& options)
      : models_(std::move(models)), options_(options), random_(options.seed), seconds_(models_.size()) {
    if (!options_.now) options_.now = SteadySeconds;
  }

  absl::Status Prepare() {
    const EncoderConfig& config = models_.front()->config();
    texts_ = MakeBenchTexts(config, options_.batch_size, options_.sequence_length, options_.seed);
    std::vector<const TokenizedText*> pointers;
    for (const TokenizedText& text : texts_) pointers.push_back(&text);
    QL_ASSIGN_OR_RETURN(batch_, PackTexts(config, pointers));
    return absl::OkStatus();
  }

  // Fills seconds().
  absl::Status Run() {
    for (auto& times : seconds_) times.clear();
    for (int i = 0; i < options_.warmup_iterations; ++i) QL_RETURN_IF_ERROR(Block(false));
    std::vector<double> totals(models_.size());
    const auto enough = [&] {
      const double least = *std::min_element(totals.begin(), totals.end());
      return static_cast<int64_t>(seconds_[0].size()) >= options_.min_samples &&
             least >= options_.min_duration_seconds;
    };
    while (!enough()) {
      QL_RETURN_IF_ERROR(Block(true));
      for (size_t m = 0; m < models_.size(); ++m) totals[m] += seconds_[m].back();
      const double slowest = *std::max_element(totals.begin(), totals.end());
      if (options_.progress && !options_.progress(static_cast<int64_t>(seconds_[0].size()), slowest)) {
        return absl::CancelledError("stopped between two blocks of the measurement");
      }
    }
    return absl::OkStatus();
  }

  const std::vector<std::vector<double>>& seconds() const { return seconds_; }

 private:
  absl::Status Block(bool record) {
    std::vector<size_t> order(models_.size());
    std::iota(order.begin(), order.end(), 0);
    Shuffle(order, random_);
    for (size_t m : order) {
      const double start = options_.now();
      QL_ASSIGN_OR_RETURN(const at::Tensor logits, models_[m]->Forward(batch_));
      logits.to(at::kCPU);  // waits for the device
      if (record) seconds_[m].push_back(options_.now() - start);
    }
    return absl::OkStatus();
  }

  std::vector<const Encoder*> models_;
  BenchOptions options_;
  std::mt19937_64 random_;
  std::vector<TokenizedText> texts_;
  PackedBatch batch_;
  std::vector<std::vector<double>> seconds_;
};

BenchTimes Compare(std::string name, const std::vector<double>& reference, std::vector<double> seconds,
                   uint64_t seed) {
  BenchTimes times;
  std::vector<double> ratios(seconds.size());
  for (size_t i = 0; i < ratios.size(); ++i) ratios[i] = reference[i] / seconds[i];
  times.name = std::move(name);
  times.summary = statistics::Summarize(seconds);
  times.speedup = statistics::Median(ratios);
  times.speedup_interval = statistics::BootstrapMedianInterval(ratios, seed);
  times.seconds = std::move(seconds);
  return times;
}

}  // namespace

std::vector<TokenizedText> MakeBenchTexts(const EncoderConfig& config, int texts, int length, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<TokenizedText> result(texts);
  for (TokenizedText& text : result) {
    text.ids.resize(length);
    for (int32_t& id : text.ids) {
      id = static_cast<int32_t>(((random() >> 32) * static_cast<uint64_t>(config.vocab_size)) >> 32);
    }
  }
  return result;
}

BenchResult AnalyzeBlocks(const std::vector<std::string>& names,
                          const std::vector<std::vector<double>>& seconds, uint64_t seed) {
  BenchResult result;
  result.reference = Compare(names[0], seconds[0], seconds[0], seed);
  result.twin = Compare(names[1], seconds[0], seconds[1], seed);
  for (size_t m = 2; m < names.size(); ++m) {
    result.entries.push_back(Compare(names[m], seconds[0], seconds[m], seed + m));
  }
  result.reliable = result.twin.speedup_interval.low >= 1 - kAaTolerance &&
                    result.twin.speedup_interval.high <= 1 + kAaTolerance;
  return result;
}

absl::StatusOr<BenchResult> RunBench(const BenchEntry& reference, const std::vector<BenchEntry>& entries,
                                     const BenchOptions& options) {
  const at::NoGradGuard no_grad;
  std::vector<const Encoder*> models = {reference.model, reference.model};
  std::vector<std::string> names = {reference.name, reference.name};
  for (const BenchEntry& entry : entries) {
    models.push_back(entry.model);
    names.push_back(entry.name);
  }
  Blocks blocks(models, options);
  QL_RETURN_IF_ERROR(blocks.Prepare());
  BenchResult result;
  for (int attempt = 1; attempt <= 2; ++attempt) {
    QL_RETURN_IF_ERROR(blocks.Run());
    result = AnalyzeBlocks(names, blocks.seconds(), options.seed);
    result.attempts = attempt;
    if (result.reliable) break;
  }
  return result;
}

}  // namespace quantlab::engine
