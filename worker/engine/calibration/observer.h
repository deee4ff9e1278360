// Observers of activations: they see a layer's inputs during calibration and choose the range that static
// quantization maps to its 256 levels. Per tensor, for inputs on any device.
#ifndef QUANTLAB_WORKER_ENGINE_CALIBRATION_OBSERVER_H_
#define QUANTLAB_WORKER_ENGINE_CALIBRATION_OBSERVER_H_

#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "worker/engine/calibration/value_histogram.h"

namespace quantlab::engine {

enum class ObserverKind {
  kMinMax,            // the extremes, to the bit those of torch.ao's MinMaxObserver
  kMovingAverage,     // to the bit those of torch.ao's MovingAverageMinMaxObserver
  kHistogramMse,      // LeastSquaresRange: torch.ao's HistogramObserver (see Range)
  kHistogramEntropy,  // LeastDivergenceRange: TensorRT's calibration, for ranges that need not be symmetric
  kPercentile,        // PercentileRange: cuts the same share of the values at both ends
};

struct ObserverOptions {
  ObserverKind kind = ObserverKind::kHistogramMse;
  // kMovingAverage: weight of each new input's extremes, in (0, 1].
  double averaging_constant = 0.01;
  // kPercentile: keeps the values between the percentiles 100 - p and p; in (50, 100].
  double percentile = 99.99;
  // Histogram kinds and kPercentile: bins over the range of the values; for kHistogramEntropy, over their
  // magnitudes, as TensorRT counts. From 256 to 1 << 20.
  int bins = 2048;
};

// Parses "min_max", "moving_average", "histogram_mse", "histogram_entropy", "percentile".
// Errors: INVALID_ARGUMENT lists the names.
absl::StatusOr<ObserverKind> ObserverKindFromName(const std::string& name);

// The range of the values of one tensor of the model.
//
//   for (const at::Tensor& x : inputs) observer->Observe(x);
//   if (observer->wants_second_pass()) {
//     for (const at::Tensor& x : inputs) observer->ObserveAgain(x);
//   }
//   const ActivationRange range = observer->Range().value();
//
// Histograms are taken in a second pass, over the extremes found in the first. So their counts are
// exact and do not depend on the order of the inputs, where torch.ao's HistogramObserver sees the inputs
// once and spreads old counts over new bins as its range grows. For one input both give the same.
//
// Ownership: keeps no input. Threads: for one at a time; results do not depend on LibTorch's threads.
class Observer {
 public:
  virtual ~Observer() = default;

  // First pass. x: any shape, floating point (computed in float); an empty tensor changes nothing.
  virtual void Observe(const at::Tensor& x) = 0;
  // Whether a second pass over the same inputs, by ObserveAgain, is needed before Range.
  virtual bool wants_second_pass() const { return false; }
  virtual void ObserveAgain(const at::Tensor& x) {}
  // The range to quantize, which includes 0.
  // Errors: FAILED_PRECONDITION nothing was observed, or the second pass did not see as many values as the
  // first; INVALID_ARGUMENT an infinity or a NaN was observed, or an option is out of its range.
  virtual absl::StatusOr<ActivationRange> Range() const = 0;
};

// Options out of range are reported by Range().
std::unique_ptr<Observer> MakeObserver(const ObserverOptions& options);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_CALIBRATION_OBSERVER_H_
