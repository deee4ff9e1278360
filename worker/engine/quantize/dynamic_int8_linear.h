// A linear layer with INT8 weights whose activations are quantized while it runs.
//
// Given the same input it computes what torch.ao.nn.quantized.dynamic.Linear computes (FBGEMM's
// arithmetic, equal but for the order of rounding), with two choices that PyTorch does not have: one
// activation scale per token, and 8-bit activations without reduce_range on every CPU.
#ifndef QUANTLAB_WORKER_ENGINE_QUANTIZE_DYNAMIC_INT8_LINEAR_H_
#define QUANTLAB_WORKER_ENGINE_QUANTIZE_DYNAMIC_INT8_LINEAR_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "worker/engine/model/linear.h"
#include "worker/engine/quantize/int8_kernels.h"
#include "worker/engine/quantize/layer_kinds.h"

namespace quantlab::engine {

struct DynamicInt8Options {
  // One scale and zero point per row of the input (token), so that no row depends on another; false: one
  // for the whole input, as PyTorch does.
  bool per_token = true;
  // Activations in 0..127 instead of 0..255.
  bool reduce_range = false;
};

// Weights as INT8 with float scales: weight = scale * quantized, zero point 0.
struct Int8Weights {
  at::Tensor quantized;  // [out, in] int8
  at::Tensor scale;      // [out] or [1] float
};

// Follows torch.ao.quantization's (per-channel) MinMax observer for qint8, symmetric, and
// torch.quantize_per_channel: scale = max|w| / 127.5, at least 2^-23; q = clamp(rint(w * (1 / scale))).
// weight: [out, in] float. Errors: INVALID_ARGUMENT for a NaN or an infinity.
absl::StatusOr<Int8Weights> QuantizeWeights(const at::Tensor& weight, bool per_channel);

// On the CPU by the kernels of int8_kernels.h, bit-equal on every CPU; elsewhere by ATen (at::_int_mm).
// A row with an infinity or a NaN (per tensor: an input with one) gives NaN.
//
// Ownership: owns its parameters; on the CPU only in the layout of the kernels.
// Threads:   Forward is safe to call from several threads; To is not.
class DynamicInt8Linear : public Linear {
 public:
  static constexpr char kKind[] = "int8_dynamic";

  // bias: [out] float, or undefined for none.
  // Errors: INVALID_ARGUMENT names what is wrong with the shapes, types or values.
  static absl::StatusOr<std::unique_ptr<DynamicInt8Linear>> Create(const Int8Weights& weights,
                                                                   const at::Tensor& bias,
                                                                   const DynamicInt8Options& options);

  at::Tensor Forward(const at::Tensor& x) const override;
  int64_t in_features() const override { return in_; }
  int64_t out_features() const override { return out_; }
  LayerPrecision precision() const override;
  std::string kind() const override { return kKind; }
  Params options() const override;
  // {"weight_int8": [out, in], "weight_scale": [out] or [1], "bias": [out] (where there is one)}
  std::map<std::string, at::Tensor> tensors() const override;
  void To(const at::Device& device) override;

  // The same arithmetic by ATen's operators, on the device of `x`: what runs on a GPU. Public so that it
  // can be held to the kernels where there is none.
  at::Tensor ForwardAten(const at::Tensor& x) const;

 private:
  DynamicInt8Linear(const Int8Weights& weights, const at::Tensor& bias, const DynamicInt8Options& options);

  void Pack();
  Int8Weights PlainWeights() const;
  at::Tensor ForwardCpu(const at::Tensor& x) const;

  int64_t in_, out_;
  DynamicInt8Options options_;
  at::Tensor scale_;  // as saved
  at::Tensor bias_;   // as saved; undefined for none
  // On the CPU: packed for the kernels. Elsewhere: plain_ is set instead.
  std::unique_ptr<PackedInt8Weights> packed_;
  std::vector<float> packed_scale_, packed_bias_;  // padded to whole panels
  at::Tensor plain_;                               // [out, in] int8
};

// Its entry in AllLayerKinds().
LayerKind DynamicInt8Kind();

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_QUANTIZE_DYNAMIC_INT8_LINEAR_H_
