#include "worker/engine/calibration/observer.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include <ATen/ATen.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace quantlab::engine {
namespace {

constexpr int kMinBins = kQuantizedLevels, kMaxBins = 1 << 20;

absl::Status CheckOptions(const ObserverOptions& options) {
  if (options.bins < kMinBins || options.bins > kMaxBins) {
    return absl::InvalidArgumentError(
        absl::StrCat("an observer needs ", kMinBins, " to ", kMaxBins, " bins, not ", options.bins));
  }
  if (!(options.percentile > 50 && options.percentile <= 100)) {
    return absl::InvalidArgumentError(
        absl::StrCat("an observer's percentile must be above 50 and at most 100, not ", options.percentile));
  }
  if (!(options.averaging_constant > 0 && options.averaging_constant <= 1)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "an observer's averaging_constant must be above 0 and at most 1, not ", options.averaging_constant));
  }
  return absl::OkStatus();
}

// x: not empty. One copy from the device for both.
ActivationRange Extremes(const at::Tensor& x) {
  const auto [min, max] = at::aminmax(x.detach());
  const at::Tensor both = at::stack({min, max}).to(at::kFloat).cpu();
  return {both.const_data_ptr<float>()[0], both.const_data_ptr<float>()[1]};
}

// Extremes of all inputs; what the other observers begin with.
class MinMaxObserver : public Observer {
 public:
  explicit MinMaxObserver(const ObserverOptions& options) : options_(options) {}

  void Observe(const at::Tensor& x) override {
    if (x.numel() == 0) return;
    const ActivationRange now = Extremes(x);
    seen_ = observed_ == 0 ? now : Join(seen_, now);
    observed_ += x.numel();
    // A NaN must not get lost in comparisons with it.
    finite_ = finite_ && std::isfinite(now.min) && std::isfinite(now.max);
  }

  absl::StatusOr<ActivationRange> Range() const final {
    QL_RETURN_IF_ERROR(CheckOptions(options_));
    if (observed_ == 0) return absl::FailedPreconditionError("the observer was shown no values");
    if (!finite_) return absl::InvalidArgumentError("the observer was shown an infinity or a NaN");
    QL_ASSIGN_OR_RETURN(const ActivationRange chosen, Choose());
    return ActivationRange{std::min(chosen.min, 0.0f), std::max(chosen.max, 0.0f)};
  }

 protected:
  // How the extremes so far and those of one more input become one range.
  virtual ActivationRange Join(const ActivationRange& seen, const ActivationRange& now) const {
    return {std::min(seen.min, now.min), std::max(seen.max, now.max)};
  }
  // Called once values were observed, all of them finite.
  virtual absl::StatusOr<ActivationRange> Choose() const { return seen_; }

  const ObserverOptions options_;
  ActivationRange seen_;
  int64_t observed_ = 0;  // values
  bool finite_ = true;
};

class MovingAverageObserver : public MinMaxObserver {
 public:
  using MinMaxObserver::MinMaxObserver;

 private:
  ActivationRange Join(const ActivationRange& seen, const ActivationRange& now) const override {
    const float weight = static_cast<float>(options_.averaging_constant);
    return {seen.min + weight * (now.min - seen.min), seen.max + weight * (now.max - seen.max)};
  }
};

class HistogramObserver : public MinMaxObserver {
 public:
  using MinMaxObserver::MinMaxObserver;

  bool wants_second_pass() const override { return true; }

  void ObserveAgain(const at::Tensor& x) override {
    if (x.numel() == 0 || !finite_ || !CheckOptions(options_).ok()) return;
    counted_ += x.numel();
    if (seen_.min == seen_.max) return;  // nothing to choose from
    if (!histogram_) histogram_.emplace(MakeHistogram());
    histogram_->Add(x);
  }

 private:
  ValueHistogram MakeHistogram() const {
    if (options_.kind != ObserverKind::kHistogramEntropy) return {seen_.min, seen_.max, options_.bins};
    const float reach = std::max(std::abs(seen_.min), std::abs(seen_.max));
    return {-reach, reach, 2 * static_cast<int64_t>(options_.bins)};
  }

  absl::StatusOr<ActivationRange> Choose() const override {
    if (counted_ != observed_) {
      return absl::FailedPreconditionError(absl::StrCat("the observer was shown ", observed_,
                                                        " values in the first pass and ", counted_,
                                                        " in the second; both must show the same"));
    }
    if (!histogram_) return seen_;
    if (options_.kind == ObserverKind::kHistogramMse) return LeastSquaresRange(*histogram_);
    if (options_.kind == ObserverKind::kPercentile) return PercentileRange(*histogram_, options_.percentile);
    return LeastDivergenceRange(*histogram_, seen_);
  }

  std::optional<ValueHistogram> histogram_;
  int64_t counted_ = 0;  // values of the second pass
};

constexpr std::pair<const char*, ObserverKind> kNames[] = {
    {"min_max", ObserverKind::kMinMax},
    {"moving_average", ObserverKind::kMovingAverage},
    {"histogram_mse", ObserverKind::kHistogramMse},
    {"histogram_entropy", ObserverKind::kHistogramEntropy},
    {"percentile", ObserverKind::kPercentile},
};

}  // namespace

absl::StatusOr<ObserverKind> ObserverKindFromName(const std::string& name) {
  std::string known;
  for (const auto& [text, kind] : kNames) {
    if (name == text) return kind;
    absl::StrAppend(&known, known.empty() ? "" : ", ", text);
  }
  return absl::InvalidArgumentError(absl::StrCat("there is no observer \"", name, "\"; there are ", known));
}

std::unique_ptr<Observer> MakeObserver(const ObserverOptions& options) {
  switch (options.kind) {
    case ObserverKind::kMinMax:
      return std::make_unique<MinMaxObserver>(options);
    case ObserverKind::kMovingAverage:
      return std::make_unique<MovingAverageObserver>(options);
    case ObserverKind::kHistogramMse:
    case ObserverKind::kHistogramEntropy:
    case ObserverKind::kPercentile:
      break;
  }
  return std::make_unique<HistogramObserver>(options);
}

}  // namespace quantlab::engine
