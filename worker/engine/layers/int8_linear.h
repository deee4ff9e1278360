// The common part of linear layers with INT8 weights, however they quantize their input: the weights in the
// layout of the kernels, the integer product, and how layers pass bytes to each other.
//
// The product is exact (32-bit sums of u8 x s8, on any CPU), so a row's result does not depend on the rows
// beside it, on the number of threads or on the instruction set.
#ifndef QUANTLAB_WORKER_ENGINE_LAYERS_INT8_LINEAR_H_
#define QUANTLAB_WORKER_ENGINE_LAYERS_INT8_LINEAR_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "worker/engine/gpu/gpu_ops.h"
#include "worker/engine/kernels/int8_kernels.h"
#include "worker/engine/layers/joined.h"
#include "worker/engine/layers/linear.h"

namespace quantlab::engine {

// Weights as INT8 with float scales: weight = scale * quantized, zero point 0.
struct Int8Weights {
  at::Tensor quantized;  // [out, in] int8
  at::Tensor scale;      // [out] or [1] float
};

// Follows torch.ao.quantization's (per-channel) MinMax observer for qint8, symmetric, and
// torch.quantize_per_channel: scale = max|w| / ((2^bits - 1) / 2), at least 2^-23;
// q = clamp(rint(w * (1 / scale))), in -2^(bits-1) .. 2^(bits-1) - 1.
// weight: [out, in] float; bits: 2 to 8. Errors: INVALID_ARGUMENT for a NaN or an infinity.
absl::StatusOr<Int8Weights> QuantizeWeights(const at::Tensor& weight, bool per_channel, int bits = 8);

// The same with given scales ([out] or [1] float, positive): what QAT ends with.
absl::StatusOr<Int8Weights> QuantizeWeightsWith(const at::Tensor& weight, const at::Tensor& scale, int bits);

// Errors: INVALID_ARGUMENT names what is wrong with the shapes, types or values. bias: [out] or undefined.
absl::Status CheckInt8Weights(const Int8Weights& weights, const at::Tensor& bias);

// On a GPU of compute capability 9.0 input rows are quantized by one kernel, and another computes the product
// with all that follows it, in FP32, and rounds the result to FP16 (gpu_ops.h). On other GPUs, and for shapes
// that those kernels do not support, ATen's operators do the same.
//
// Ownership: owns its parameters; on the CPU only in the layout of the kernels.
// Threads:   Forward is safe to call from several threads; To is not.
// A row with an infinity or a NaN gives NaN.
class Int8Linear : public Linear {
 public:
  at::Tensor Forward(const at::Tensor& x) const override;
  // Bytes between the two, block of rows by block, where `next` is an INT8 layer too.
  at::Tensor ForwardInto(const at::Tensor& x, Activation activation, const Linear& next) const override;
  // The input is quantized once where all layers want the same bytes.
  std::vector<at::Tensor> ForwardTogether(const at::Tensor& x,
                                          const std::vector<const Linear*>& others) const override;

  int64_t in_features() const override { return in_; }
  int64_t out_features() const override { return out_; }
  LayerPrecision precision() const override;
  // {"weight_int8": [out, in], "weight_scale": [out] or [1], "bias": [out] (where there is one)}
  std::map<std::string, at::Tensor> tensors() const override;
  bool capturable() const override { return true; }
  void To(const at::Device& device) override;

  // ---- For an execution plan (plan/), which gives the memory. Only where CanRunRows(). ----

  // Whether the kernels of the CPU run the layer and a row's bytes depend on that row alone.
  bool CanRunRows() const { return on_cpu() && rows_are_independent(); }
  // Whether `other` would make the same bytes of the same input.
  virtual bool QuantizesLike(const Int8Linear& other) const = 0;
  int64_t padded_in() const { return packed_->padded_in(); }
  int64_t panels() const { return packed_->panels(); }
  // x: [rows, in] float; fills bytes [rows, padded_in()] and params [rows].
  void QuantizeRows(const float* x, int64_t rows, uint8_t* bytes, ActivationParams* params) const;
  // The panels [panel_begin, panel_end) of 32 output channels, for rows that QuantizeRows made. out: the
  // first channel of the layer in the first row; rows are `out_stride` floats apart.
  void MultiplyRows(const uint8_t* bytes, const ActivationParams* params, int64_t rows, int64_t panel_begin,
                    int64_t panel_end, float* out, int64_t out_stride) const;

  // The same arithmetic by ATen's operators, on the device of `x`, as on a GPU. Public so that tests can
  // compare it with the kernels.
  at::Tensor ForwardAten(const at::Tensor& x) const;

 protected:
  // Both must have passed CheckInt8Weights.
  Int8Linear(const Int8Weights& weights, const at::Tensor& bias);

  // ---- How a layer quantizes its input. ----

  // Whether a row's bytes depend on that row alone.
  virtual bool rows_are_independent() const { return true; }
  // One scale for all rows of an input whose rows are not independent; a NaN scale makes everything NaN.
  virtual ActivationParams WholeParams(const float* x, int64_t rows) const { return {}; }
  // One row: fills `bytes` (padded to `padded`) and returns their meaning; a NaN scale makes the row NaN.
  // `whole` is what WholeParams gave.
  virtual ActivationParams QuantizeInputRow(const float* row, const ActivationParams& whole, uint8_t* bytes,
                                            int64_t padded) const = 0;
  // The same by ATen. input: [rows, in] float.
  struct AtenInput {
    at::Tensor bytes;        // [rows, in] double, 0 to 255
    at::Tensor scale, zero;  // [rows, 1] or [1, 1] double or float
  };
  virtual AtenInput QuantizeInputByAten(const at::Tensor& input) const = 0;
  // The same by a kernel of gpu_ops.h; nullopt where it has none for this.
  virtual std::optional<gpu::QuantizeOptions> GpuQuantization() const { return std::nullopt; }

  Int8Weights PlainWeights() const;
  const at::Tensor& bias() const { return bias_; }
  bool on_cpu() const { return packed_ != nullptr; }

 private:
  struct QuantizedRows;

  void Pack();
  QuantizedRows AllocateRows(const float* x, int64_t rows) const;
  void QuantizeInto(const float* x, const ActivationParams& whole, int64_t rows, uint8_t* bytes,
                    ActivationParams* params) const;
  void QuantizeRows(const float* x, int64_t begin, int64_t end, QuantizedRows& rows) const;
  // Rows [begin, end) of `rows` by the panels [panel_begin, panel_end) into `out` [rows, out_], whose first
  // row belongs to row 0 of `rows`.
  void Multiply(const QuantizedRows& rows, int64_t begin, int64_t end, int64_t panel_begin, int64_t panel_end,
                float* out) const;
  std::vector<at::Tensor> RunTogether(const at::Tensor& x,
                                      const std::vector<const Int8Linear*>& layers) const;
  at::Tensor RunInto(const at::Tensor& input, Activation activation, const Int8Linear& next) const;
  bool on_gpu_kernels() const { return gpu_weights_.values.defined(); }
  at::Tensor RunIntoOnGpu(const at::Tensor& x, Activation activation, const Int8Linear& next) const;
  std::vector<at::Tensor> RunTogetherOnGpu(const at::Tensor& x,
                                           const std::vector<const Int8Linear*>& layers) const;

  int64_t in_, out_;
  at::Tensor scale_;  // as saved
  at::Tensor bias_;   // as saved; undefined for none
  // On the CPU: packed for the kernels. Elsewhere: plain_ is set instead.
  std::unique_ptr<PackedInt8Weights> packed_;
  std::vector<float> packed_scale_, packed_bias_;  // padded to whole panels
  at::Tensor plain_;                               // [out, in] int8
  gpu::ProductWeights gpu_weights_;                // undefined where gpu_ops.h has no product for the layer
  mutable Joined<gpu::ProductWeights> joined_;     // with the other layers of ForwardTogether
};

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_LAYERS_INT8_LINEAR_H_
