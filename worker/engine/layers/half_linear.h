// A linear layer with weights in half precision, BF16 or FP16, that computes in it where the machine supports
// it; elsewhere in FP32, with the reason.
#ifndef QUANTLAB_WORKER_ENGINE_LAYERS_HALF_LINEAR_H_
#define QUANTLAB_WORKER_ENGINE_LAYERS_HALF_LINEAR_H_

#include <map>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "worker/engine/layers/joined.h"
#include "worker/engine/layers/layer_kinds.h"
#include "worker/engine/layers/linear.h"

namespace quantlab::engine {

// Why `device` has no arithmetic in `dtype` (at::kBFloat16 or at::kHalf); no message where it has. A CPU
// needs AVX512_BF16 or AMX (BF16), AVX512_FP16 or AMX (FP16), which ONEDNN_MAX_CPU_ISA can hide.
Message WhyNotHalf(at::ScalarType dtype, const at::Device& device);

// Ownership: owns its parameters. Threads: Forward is safe to call from several threads; To is not.
class HalfLinear : public Linear {
 public:
  static constexpr char kBf16[] = "bf16";
  static constexpr char kFp16[] = "fp16";

  // weight: [out, in], bias: [out] or undefined; converted to `dtype`, at::kBFloat16 or at::kHalf, rounded to
  // nearest. Errors: INVALID_ARGUMENT a weight or bias that is not finite in `dtype` (FP16 ends at 65504).
  static absl::StatusOr<std::unique_ptr<HalfLinear>> Create(const at::Tensor& weight, const at::Tensor& bias,
                                                            at::ScalarType dtype);

  // Sums in FP32; the result is rounded to the dtype of the layer, then to that of x.
  at::Tensor Forward(const at::Tensor& x) const override;
  // On a GPU one product for all layers of this dtype, whose weights are kept a second time for it.
  std::vector<at::Tensor> ForwardTogether(const at::Tensor& x,
                                          const std::vector<const Linear*>& others) const override;
  int64_t in_features() const override { return weight_.size(1); }
  int64_t out_features() const override { return weight_.size(0); }
  LayerPrecision precision() const override;
  std::string kind() const override;
  // {"weight": [out, in], "bias": [out] (where there is one)}, in half precision.
  std::map<std::string, at::Tensor> tensors() const override;
  bool capturable() const override { return true; }
  void To(const at::Device& device) override;

 private:
  HalfLinear(at::Tensor weight, at::Tensor bias);

  void Prepare();

  at::Tensor weight_, bias_;          // as saved
  at::Tensor run_weight_, run_bias_;  // what Forward reads: the same, or FP32 where it falls back
  at::Tensor packed_;                 // run_weight_ for oneDNN's BF16 kernels on the CPU; undefined for none
  Message reason_;                    // of the fallback; empty for none

  struct Weights {
    at::Tensor weight, bias;
  };
  mutable Joined<Weights> joined_;
};

// Their entries in AllLayerKinds().
LayerKind Bf16Kind();
LayerKind Fp16Kind();

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_LAYERS_HALF_LINEAR_H_
