// A linear layer with INT8 weights and a fixed affine quantization of its input, found by calibration or by
// training: the result of static quantization and QAT.
//
// q = clamp(rint(x * smoothing / scale + zero_point), 0, 255), with one scale and zero point for the whole
// input and, where SmoothQuant was used, one factor for each input feature (Xiao 2022: 1 / s_j; the weights
// hold s_j).
#ifndef QUANTLAB_WORKER_ENGINE_LAYERS_STATIC_INT8_LINEAR_H_
#define QUANTLAB_WORKER_ENGINE_LAYERS_STATIC_INT8_LINEAR_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "worker/engine/layers/int8_linear.h"
#include "worker/engine/layers/layer_kinds.h"

namespace quantlab::engine {

struct StaticInput {
  ActivationParams params;  // scale positive and finite, zero point 0 to 255
  at::Tensor smoothing;     // [in] float, positive and finite; undefined for none
};

// Weights of fewer than 8 bits compute like those of 8; where there are at most 4, two share a byte of the
// file.
class StaticInt8Linear : public Int8Linear {
 public:
  static constexpr char kKind[] = "int8_static";

  // weight_bits: 2 to 8, which the weights must fit. bias: [out] float, or undefined for none.
  // Errors: INVALID_ARGUMENT names what is wrong with the shapes, types or values.
  static absl::StatusOr<std::unique_ptr<StaticInt8Linear>> Create(const Int8Weights& weights, int weight_bits,
                                                                  const at::Tensor& bias,
                                                                  const StaticInput& input);

  std::string kind() const override { return kKind; }
  bool QuantizesLike(const Int8Linear& other) const override;
  Params options() const override;
  // {"weight_int8": [out, in] or "weight_int4": [out, (in + 1) / 2], "weight_scale": [out] or [1],
  //  "bias": [out] (where there is one), "input_scale": [1] float, "input_zero_point": [1] int32,
  //  "input_smoothing": [in] (where there is one)}
  std::map<std::string, at::Tensor> tensors() const override;
  void To(const at::Device& device) override;

 protected:
  ActivationParams QuantizeInputRow(const float* row, const ActivationParams& whole, uint8_t* bytes,
                                    int64_t padded) const override;
  AtenInput QuantizeInputByAten(const at::Tensor& input) const override;
  std::optional<gpu::QuantizeOptions> GpuQuantization() const override;

 private:
  StaticInt8Linear(const Int8Weights& weights, int weight_bits, const at::Tensor& bias,
                   const StaticInput& input);

  int weight_bits_;
  bool weights_per_channel_;
  ActivationParams params_;
  std::vector<float> smoothing_;  // as saved; empty for none
  std::vector<float> factor_;     // smoothing / scale, as the kernel multiplies; empty for none
  at::Tensor factor_on_device_;   // the same where the layer is not on a CPU; undefined for none
};

// Its entry in AllLayerKinds().
LayerKind StaticInt8Kind();

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_LAYERS_STATIC_INT8_LINEAR_H_
