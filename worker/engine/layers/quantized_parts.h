// What linear layers with quantized weights and inputs share, whatever their format: an input as rows, one
// product for several layers, and the checks of scales and bias.
#ifndef QUANTLAB_WORKER_ENGINE_LAYERS_QUANTIZED_PARTS_H_
#define QUANTLAB_WORKER_ENGINE_LAYERS_QUANTIZED_PARTS_H_

#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "worker/engine/gpu/gpu_ops.h"
#include "worker/engine/layers/joined.h"

namespace quantlab::engine {

// [rows, width], contiguous, in the dtype of x [..., width].
at::Tensor RowsOf(const at::Tensor& x);

// `rows` with all dimensions of `like` but the last, and its dtype.
at::Tensor ShapedLike(const at::Tensor& rows, const at::Tensor& like);

// On a GPU, the output of each of `layers` for `rows`, by one product of their joined weights, which `joined`
// keeps. like: the input that was quantized.
std::vector<at::Tensor> ProductTogether(const gpu::QuantizedRows& rows,
                                        const std::vector<gpu::ProductWeights>& layers,
                                        const at::Tensor& like, Joined<gpu::ProductWeights>& joined);

// Errors: INVALID_ARGUMENT unless all values are positive and finite.
absl::Status CheckPositiveScale(const at::Tensor& scale);

// values: [out, in], named `name` in messages. Errors: INVALID_ARGUMENT unless scale is float [1] or [out],
// positive and finite, and bias float [out] or undefined.
absl::Status CheckScaleAndBias(absl::string_view name, const at::Tensor& values, const at::Tensor& scale,
                               const at::Tensor& bias);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_LAYERS_QUANTIZED_PARTS_H_
