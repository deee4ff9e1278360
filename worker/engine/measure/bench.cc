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

double SystemSeconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
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
      : models_(std::move(models)), options_(options), random_(options.seed), totals_(models_.size()) {
    if (!options_.now) options_.now = SteadySeconds;
    epoch_ = SystemSeconds() - options_.now();
  }

  absl::Status Prepare() {
    const EncoderConfig& config = models_.front()->config();
    texts_ = MakeBenchTexts(config, options_.batch_size, options_.sequence_length, options_.seed);
    std::vector<const TokenizedText*> pointers;
    for (const TokenizedText& text : texts_) pointers.push_back(&text);
    QL_ASSIGN_OR_RETURN(batch_, PackTexts(config, pointers));
    return absl::OkStatus();
  }

  absl::Status WarmUp() {
    for (int i = 0; i < options_.warmup_iterations; ++i) QL_RETURN_IF_ERROR(Block(false));
    return absl::OkStatus();
  }

  // Measures blocks until `enough` is true, which is asked before each.
  absl::Status Run(const std::function<bool()>& enough) {
    while (!enough()) QL_RETURN_IF_ERROR(Block(true));
    return absl::OkStatus();
  }

  // Whether the limits of the options are reached.
  bool Complete() const {
    return blocks_ >= options_.min_samples &&
           *std::min_element(totals_.begin(), totals_.end()) >= options_.min_duration_seconds;
  }

  int64_t blocks() const { return blocks_; }
  const std::vector<BenchSample>& samples() const { return samples_; }

 private:
  absl::Status Block(bool record) {
    std::vector<size_t> order(models_.size());
    std::iota(order.begin(), order.end(), 0);
    Shuffle(order, random_);
    for (size_t position = 0; position < order.size(); ++position) {
      const size_t m = order[position];
      const double start = options_.now();
      QL_ASSIGN_OR_RETURN(const at::Tensor logits, models_[m]->Forward(batch_));
      logits.to(at::kCPU);  // waits for the device
      if (!record) continue;
      const double seconds = options_.now() - start;
      samples_.push_back(
          {blocks_, static_cast<int64_t>(position), static_cast<int64_t>(m), epoch_ + start, seconds});
      totals_[m] += seconds;
    }
    if (record) ++blocks_;
    return absl::OkStatus();
  }

  std::vector<const Encoder*> models_;
  BenchOptions options_;
  std::mt19937_64 random_;
  std::vector<TokenizedText> texts_;
  PackedBatch batch_;
  double epoch_ = 0;  // of the steady clock, in seconds since 1970
  std::vector<BenchSample> samples_;
  std::vector<double> totals_;  // seconds, by model
  int64_t blocks_ = 0;
};

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

absl::StatusOr<BenchRun> RunBench(const BenchEntry& reference, const std::vector<BenchEntry>& entries,
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
  QL_RETURN_IF_ERROR(blocks.WarmUp());
  QL_RETURN_IF_ERROR(blocks.Run([&] { return blocks.Complete(); }));
  const int64_t asked = blocks.blocks();
  BenchResult result;
  for (int extension = 1;; ++extension) {
    result = AnalyzeProcesses(names, {TimesOf(blocks.samples(), models.size())}, options.seed);
    if (!options.until_narrow || result.check.narrow || extension == kMaxExtension) break;
    QL_RETURN_IF_ERROR(blocks.Run([&] { return blocks.blocks() >= asked * (extension + 1); }));
  }
  return BenchRun{blocks.samples(), std::move(result)};
}

}  // namespace quantlab::engine
