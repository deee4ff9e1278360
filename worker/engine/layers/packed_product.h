// Products with weights that oneDNN has converted once to the layout of its kernels, instead of in every
// pass.
#ifndef QUANTLAB_WORKER_ENGINE_LAYERS_PACKED_PRODUCT_H_
#define QUANTLAB_WORKER_ENGINE_LAYERS_PACKED_PRODUCT_H_

#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>

#include "worker/engine/layers/activation.h"

namespace quantlab::engine {

// weight: [out, in] float or BF16 on the CPU. `rows`: the number of rows that the layout is chosen for; other
// numbers work, perhaps slower. Throws where this build or CPU has no oneDNN.
at::Tensor PackWeight(const at::Tensor& weight, std::optional<int64_t> rows);

// activation(x W^T + b) of x's dtype, which is that of the weight; x: [..., in]; packed: of PackWeight; bias:
// [out] or undefined. kLinear: no activation. Others than those of IsFused throw.
at::Tensor PackedProduct(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias,
                         Activation activation);

// Whether the kernel applies the activation while the result is in registers.
bool IsFused(Activation activation);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_LAYERS_PACKED_PRODUCT_H_
