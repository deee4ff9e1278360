// A histogram of a tensor's values with exact counts, and three ways to choose from it a range to quantize.
#ifndef QUANTLAB_WORKER_ENGINE_CALIBRATION_VALUE_HISTOGRAM_H_
#define QUANTLAB_WORKER_ENGINE_CALIBRATION_VALUE_HISTOGRAM_H_

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace quantlab::engine {

// Both ends belong to the range.
struct ActivationRange {
  float min = 0, max = 0;
};

// Levels that an 8-bit activation has.
inline constexpr int64_t kQuantizedLevels = 256;

// `counts` of values in bins of equal width over [low, high]. Values outside of it are counted in the
// first and the last bin; there are none where low and high are the extremes of what is counted.
//
// Threads: Add is for one thread at a time (it uses LibTorch's own).
struct ValueHistogram {
  // low < high, both finite; bins > 0.
  ValueHistogram(float low, float high, int64_t bins);

  // x: any shape, floating point (computed in float), on any device, no NaN. On the CPU by a loop, elsewhere
  // by ATen's operators with the same arithmetic: that of torch.histc, and the same counts, but in 64 bits,
  // where torch.histc on the CPU stops counting a bin at 2^24. Independent of threads.
  void Add(const at::Tensor& x);
  // What Add does on other devices. Public so that tests can compare it with the loop on the CPU.
  void AddByAten(const at::Tensor& x);

  int64_t bins() const { return static_cast<int64_t>(counts.size()); }
  double width() const { return (static_cast<double>(high) - low) / static_cast<double>(bins()); }

  float low, high;
  std::vector<int64_t> counts;
  int64_t total = 0;
};

// The range with the least squared error of quantization to 256 levels, found by cutting bins from the
// two ends in turn until the error grows: a greedy search, which ends at the first minimum. Values far from
// all others weigh much in squared error and mostly stay in the range; LeastDivergenceRange and
// PercentileRange cut them. Values are taken to be spread evenly over their bin. histogram: over the extremes
// of the values, not empty. Source: torch.ao.quantization.HistogramObserver (_non_linear_param_search),
// computed in double.
ActivationRange LeastSquaresRange(const ValueHistogram& histogram);

// The range [-t, t], cut to the extremes `seen`, for which the distribution of the values, clipped to the
// range, differs least from its image in 256 levels by Kullback-Leibler divergence.
// histogram: over [-T, T], T = the largest magnitude seen, an even number of bins; not empty.
//
// Source: Migacz, "8-bit inference with TensorRT" (GTC 2017), and equal to NVIDIA's own calibrator
// (_compute_amax_entropy of nvidia-modelopt) where that is defined: for values that are symmetric or all of
// one sign. Generalised and hardened in three ways: the levels are spread over the range that is left after
// cutting, not over [-t, t] (a GELU's output hardly goes below 0); a level that clipping has emptied counts
// as 1e-4 values, as in ONNX Runtime's calibration, so that a lone outlier cannot forbid every range but
// its own; and no range may clip more than a tenth of the values.
ActivationRange LeastDivergenceRange(const ValueHistogram& histogram, const ActivationRange& seen);

// The percentiles 100 - p and p, linear between neighbours as numpy.percentile, each exact to the width of
// a bin. p: in (50, 100]. histogram: over the extremes of the values, not empty.
ActivationRange PercentileRange(const ValueHistogram& histogram, double p);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_CALIBRATION_VALUE_HISTOGRAM_H_
