// Layer normalization (Ba 2016) over the last dimension, with a learned scale and shift.
#ifndef QUANTLAB_WORKER_ENGINE_LAYERS_LAYER_NORM_H_
#define QUANTLAB_WORKER_ENGINE_LAYERS_LAYER_NORM_H_

#include <ATen/core/Tensor.h>

namespace quantlab::engine {

struct LayerNorm {
  at::Tensor weight, bias;  // [width] float; trainable
  double epsilon = 1e-12;

  // x: [..., width] of a floating-point dtype; returns x's shape and dtype.
  // Threads: safe. Errors: LibTorch's exceptions pass through.
  at::Tensor Forward(const at::Tensor& x) const;

  // Forward(x + residual); residual has x's shape. Without gradients on a GPU in one pass over memory.
  at::Tensor ForwardSum(const at::Tensor& x, const at::Tensor& residual) const;
};

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_LAYERS_LAYER_NORM_H_
