// A linear layer as the executor of a model sees it: the seam between a model's structure (model/) and
// how its layers compute (FP32 here, quantized in quantize/).
#ifndef QUANTLAB_WORKER_ENGINE_MODEL_LINEAR_H_
#define QUANTLAB_WORKER_ENGINE_MODEL_LINEAR_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace quantlab::engine {

// What was asked of a layer, what runs, and why they differ (empty reason when they do not).
struct LayerPrecision {
  std::string requested;  // "fp32", "int8_dynamic", …
  std::string effective;
  std::string kernel;     // "at::linear", "at::_int_mm", …
  std::string reason;
};

// Ownership: owns its parameters.
// Threads:   Forward is safe to call from several threads on an unchanging layer.
class Linear {
 public:
  virtual ~Linear() = default;

  // x: [..., in] float; returns [..., out] of x's dtype. Differentiable where the layer is trainable.
  virtual at::Tensor Forward(const at::Tensor& x) const = 0;

  virtual int64_t in_features() const = 0;
  virtual int64_t out_features() const = 0;
  virtual LayerPrecision precision() const = 0;

  // The tensors to be saved, by suffix: {"weight": …, "bias": …} or
  // {"weight_int8": …, "weight_scale": …, "bias": …}. What is saved is what loading reads.
  virtual std::map<std::string, at::Tensor> tensors() const = 0;
};

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MODEL_LINEAR_H_
