// How the layers of an encoder are computed for inference on a CPU: in fewer passes over memory than layer by
// layer, which stays as the reference and for training.
//
// What is fused, where both sides of a step allow it:
//   - query, key and value quantize their input once and write side by side;
//   - attention is computed for one head of one sequence at a time, in cache, with scale and softmax between
//     its two products;
//   - a block of rows passes through the output projection, the residual sum with its LayerNorm, the
//     feed-forward layers with their activation, and the second LayerNorm before the next block begins, so
//     that what lies between these steps stays in the cache;
//   - all memory between steps is kept from call to call.
// A layer of a kind that the plan does not know is called as it is.
//
// A text's result does not depend on its neighbours, on the number of rows or on the threads, bit for bit,
// where its layers have that property. It differs from the layer-by-layer path in the order of floating-point
// sums.
#ifndef QUANTLAB_WORKER_ENGINE_PLAN_ENCODER_PLAN_H_
#define QUANTLAB_WORKER_ENGINE_PLAN_ENCODER_PLAN_H_

#include <cstdint>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/types/span.h"
#include "worker/engine/layers/activation.h"
#include "worker/engine/layers/attention.h"
#include "worker/engine/layers/layer_norm.h"
#include "worker/engine/layers/linear.h"

namespace quantlab::engine {

// One layer of an encoder, with the LayerNorm after each residual sum. Borrowed.
struct BlockLayers {
  const Linear *query, *key, *value, *attention_output;
  const LayerNorm* attention_norm;
  const Linear *ffn_in, *ffn_out;
  const LayerNorm* ffn_norm;
};

// Ownership: borrows the layers, which must be on the CPU, have FP32 LayerNorms and outlive it. The memory
//            between steps belongs to the calling threads, which keep the largest that they needed.
// Threads:   Run is safe to call from several threads.
// Errors:    LibTorch's exceptions pass through.
class EncoderPlan {
 public:
  // Whether models use plans on this thread: true outside of a LayerByLayerScope.
  static bool IsEnabled();

  EncoderPlan(std::vector<BlockLayers> blocks, int64_t heads, Activation activation)
      : blocks_(std::move(blocks)), heads_(heads), activation_(activation) {}

  // x: [tokens, hidden] float, contiguous, on the CPU: the sequences of `groups` one after the other. Returns
  // [texts, hidden]: the first token of each. Without gradients only.
  // With `first` it starts at that block, whose input x is. With `inputs`, copies of the inputs of each block
  // that it computes are appended to it.
  at::Tensor Run(const at::Tensor& x, absl::Span<const SequenceGroup> groups, size_t first = 0,
                 std::vector<at::Tensor>* inputs = nullptr) const;

 private:
  const std::vector<BlockLayers> blocks_;
  const int64_t heads_;
  const Activation activation_;
};

// Models called by this thread compute layer by layer, the reference, until the end of the scope.
class LayerByLayerScope {
 public:
  LayerByLayerScope();
  ~LayerByLayerScope();
  LayerByLayerScope(const LayerByLayerScope&) = delete;
  LayerByLayerScope& operator=(const LayerByLayerScope&) = delete;

 private:
  const bool before_;
};

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_PLAN_ENCODER_PLAN_H_
