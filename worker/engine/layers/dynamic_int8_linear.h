// A linear layer with INT8 weights whose activations are quantized at run time.
//
// Given the same input it computes what torch.ao.nn.quantized.dynamic.Linear computes (FBGEMM's
// arithmetic, equal but for the order of rounding), with two choices that PyTorch does not have: one
// activation scale per token, and 8-bit activations without reduce_range on every CPU.
#ifndef QUANTLAB_WORKER_ENGINE_LAYERS_DYNAMIC_INT8_LINEAR_H_
#define QUANTLAB_WORKER_ENGINE_LAYERS_DYNAMIC_INT8_LINEAR_H_

#include <memory>
#include <optional>
#include <string>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "worker/engine/layers/int8_linear.h"
#include "worker/engine/layers/layer_kinds.h"

namespace quantlab::engine {

struct DynamicInt8Options {
  // One scale and zero point per row of the input (token), so that no row depends on another; false: one
  // for the whole input, as PyTorch does. An infinity or a NaN then makes the whole output NaN.
  bool per_token = true;
  // Activations in 0..127 instead of 0..255.
  bool reduce_range = false;
};

// On the CPU by the kernels of int8_kernels.h, bit-equal on every CPU; elsewhere by ATen (at::_int_mm).
class DynamicInt8Linear : public Int8Linear {
 public:
  static constexpr char kKind[] = "int8_dynamic";

  // bias: [out] float, or undefined for none.
  // Errors: INVALID_ARGUMENT names what is wrong with the shapes, types or values.
  static absl::StatusOr<std::unique_ptr<DynamicInt8Linear>> Create(const Int8Weights& weights,
                                                                   const at::Tensor& bias,
                                                                   const DynamicInt8Options& options);

  std::string kind() const override { return kKind; }
  bool QuantizesLike(const Int8Linear& other) const override;
  Params options() const override;

 protected:
  bool rows_are_independent() const override { return options_.per_token; }
  ActivationParams WholeParams(const float* x, int64_t rows) const override;
  ActivationParams QuantizeInputRow(const float* row, const ActivationParams& whole, uint8_t* bytes,
                                    int64_t padded) const override;
  AtenInput QuantizeInputByAten(const at::Tensor& input) const override;
  std::optional<gpu::QuantizeOptions> GpuQuantization() const override;

 private:
  DynamicInt8Linear(const Int8Weights& weights, const at::Tensor& bias, const DynamicInt8Options& options);

  DynamicInt8Options options_;
  bool weights_per_channel_;
};

// Its entry in AllLayerKinds().
LayerKind DynamicInt8Kind();

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_LAYERS_DYNAMIC_INT8_LINEAR_H_
