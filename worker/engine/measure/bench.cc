#include "worker/engine/measure/bench.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include <ATen/core/grad_mode.h>

#include "base/status_macros.h"
#include "worker/engine/models/packed_batch.h"

namespace quantlab::engine {
namespace {

constexpr std::chrono::duration<double> kSettle(kSettleTime);

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
  Blocks(std::vector<const Encoder*> models, std::vector<RemoteModel*> remote, const BenchOptions& options)
      : models_(std::move(models)),
        remote_(std::move(remote)),
        options_(options),
        random_(options.seed),
        totals_(models_.size() + remote_.size()) {
    if (!options_.now) options_.now = SteadySeconds;
    if (!options_.settle) options_.settle = [] { std::this_thread::sleep_for(kSettle); };
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
    for (size_t i = 0; i < remote_.size(); ++i) {
      const absl::Status status = remote_[i]->WarmUp(texts_, options_.warmup_iterations);
      if (!status.ok()) LeaveOut(models_.size() + i, status);
    }
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
    for (size_t m = 0; m < totals_.size(); ++m) {
      if (!IsLeftOut(m) && totals_[m] < options_.min_duration_seconds) return false;
    }
    return blocks_ >= options_.min_samples;
  }

  int64_t blocks() const { return blocks_; }
  const std::vector<BenchSample>& samples() const { return samples_; }
  const std::map<int64_t, absl::Status>& left_out() const { return left_out_; }

 private:
  absl::Status Block(bool record) {
    std::vector<size_t> order(totals_.size());
    std::iota(order.begin(), order.end(), 0);
    Shuffle(order, random_);
    for (size_t position = 0; position < order.size(); ++position) {
      const size_t m = order[position];
      if (IsLeftOut(m)) continue;
      Settle(m);
      const double start = options_.now();
      const absl::StatusOr<double> seconds = Time(m, start);
      if (!seconds.ok() && IsRemote(m)) {
        LeaveOut(m, seconds.status());
        continue;
      }
      QL_RETURN_IF_ERROR(seconds.status());
      if (!record) continue;
      samples_.push_back(
          {blocks_, static_cast<int64_t>(position), static_cast<int64_t>(m), epoch_ + start, *seconds});
      totals_[m] += *seconds;
    }
    if (record) ++blocks_;
    return absl::OkStatus();
  }

  absl::StatusOr<double> Time(size_t m, double start) {
    if (IsRemote(m)) return remote_[m - models_.size()]->Time();
    QL_ASSIGN_OR_RETURN(const at::Tensor logits, models_[m]->Forward(batch_));
    logits.to(at::kCPU);  // waits for the device
    return options_.now() - start;
  }

  bool IsRemote(size_t m) const { return m >= models_.size(); }
  bool IsLeftOut(size_t m) const { return left_out_.count(static_cast<int64_t>(m)) > 0; }

  // Between passes of two programs.
  void Settle(size_t m) {
    if (last_.has_value() && *last_ != m && (IsRemote(*last_) || IsRemote(m))) options_.settle();
    last_ = m;
  }

  void LeaveOut(size_t m, const absl::Status& why) {
    const auto index = static_cast<int64_t>(m);
    left_out_.emplace(index, why);
    std::erase_if(samples_, [&](const BenchSample& sample) { return sample.model == index; });
  }

  std::vector<const Encoder*> models_;
  std::vector<RemoteModel*> remote_;
  BenchOptions options_;
  std::mt19937_64 random_;
  std::vector<TokenizedText> texts_;
  PackedBatch batch_;
  double epoch_ = 0;  // of the steady clock, in seconds since 1970
  std::vector<BenchSample> samples_;
  std::vector<double> totals_;                // seconds, by model; the remote ones last
  std::map<int64_t, absl::Status> left_out_;  // of the remote ones
  std::optional<size_t> last_;                // the model that was timed before
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
                                  const BenchOptions& options, const std::vector<RemoteModel*>& remote) {
  const at::NoGradGuard no_grad;
  std::vector<const Encoder*> models = {reference.model, reference.model};
  std::vector<std::string> names = {reference.name, reference.name};
  for (const BenchEntry& entry : entries) {
    models.push_back(entry.model);
    names.push_back(entry.name);
  }
  Blocks blocks(models, remote, options);
  QL_RETURN_IF_ERROR(blocks.Prepare());
  QL_RETURN_IF_ERROR(blocks.WarmUp());
  QL_RETURN_IF_ERROR(blocks.Run([&] { return blocks.Complete(); }));
  const int64_t asked = blocks.blocks();
  BenchResult result;
  for (int extension = 1;; ++extension) {
    const ProcessTimes times = TimesOf(blocks.samples(), models.size() + remote.size());
    result = AnalyzeProcesses(names, {times}, options.seed);
    if (!options.until_narrow || result.check.narrow || extension == kMaxExtension) break;
    QL_RETURN_IF_ERROR(blocks.Run([&] { return blocks.blocks() >= asked * (extension + 1); }));
  }
  return BenchRun{blocks.samples(), std::move(result), blocks.left_out()};
}

}  // namespace quantlab::engine
