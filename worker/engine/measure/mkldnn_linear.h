// An FP32 linear layer whose weights oneDNN has converted to the layout of its kernels: often the fastest
// FP32 path of LibTorch on x86. Speedups are then relative to it.
#ifndef QUANTLAB_WORKER_ENGINE_MEASURE_MKLDNN_LINEAR_H_
#define QUANTLAB_WORKER_ENGINE_MEASURE_MKLDNN_LINEAR_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "worker/engine/layers/linear.h"
#include "worker/engine/models/encoder.h"

namespace quantlab::engine {

// For inference on the CPU only.
class MkldnnLinear : public Linear {
 public:
  // weight: [out, in] float; bias: [out] float, or undefined. `rows`: the number of rows that the layout is
  // chosen for; other numbers work, perhaps slower. Throws where this build or CPU has no oneDNN.
  MkldnnLinear(at::Tensor weight, at::Tensor bias, int64_t rows);

  at::Tensor Forward(const at::Tensor& x) const override;
  // With the activation in the kernel of the product, as INT8 layers have it.
  at::Tensor ForwardInto(const at::Tensor& x, Activation activation, const Linear& next) const override;
  int64_t in_features() const override { return weight_.size(1); }
  int64_t out_features() const override { return weight_.size(0); }
  std::string kind() const override { return "fp32"; }
  LayerPrecision precision() const override { return {"fp32", "fp32", kKernel, {}}; }
  std::map<std::string, at::Tensor> tensors() const override;
  void To(const at::Device& device) override;

  static constexpr char kKernel[] = "mkldnn::_linear_pointwise";

 private:
  at::Tensor weight_, bias_;  // as given
  at::Tensor packed_;
};

// Replaces every linear layer of an FP32 model on the CPU by an MkldnnLinear, laid out for the number of rows
// that it gets from `texts` texts of `tokens` tokens.
// Errors: UNIMPLEMENTED this build or CPU has no oneDNN; the model is then unchanged.
absl::Status UseMkldnnLinears(Encoder& model, int64_t texts, int64_t tokens);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MEASURE_MKLDNN_LINEAR_H_
