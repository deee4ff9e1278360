// Linear layers with INT8 or INT4 weights and floating-point activations.
//
// On a CPU they run on weight_kernels.h, which dequantizes the weights into the cache, a block of channels at
// a time: with AVX512-BF16 from BF16 activations, else in FP32. No row of the output depends on another row,
// to the bit. On a GPU the weights are dequantized and multiplied by at::linear in FP32, which the layer
// reports; there a row is as independent of the others as in at::linear.
//
// What is saved are plain tensors, never the layout of the kernels.
#ifndef QUANTLAB_WORKER_ENGINE_LAYERS_WEIGHT_ONLY_LINEAR_H_
#define QUANTLAB_WORKER_ENGINE_LAYERS_WEIGHT_ONLY_LINEAR_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "worker/engine/kernels/weight_kernels.h"
#include "worker/engine/layers/layer_kinds.h"
#include "worker/engine/layers/linear.h"

namespace quantlab::engine {

// The common part of the two kinds.
//
// Ownership: owns its parameters.
// Threads:   Forward is safe to call from several threads; To is not.
class WeightOnlyLinear : public Linear {
 public:
  at::Tensor Forward(const at::Tensor& x) const override;
  int64_t in_features() const override { return in_; }
  int64_t out_features() const override { return out_; }
  LayerPrecision precision() const override;
  bool capturable() const override { return true; }
  void To(const at::Device& device) override;

  // What at::linear is given where the kernels do not run: [out, in] float. The BF16 kernel rounds weights of
  // INT4 to BF16 besides.
  virtual at::Tensor DequantizedWeight() const = 0;

  // The path of devices without kernels, on this layer's device. Public so that tests can compare it with the
  // kernels.
  at::Tensor ForwardDequantized(const at::Tensor& x) const;

 protected:
  // bias: [out] float, or undefined.
  WeightOnlyLinear(int64_t in, int64_t out, const at::Tensor& bias);

  // The kernels' form of the weights, made from the plain ones on the CPU.
  virtual PackedWeights PackWeights() const = 0;
  // Moves scales and zero points.
  virtual void MoveWeights(const at::Device& device) = 0;
  // The form in which integers [out, in] int8 are saved, and kept where the kernels do not run; and back.
  virtual at::Tensor ToStored(const at::Tensor& integers) const { return integers; }
  virtual at::Tensor FromStored(const at::Tensor& stored) const { return stored; }

  // Packs the weights where the kernels run, and drops stored_ then; the constructor of each kind calls it.
  void Pack();
  // [out, in] int8.
  at::Tensor Integers() const;
  at::Tensor Stored() const;

  const int64_t in_, out_;
  at::Tensor bias_;    // [out] float; undefined for none
  at::Tensor stored_;  // the integers as ToStored gives them; undefined while packed

 private:
  at::Tensor RunPacked(const at::Tensor& x) const;

  at::Device device_ = at::kCPU;
  std::unique_ptr<PackedWeights> packed_;  // on the CPU
};

// weight = scale * quantized.
struct Int8ChannelWeights {
  at::Tensor quantized;  // [out, in] int8
  at::Tensor scale;      // [out] float, positive and finite
};

class Int8WeightOnlyLinear : public WeightOnlyLinear {
 public:
  static constexpr char kKind[] = "int8_weight_only";

  // bias: [out] float, or undefined for none.
  // Errors: INVALID_ARGUMENT names the tensor and what is wrong with it.
  static absl::StatusOr<std::unique_ptr<Int8WeightOnlyLinear>> Create(const Int8ChannelWeights& weights,
                                                                      const at::Tensor& bias);

  std::string kind() const override { return kKind; }
  // {"weight_int8": [out, in] int8, "weight_scale": [out] float, "bias": [out] float (where there is one)}
  std::map<std::string, at::Tensor> tensors() const override;
  at::Tensor DequantizedWeight() const override;

 protected:
  PackedWeights PackWeights() const override;
  void MoveWeights(const at::Device& device) override;

 private:
  Int8WeightOnlyLinear(const Int8ChannelWeights& weights, const at::Tensor& bias);

  at::Tensor scale_;  // [out] float
};

// weight = scale * quantized - bf16(scale * zero_point), each group of group_size inputs having its own
// scale and zero point.
struct Int4GroupWeights {
  at::Tensor packed;      // [out, (in + 1) / 2] uint8, as PackInt4 makes it
  at::Tensor scale;       // [out, groups] BF16, positive and finite; groups = ceil(in / group_size)
  at::Tensor zero_point;  // [out, groups] int8 in -8..7; undefined when symmetric
};

class Int4WeightOnlyLinear : public WeightOnlyLinear {
 public:
  static constexpr char kKind[] = "int4_weight_only";

  // group_size: 32, 64, 128 or 256. bias: [out] float, or undefined for none.
  // Errors: INVALID_ARGUMENT names the tensor and what is wrong with it.
  static absl::StatusOr<std::unique_ptr<Int4WeightOnlyLinear>> Create(const Int4GroupWeights& weights,
                                                                      int64_t in_features, int64_t group_size,
                                                                      const at::Tensor& bias);

  std::string kind() const override { return kKind; }
  // {"group_size": 64, "symmetric": false}
  Params options() const override;
  // {"weight_int4": uint8, "weight_scale": BF16, "weight_zero_point": int8 (unless symmetric), as in
  // Int4GroupWeights, "bias": [out] float (where there is one)}.
  std::map<std::string, at::Tensor> tensors() const override;
  at::Tensor DequantizedWeight() const override;

 protected:
  PackedWeights PackWeights() const override;
  void MoveWeights(const at::Device& device) override;
  at::Tensor ToStored(const at::Tensor& integers) const override;
  at::Tensor FromStored(const at::Tensor& stored) const override;

 private:
  Int4WeightOnlyLinear(const Int4GroupWeights& weights, int64_t in, int64_t group_size,
                       const at::Tensor& bias);

  const int64_t group_size_;
  at::Tensor scale_, zero_point_;
};

// Their entries in AllLayerKinds().
LayerKind Int8WeightOnlyKind();
LayerKind Int4WeightOnlyKind();

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_LAYERS_WEIGHT_ONLY_LINEAR_H_
