// gpu_ops.h where there is no nvcc or no CUDA in LibTorch.
#include <c10/util/Exception.h>

#include "worker/engine/gpu/gpu_ops.h"
#include "worker/engine/gpu/graph_cache.h"

namespace quantlab::engine::gpu {
namespace {

constexpr char kNotBuilt[] = "this build has no GPU kernels of its own (QUANTLAB_CUDA_KERNELS)";

}  // namespace

std::string WhyNotRowKernels(const at::Device& device, int64_t width) {
  return kNotBuilt;
}

std::string WhyNotScaledProduct(const at::Device& device, int64_t in, int64_t out) {
  return kNotBuilt;
}

std::string WhyNotFp8(const at::Device& device) {
  return device.is_cpu() ? "CPUs have no FP8 arithmetic" : kNotBuilt;
}

at::Tensor LayerNorm(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, double) {
  TORCH_CHECK(false, kNotBuilt);
}

at::Tensor Embed(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                 const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, double,
                 at::ScalarType) {
  TORCH_CHECK(false, kNotBuilt);
}

QuantizedRows QuantizeRows(const at::Tensor&, const QuantizeOptions&) {
  TORCH_CHECK(false, kNotBuilt);
}

at::Tensor ScaledProduct(const QuantizedRows&, const ProductWeights&, bool, int) {
  TORCH_CHECK(false, kNotBuilt);
}

// ---- graph_cache.h ----

struct GraphCache::State {};

GraphCache::GraphCache(int) {}
GraphCache::~GraphCache() = default;

at::Tensor GraphCache::Run(const std::vector<int64_t>&, const std::vector<at::Tensor>& inputs,
                           const Function& function) {
  return function(inputs);
}

void GraphCache::Clear() {}

int64_t GraphCache::size() const {
  return 0;
}

}  // namespace quantlab::engine::gpu
