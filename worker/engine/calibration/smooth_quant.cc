#include "worker/engine/calibration/smooth_quant.h"

#include <memory>

#include <ATen/ATen.h>

#include "worker/engine/layers/int8_linear.h"

namespace quantlab::engine {
namespace {

constexpr double kAlphaStep = 0.05;
constexpr int kAlphaSteps = 20;

// The range that the observer chooses for x; of an observer that cannot, as for a NaN, the extremes.
ActivationRange RangeOf(const at::Tensor& x, const ObserverOptions& options) {
  const std::unique_ptr<Observer> observer = MakeObserver(options);
  observer->Observe(x);
  if (observer->wants_second_pass()) observer->ObserveAgain(x);
  const absl::StatusOr<ActivationRange> range = observer->Range();
  if (range.ok()) return *range;
  return {x.min().item<float>(), x.max().item<float>()};
}

// x after quantization to 8 bits and back, with one range for all of it.
at::Tensor RoundTrip(const at::Tensor& x, const ObserverOptions& observer) {
  const ActivationRange range = RangeOf(x, observer);
  const ActivationParams params = ChooseActivationParams(range.min, range.max, false);
  return at::fake_quantize_per_tensor_affine(x, params.scale, params.zero_point, 0, 255);
}

at::Tensor RoundTripWeights(const at::Tensor& weight, const SmoothingProblem& problem) {
  const auto int8 = QuantizeWeights(weight, problem.per_channel, problem.weight_bits);
  TORCH_CHECK(int8.ok(), int8.status().ToString());
  return int8->quantized.to(at::kFloat) * int8->scale.reshape({-1, 1});
}

// s undefined: no smoothing.
double OutputError(const SmoothingProblem& problem, const std::vector<at::Tensor>& outputs,
                   const at::Tensor& s) {
  const at::Tensor x = RoundTrip(s.defined() ? problem.sample / s : problem.sample, problem.observer);
  double error = 0;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const at::Tensor& w = problem.weights[i];
    const at::Tensor rounded = RoundTripWeights(s.defined() ? w * s : w, problem);
    error += (outputs[i] - x.matmul(rounded.t())).square().sum().item<double>();
  }
  return error;
}

}  // namespace

at::Tensor SmoothingFactors(const at::Tensor& input_max, const at::Tensor& weight_max, double alpha) {
  const at::Tensor x = input_max.to(at::kDouble), w = weight_max.to(at::kDouble);
  const at::Tensor s = (x.pow(alpha) / w.pow(1 - alpha)).to(at::kFloat);
  const at::Tensor usable = at::logical_and(at::logical_and(x > 0, w > 0), at::isfinite(s));
  return at::where(at::logical_and(usable, s > 0), s, at::ones_like(s));
}

SmoothingChoice SearchSmoothing(const SmoothingProblem& problem) {
  std::vector<at::Tensor> outputs;
  at::Tensor weight_max = at::zeros_like(problem.input_max);
  for (const at::Tensor& w : problem.weights) {
    outputs.push_back(problem.sample.matmul(w.t()));
    weight_max = at::max(weight_max, w.abs().amax(0));
  }
  SmoothingChoice best;
  const double plain = OutputError(problem, outputs, {});
  double least = plain;
  for (int step = 0; step <= kAlphaSteps; ++step) {
    const double alpha = step * kAlphaStep;
    const at::Tensor s = SmoothingFactors(problem.input_max, weight_max, alpha);
    const double error = OutputError(problem, outputs, s);
    // Negated, so that a NaN is never the best.
    if (!(error < least)) continue;
    least = error;
    best.alpha = alpha;
    best.factors = s;
  }
  best.error = plain > 0 ? least / plain : 1;
  return best;
}

}  // namespace quantlab::engine
