#include "worker/engine/layers/layer_norm.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/layer_norm.h>

#include "worker/engine/gpu/gpu_ops.h"

namespace quantlab::engine {
namespace {

bool OnRowKernels(const at::Tensor& x) {
  return x.is_cuda() && !at::GradMode::is_enabled() && gpu::WhyNotRowKernels(x.device(), x.size(-1)).empty();
}

}  // namespace

at::Tensor LayerNorm::ForwardSum(const at::Tensor& x, const at::Tensor& residual) const {
  if (!OnRowKernels(x)) return Forward(x.add(residual));
  return gpu::LayerNorm(x, residual, weight, bias, epsilon);
}

at::Tensor LayerNorm::Forward(const at::Tensor& x) const {
  if (OnRowKernels(x)) return gpu::LayerNorm(x, {}, weight, bias, epsilon);
  // The CPU's kernel accepts FP32 parameters with an input of half precision; CUDA's requires one dtype.
  if (x.is_cpu() || x.scalar_type() == weight.scalar_type()) {
    return at::layer_norm(x, weight.sizes(), weight, bias, epsilon);
  }
  return at::layer_norm(x.to(at::kFloat), weight.sizes(), weight, bias, epsilon).to(x.scalar_type());
}

}  // namespace quantlab::engine
