#include "worker/engine/layers/activation.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/erf.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/hardswish.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/mish.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/relu6.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tanh.h>

namespace quantlab::engine {
namespace {

// ATen's vectorized loops take two vectors at a time: 32 floats at most (AVX-512).
constexpr int64_t kVectorStep = 32;
constexpr int64_t kMinElementsPerTask = 32768;

at::Tensor ActivateAll(Activation activation, const at::Tensor& x) {
  switch (activation) {
    case Activation::kGelu:
      return at::gelu(x);
    case Activation::kGeluTanh:
      return at::gelu(x, "tanh");
    case Activation::kGeluClipped:
      return at::gelu(x).clamp(-10, 10);
    case Activation::kQuickGelu:
      return x.mul(at::sigmoid(x.mul(1.702)));
    case Activation::kRelu:
      return at::relu(x);
    case Activation::kRelu6:
      return at::relu6(x);
    case Activation::kReluSquared:
      return at::relu(x).square();
    case Activation::kLeakyRelu:
      return at::leaky_relu(x);
    case Activation::kSilu:
      return at::silu(x);
    case Activation::kHardswish:
      return at::hardswish(x);
    case Activation::kMish:
      return at::mish(x);
    case Activation::kLaplace:  // Ma 2022, eq. 16
      return at::erf(x.sub(0.707107).div(0.282095 * std::sqrt(2.0))).add(1).mul(0.5);
    case Activation::kTanh:
      return at::tanh(x);
    case Activation::kSigmoid:
      return at::sigmoid(x);
    case Activation::kLinear:
      return x;
  }
  return x;
}

// Over x itself.
void ActivateOver(Activation activation, at::Tensor x) {
  if (activation == Activation::kGelu) {
    at::gelu_(x);
  } else if (activation == Activation::kGeluTanh) {
    at::gelu_(x, "tanh");
  } else {
    x.copy_(ActivateAll(activation, x));
  }
}

// Whether rows have to be computed apart, so that each depends on itself alone.
bool NeedsWholeRows(Activation activation, const at::Tensor& x) {
  const bool exact_anyway = activation == Activation::kRelu || activation == Activation::kLinear;
  return !at::GradMode::is_enabled() && x.is_cpu() && x.dim() == 2 && x.numel() > 0 && !exact_anyway;
}

// Calls `run` with ranges of rows that are computed together, in parallel. Rows of whole vectors have no
// remainder, however many there are; other rows are computed one by one.
void ForRows(const at::Tensor& x, const std::function<void(int64_t begin, int64_t rows)>& run) {
  const int64_t width = x.size(1);
  const bool full_vectors = width % kVectorStep == 0;
  at::parallel_for(0, x.size(0), std::max<int64_t>(1, kMinElementsPerTask / width),
                   [&](int64_t begin, int64_t end) {
                     at::NoGradGuard no_grad;  // grad mode belongs to a thread
                     const int64_t step = full_vectors ? end - begin : 1;
                     for (int64_t row = begin; row < end; row += step) run(row, step);
                   });
}

}  // namespace

at::Tensor Activate(Activation activation, const at::Tensor& x) {
  if (!NeedsWholeRows(activation, x)) return ActivateAll(activation, x);
  const at::Tensor input = x.contiguous();
  at::Tensor output = at::empty_like(input);
  ForRows(input, [&](int64_t begin, int64_t rows) {
    output.narrow(0, begin, rows).copy_(ActivateAll(activation, input.narrow(0, begin, rows)));
  });
  return output;
}

at::Tensor ActivateInPlace(Activation activation, at::Tensor x) {
  if (!NeedsWholeRows(activation, x) || !x.is_contiguous()) return Activate(activation, x);
  ForRows(x, [&](int64_t begin, int64_t rows) { ActivateOver(activation, x.narrow(0, begin, rows)); });
  return x;
}

}  // namespace quantlab::engine
