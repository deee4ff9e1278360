// Multi-head attention over packed sequences.
#ifndef QUANTLAB_WORKER_ENGINE_LAYERS_ATTENTION_H_
#define QUANTLAB_WORKER_ENGINE_LAYERS_ATTENTION_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "absl/types/span.h"

namespace quantlab::engine {

// Adjacent sequences of equal length in a packed tensor.
struct SequenceGroup {
  int64_t texts = 0;
  int64_t length = 0;  // tokens of each
};

struct AttentionOptions {
  int64_t heads = 1;
  bool training = false;
  double dropout = 0;  // of the attention weights; without effect unless training
  // The queries are the first tokens of the sequences only: one row for each.
  bool first_only = false;
  // [sequences + 1] int32 on the device of the tensors: the first token of each sequence, then the number of
  // tokens. With it sequences of different lengths share a call on a GPU in half precision. May be undefined.
  at::Tensor offsets;
};

// Bidirectional scaled dot-product attention (Vaswani 2017, eq. 1) within each sequence.
// k, v: [tokens, width], the sequences of `groups` one after the other; q: the same, or [sequences, width]
// with first_only. Returns q's shape. `heads` divides the width. Sequences of equal length share a call, so
// no mask is needed and no padding is computed. Without training on a CPU a sequence's result does not depend
// on its neighbours, bit for bit. Threads: safe. Errors: LibTorch's exceptions pass through.
at::Tensor Attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     absl::Span<const SequenceGroup> groups, const AttentionOptions& options);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_LAYERS_ATTENTION_H_
