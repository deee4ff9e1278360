// An FP32 linear layer whose weights oneDNN has brought into the layout of its kernels: often the fastest
// FP32 that LibTorch has on x86, so speedups are told against it where it is.
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
  // weight: [out, in] float; bias: [out] float, or undefined. `rows`: for how many rows the layout is
  // chosen; others work as well, perhaps slower. Throws where this build or CPU has no oneDNN.
  MkldnnLinear(at::Tensor weight, at::Tensor bias, int64_t rows);

  at::Tensor Forward(const at::Tensor& x) const override;
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

// Puts MkldnnLinear into every linear layer of an FP32 model on the CPU, each laid out for the rows that it
// sees of `texts` texts of `tokens` tokens.
// Errors: UNIMPLEMENTED this build or CPU has no oneDNN; the model is unchanged then.
absl::Status UseMkldnnLinears(Encoder& model, int64_t texts, int64_t tokens);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MEASURE_MKLDNN_LINEAR_H_
