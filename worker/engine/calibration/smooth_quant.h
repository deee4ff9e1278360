// SmoothQuant (Xiao 2022, "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language
// Models", arXiv 2211.10438): moves the difficulty of outlier channels from activations to weights.
//
// x W^T = (x diag(s)^-1) (W diag(s))^T: the layer's input is divided by s while it is quantized, and the
// weights are multiplied by it before they are. Where LayerNorm follows the residual sum, s cannot go into
// it, since the residual connection reads its output too; the division costs one multiplication for each
// byte.
#ifndef QUANTLAB_WORKER_ENGINE_CALIBRATION_SMOOTH_QUANT_H_
#define QUANTLAB_WORKER_ENGINE_CALIBRATION_SMOOTH_QUANT_H_

#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "worker/engine/calibration/observer.h"

namespace quantlab::engine {

// s_j = max|X_j|^alpha / max|W_j|^(1 - alpha) (eq. 4), float [in]; 1 where either maximum is 0.
// input_max: [in], largest magnitude of each input feature; weight_max: [in], of each column of all the
// layers that read this input. alpha: 0 to 1.
at::Tensor SmoothingFactors(const at::Tensor& input_max, const at::Tensor& weight_max, double alpha);

struct SmoothingChoice {
  std::optional<double> alpha;  // none: the plain quantization is best
  at::Tensor factors;           // s, [in] float; undefined for none
  double error = 0;             // squared error of the outputs on the sample, over that without smoothing
};

struct SmoothingProblem {
  at::Tensor input_max;             // [in], over all calibration inputs
  at::Tensor sample;                // [rows, in] some of them
  std::vector<at::Tensor> weights;  // [out, in] of each layer that reads this input
  ObserverOptions observer;         // that will choose the range of the smoothed input
  bool per_channel = true;          // granularity of the weights' scales
  int weight_bits = 8;
};

// Of alpha = 0, 0.05, …, 1 and of no smoothing the one with the least squared error of the quantized layers'
// outputs on the sample, the ranges chosen by the observer from the smoothed sample: another observer would
// judge by values that the one in use cuts off. Deterministic.
SmoothingChoice SearchSmoothing(const SmoothingProblem& problem);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_CALIBRATION_SMOOTH_QUANT_H_
