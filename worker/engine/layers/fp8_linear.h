// A linear layer with weights in FP8 (E4M3: 4 bits of exponent, 3 of mantissa, largest value 448) whose
// activations are rounded to FP8 at run time, each side with float scales: max|x| / 448.
//
// Sources: Micikevicius et al. 2022, "FP8 Formats for Deep Learning" (the format); torch's at::_scaled_mm
// (scales for each tensor or for each row).
#ifndef QUANTLAB_WORKER_ENGINE_LAYERS_FP8_LINEAR_H_
#define QUANTLAB_WORKER_ENGINE_LAYERS_FP8_LINEAR_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "worker/engine/gpu/gpu_ops.h"
#include "worker/engine/layers/joined.h"
#include "worker/engine/layers/layer_kinds.h"
#include "worker/engine/layers/linear.h"

namespace quantlab::engine {

// Weights as FP8 with float scales: weight = scale * values.
struct Fp8Weights {
  at::Tensor values;  // [out, in] float8_e4m3fn
  at::Tensor scale;   // [out] or [1] float
};

// scale = max|w| / 448 of each output channel or of the whole matrix; values are rounded to nearest, ties to
// even. weight: [out, in] float. Errors: INVALID_ARGUMENT for a NaN or an infinity.
absl::StatusOr<Fp8Weights> QuantizeWeightsToFp8(const at::Tensor& weight, bool per_channel);

// On a GPU with the fused products of gpu_ops.h one kernel rounds the input and another computes the product,
// summed in FP32 and rounded to FP16. Elsewhere both sides are rounded to FP8 and multiplied in FP32: the
// accuracy of FP8 on any machine, without its speed, and precision() gives the reason.
//
// Ownership: owns its parameters. Threads: Forward is safe to call from several threads; To is not.
// A row with an infinity or a NaN gives NaN.
class Fp8Linear : public Linear {
 public:
  static constexpr char kKind[] = "fp8";

  // bias: [out] float, or undefined for none. per_token: one scale for each row of the input, so that no row
  // depends on another; otherwise one for the whole input. Errors: INVALID_ARGUMENT names what is wrong with
  // the shapes, types or values.
  static absl::StatusOr<std::unique_ptr<Fp8Linear>> Create(const Fp8Weights& weights, const at::Tensor& bias,
                                                           bool per_token);

  at::Tensor Forward(const at::Tensor& x) const override;
  // On a GPU, GELU is part of the product.
  at::Tensor ForwardInto(const at::Tensor& x, Activation activation, const Linear& next) const override;
  // The input is rounded once; on a GPU one product computes all layers, whose weights are kept a second
  // time.
  std::vector<at::Tensor> ForwardTogether(const at::Tensor& x,
                                          const std::vector<const Linear*>& others) const override;

  int64_t in_features() const override { return weights_.values.size(1); }
  int64_t out_features() const override { return weights_.values.size(0); }
  LayerPrecision precision() const override;
  std::string kind() const override { return kKind; }
  Params options() const override;
  // {"weight_fp8": [out, in], "weight_scale": [out] or [1], "bias": [out] (where there is one)}
  std::map<std::string, at::Tensor> tensors() const override;
  bool capturable() const override { return true; }
  void To(const at::Device& device) override;

 private:
  Fp8Linear(Fp8Weights weights, at::Tensor bias, bool per_token);

  void Prepare();
  bool on_gpu_kernels() const { return gpu_weights_.values.defined(); }
  // x: [rows, in], any floating-point dtype.
  gpu::QuantizedRows RoundRows(const at::Tensor& x) const;
  // [rows, out] half by the fused product, float otherwise.
  at::Tensor Multiply(const gpu::QuantizedRows& rows, bool gelu) const;

  Fp8Weights weights_;
  at::Tensor bias_;  // undefined for none
  bool per_token_;
  Message reason_;                   // why the product is not FP8's; empty for none
  at::Tensor run_weight_;            // [out, in] float, dequantized; undefined with the fused product
  gpu::ProductWeights gpu_weights_;  // undefined without it
  mutable Joined<gpu::ProductWeights> joined_;  // with the other layers of ForwardTogether
};

// Its entry in AllLayerKinds().
LayerKind Fp8Kind();

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_LAYERS_FP8_LINEAR_H_
