// GPTQ: rounds weights one input at a time; the weights not yet rounded compensate for the error that each
// rounding causes in the layer's output.
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
  // Added to the diagonal, as a share of its mean: keeps the inverse bounded for few or similar inputs.
  double damping = 0.01;
  // Inputs in descending order of their mean square instead of the order of the file. The grids of the
  // groups are then those of the original weights, so that the kernels' groups stay contiguous.
  bool activation_order = false;
  // Inputs between updates of all following weights. Affects speed, and the result only by rounding; raised
  // where a group would not fit.
  int64_t block = 128;
};

// weight: [out, in]; hessian: [in, in] of the layer's inputs (Hessian::Matrix). An input that was always
// zero is rounded to nearest (the reference sets its weights to zero instead; texts outside the calibration
// set may use it). Computes on the CPU in double.
// Errors: INVALID_ARGUMENT shapes that do not fit, a NaN or an infinity in either;
// FAILED_PRECONDITION the damped Hessian is not positive definite.
absl::StatusOr<GridWeights> Gptq(const at::Tensor& weight, const at::Tensor& hessian,
                                 const GptqOptions& options);

// Mean, over the inputs that `hessian` was made from, of the squared error of the layer's output with
// `quantized` [out, in] instead of `weight`, summed over the outputs.
double OutputError(const at::Tensor& weight, const at::Tensor& quantized, const at::Tensor& hessian);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_CALIBRATION_GPTQ_H_
