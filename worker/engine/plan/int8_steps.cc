#include "worker/engine/plan/int8_steps.h"

#include <algorithm>

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>

#include "worker/engine/kernels/row_kernels.h"
#include "worker/engine/plan/buffers.h"

namespace quantlab::engine {
namespace {

// Rows of a block: each block reads all weights of a layer again, so few blocks are better, and what lies
// between steps should not leave the cache. Measured: 132 beat 48 and 72 by 5 % at 128 rows.
constexpr int64_t kMaxBlock = 132;
// Rows of a tile of the INT8 product.
constexpr int64_t kMinBlock = 12;
// Panels whose result is still in the first-level cache when the activation reads it.
constexpr int64_t kPanelsTogether = 2;

// What one thread has between steps.
struct Scratch {
  Buffer<uint8_t> bytes, wide_bytes;
  Buffer<ActivationParams> params, wide_params;
  Buffer<float> wide;
};

Scratch& ThreadScratch() {
  thread_local Scratch scratch;
  return scratch;
}

int64_t DivideUp(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

struct Bytes {
  uint8_t* data;
  ActivationParams* params;
};

// Runs where rows are not divided among threads already.
template <typename Body>
void ForPanels(const Int8Linear& layer, const Body& body) {
  at::parallel_for(0, layer.panels(), 1, body);
}

Bytes Quantize(const Int8Linear& layer, const float* x, int64_t rows, Buffer<uint8_t>& bytes,
               Buffer<ActivationParams>& params) {
  const Bytes result{bytes.Get(rows * layer.padded_in()), params.Get(rows)};
  at::parallel_for(0, rows, kMinBlock, [&](int64_t begin, int64_t end) {
    layer.QuantizeRows(x + begin * layer.in_features(), end - begin, result.data + begin * layer.padded_in(),
                       result.params + begin);
  });
  return result;
}

void Multiply(const Int8Linear& layer, const Bytes& input, int64_t rows, float* out, int64_t stride) {
  ForPanels(layer, [&](int64_t first, int64_t last) {
    layer.MultiplyRows(input.data, input.params, rows, first, last, out, stride);
  });
}

// The product with GELU of each part while that is in the cache.
void MultiplyGelu(const Int8Linear& layer, const Bytes& input, int64_t rows, float* out) {
  const int64_t width = layer.out_features();
  ForPanels(layer, [&](int64_t first, int64_t last) {
    for (int64_t panel = first; panel < last; panel += kPanelsTogether) {
      const int64_t end = std::min(last, panel + kPanelsTogether);
      layer.MultiplyRows(input.data, input.params, rows, panel, end, out, width);
      const int64_t column = panel * kPanel, count = std::min(width, end * kPanel) - column;
      for (int64_t r = 0; r < rows; ++r) Gelu(out + r * width + column, count);
    }
  });
}

// activation(layer(input)) [rows, out], in `memory` or in a tensor that `owner` holds.
const float* MultiplyActivate(const Int8Linear& layer, Activation activation, const Bytes& input,
                              int64_t rows, float* memory, at::Tensor& owner) {
  if (activation == Activation::kGelu) {
    MultiplyGelu(layer, input, rows, memory);
    return memory;
  }
  Multiply(layer, input, rows, memory, layer.out_features());
  const at::NoGradGuard no_grad;  // grad mode belongs to a thread
  owner = ActivateInPlace(activation, at::from_blob(memory, {rows, layer.out_features()}, at::kFloat));
  owner = owner.contiguous();
  return owner.const_data_ptr<float>();
}

}  // namespace

const Int8Linear* AsInt8(const Linear& layer) {
  const auto* int8 = dynamic_cast<const Int8Linear*>(&layer);
  return int8 != nullptr && int8->CanRunRows() ? int8 : nullptr;
}

std::vector<const Int8Linear*> AsInt8Together(const std::vector<const Linear*>& layers) {
  std::vector<const Int8Linear*> result;
  for (const Linear* layer : layers) {
    const Int8Linear* int8 = AsInt8(*layer);
    if (int8 == nullptr) return {};
    if (!result.empty() && !result.front()->QuantizesLike(*int8)) return {};
    result.push_back(int8);
  }
  return result;
}

void ForRowBlocks(int64_t rows, const std::function<void(int64_t begin, int64_t end)>& body) {
  const int64_t threads = at::in_parallel_region() ? 1 : at::get_num_threads();
  if (rows < kMinBlock * threads || (threads == 1 && rows <= kMaxBlock)) return body(0, rows);
  const int64_t blocks = DivideUp(DivideUp(rows, kMaxBlock), threads) * threads;
  // Whole tiles in all blocks but the last.
  const int64_t size = DivideUp(DivideUp(rows, blocks), kMinBlock) * kMinBlock;
  at::parallel_for(0, DivideUp(rows, size), 1, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) body(b * size, std::min(rows, (b + 1) * size));
  });
}

void ProjectInt8(const std::vector<const Int8Linear*>& layers, const float* x, int64_t rows, float* out) {
  int64_t stride = 0;
  for (const Int8Linear* layer : layers) stride += layer->out_features();
  const Int8Linear& first = *layers.front();
  ForRowBlocks(rows, [&](int64_t begin, int64_t end) {
    Scratch& scratch = ThreadScratch();
    const Bytes input =
        Quantize(first, x + begin * first.in_features(), end - begin, scratch.bytes, scratch.params);
    float* target = out + begin * stride;
    for (const Int8Linear* layer : layers) {
      Multiply(*layer, input, end - begin, target, stride);
      target += layer->out_features();
    }
  });
}

void FeedForwardInt8(const Int8Linear& first, Activation activation, const Int8Linear& second, const float* x,
                     int64_t rows, float* out) {
  ForRowBlocks(rows, [&](int64_t begin, int64_t end) {
    const int64_t count = end - begin;
    Scratch& scratch = ThreadScratch();
    const Bytes input =
        Quantize(first, x + begin * first.in_features(), count, scratch.bytes, scratch.params);
    at::Tensor owner;
    const float* wide = MultiplyActivate(first, activation, input, count,
                                         scratch.wide.Get(count * first.out_features()), owner);
    const Bytes between = Quantize(second, wide, count, scratch.wide_bytes, scratch.wide_params);
    Multiply(second, between, count, out + begin * second.out_features(), second.out_features());
  });
}

}  // namespace quantlab::engine
