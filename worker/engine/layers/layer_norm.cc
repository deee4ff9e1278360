#include "worker/engine/layers/layer_norm.h"

#include <ATen/ops/layer_norm.h>

namespace quantlab::engine {

at::Tensor LayerNorm::Forward(const at::Tensor& x) const {
  // The CPU's kernel takes FP32 parameters with an input of half precision; CUDA's wants one dtype.
  if (x.is_cpu() || x.scalar_type() == weight.scalar_type()) {
    return at::layer_norm(x, weight.sizes(), weight, bias, epsilon);
  }
  return at::layer_norm(x.to(at::kFloat), weight.sizes(), weight, bias, epsilon).to(x.scalar_type());
}

}  // namespace quantlab::engine
