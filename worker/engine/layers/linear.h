// A linear layer as the executor of a model sees it: the seam between a model's structure (models/) and
// how its layers compute.
#ifndef QUANTLAB_WORKER_ENGINE_LAYERS_LINEAR_H_
#define QUANTLAB_WORKER_ENGINE_LAYERS_LINEAR_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "base/config/method_spec.h"
#include "base/messages/message.h"
#include "worker/engine/layers/activation.h"
#include "worker/engine/tensors/weights.h"

namespace quantlab::engine {

// What was requested of a layer, what runs, and why they differ (no reason when they do not).
struct LayerPrecision {
  std::string requested;  // "fp32", "int8_dynamic", …
  std::string effective;
  std::string kernel;  // "at::linear", "at::_int_mm", …
  Message reason;
};

// Ownership: owns its parameters.
// Threads:   Forward is safe to call from several threads on an unchanging layer.
// Errors:    LibTorch's exceptions pass through; they stop where a model is entered (models/encoder.h).
class Linear {
 public:
  virtual ~Linear() = default;

  // x: [..., in] of a floating-point dtype; returns [..., out] of x's dtype. Differentiable where the layer
  // is trainable. A model passes packed tokens, [tokens, in]: one row per token, no padding among them.
  virtual at::Tensor Forward(const at::Tensor& x) const = 0;

  // next.Forward(activation(Forward(x))). An INT8 layer followed by another keeps bytes between the two.
  virtual at::Tensor ForwardInto(const at::Tensor& x, Activation activation, const Linear& next) const;

  // Outputs of this layer and of `others` over the same input, in that order. Layers that quantize their
  // input alike do so once.
  virtual std::vector<at::Tensor> ForwardTogether(const at::Tensor& x,
                                                  const std::vector<const Linear*>& others) const;

  virtual int64_t in_features() const = 0;
  virtual int64_t out_features() const = 0;
  virtual LayerPrecision precision() const = 0;

  // The layer's kind and options in plan.json (layer_kinds.h).
  virtual std::string kind() const = 0;
  virtual Params options() const { return {}; }

  // The tensors to be saved, by suffix: {"weight": …, "bias": …} or
  // {"weight_int8": …, "weight_scale": …, "bias": …}. What is saved is what loading reads.
  virtual std::map<std::string, at::Tensor> tensors() const = 0;

  // The tensors that training changes, by the same suffixes; they share storage with the layer's own.
  // Empty for a layer that cannot be trained.
  virtual std::map<std::string, at::Tensor> parameters() const { return {}; }

  // Whether Forward runs the same kernels for every input of a shape, reads only memory of the layer's device
  // and has no other effects, so that a CUDA graph can replace it.
  virtual bool capturable() const { return false; }

  // Moves everything that Forward reads. Handles from earlier calls of tensors() are stale afterwards.
  virtual void To(const at::Device& device) = 0;
};

// y = x W^T + b in floating point. Differentiable; its parameters are trainable.
class LinearFp32 : public Linear {
 public:
  static constexpr char kKind[] = "fp32";

  // weight: [out, in] float; bias: [out] float, or undefined for none.
  LinearFp32(at::Tensor weight, at::Tensor bias);

  // Records that the layer stays FP32 instead of `requested`, because of `reason`.
  void KeepInsteadOf(std::string requested, Message reason);

  at::Tensor Forward(const at::Tensor& x) const override;
  int64_t in_features() const override;
  int64_t out_features() const override;
  LayerPrecision precision() const override;
  std::string kind() const override { return kKind; }
  std::map<std::string, at::Tensor> tensors() const override;
  std::map<std::string, at::Tensor> parameters() const override { return tensors(); }
  bool capturable() const override { return true; }
  void To(const at::Device& device) override;

  // As given; shared with the layer.
  const at::Tensor& weight() const { return weight_; }
  const at::Tensor& bias() const { return bias_; }

 private:
  at::Tensor weight_;
  at::Tensor bias_;
  std::string requested_ = kKind;
  Message reason_;
};

// `layer` as FP32. Throws std::bad_cast where it is of another kind, which is an error of the caller.
inline const LinearFp32& AsFp32(const Linear& layer) {
  return dynamic_cast<const LinearFp32&>(layer);
}

// Makes the linear layer `name` (no suffix) from the tensors it takes out of `weights`.
using LinearLoader = std::function<absl::StatusOr<std::unique_ptr<Linear>>(
    const std::string& name, int64_t in_features, int64_t out_features, Weights& weights)>;

// The loader of FP32 layers: NAME.weight [out, in] and NAME.bias [out].
absl::StatusOr<std::unique_ptr<Linear>> LoadLinearFp32(const std::string& name, int64_t in_features,
                                                       int64_t out_features, Weights& weights);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_LAYERS_LINEAR_H_
