// GPTQ: weights rounded one input at a time, where the error that each rounding makes in the layer's output
// is made up for by the weights not yet rounded.
//
// Source: E. Frantar, S. Ashkboos, T. Hoefler, D. Alistarh: "GPTQ: Accurate Post-Training Quantization for
// Generative Pre-trained Transformers", ICLR 2023, arXiv 2210.17323, Algorithm 1; groups and activation
// order as its authors describe them with their reference implementation.
#ifndef QUANTLAB_WORKER_ENGINE_CALIBRATION_GPTQ_H_
#define QUANTLAB_WORKER_ENGINE_CALIBRATION_GPTQ_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "worker/engine/layers/weight_grid.h"

namespace quantlab::engine {

// The Hessian of a layer's squared output error with respect to one output's weights, over the inputs
// added so far: 2 / rows * sum of x x^T. Holds [in, in] floats, whatever the number of inputs.
// Threads: not safe.
class Hessian {
 public:
  // x: [rows, in] of a floating-point dtype; `in` and the device are those of the first call.
  void Add(const at::Tensor& x);

  int64_t rows() const { return rows_; }

  // [in, in] double on the CPU. Undefined before the first row.
  at::Tensor Matrix() const;

 private:
  at::Tensor sum_;
  int64_t rows_ = 0;
};

struct GptqOptions {
  GridOptions grid;
  // Added to the diagonal, as a share of its mean: keeps the inverse of few or similar inputs in bounds.
  double damping = 0.01;
  // Inputs in descending order of their mean square instead of the order of the file. The grids of the
  // groups are then those of the weights as they were, so that groups stay what the kernels know.
  bool activation_order = false;
  // Inputs between updates of all that follow. It changes speed, and the result by rounding only; made
  // larger where a group would not fit.
  int64_t block = 128;
};

// weight: [out, in]; hessian: [in, in] of the layer's inputs (Hessian::Matrix). An input that was always
// zero is rounded to nearest (the reference sets its weights to zero instead; texts that were not among the
// calibration's may well use it). Computes on the CPU in double.
// Errors: INVALID_ARGUMENT shapes that do not fit, a NaN or an infinity in either;
// FAILED_PRECONDITION the damped Hessian is not positive definite.
absl::StatusOr<GridWeights> Gptq(const at::Tensor& weight, const at::Tensor& hessian,
                                 const GptqOptions& options);

// Mean over the inputs behind `hessian` of the squared error that `quantized` [out, in] instead of `weight`
// makes in the layer's output, summed over the outputs.
double OutputError(const at::Tensor& weight, const at::Tensor& quantized, const at::Tensor& hessian);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_CALIBRATION_GPTQ_H_
