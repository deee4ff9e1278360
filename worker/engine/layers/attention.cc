#include "worker/engine/layers/attention.h"

#include <vector>

#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/split_with_sizes.h>

namespace quantlab::engine {
namespace {

// LibTorch's attention on the CPU gives each thread a part of one scratch buffer, and sums in another order
// in a part that does not begin at a multiple of 64 bytes: then a text's result depends, in the last bit, on
// which thread has it, and so on its batch. Parts are as long as queries, at most 32, times something; with a
// multiple of 16 all are aligned.
int64_t QueriesToAdd(int64_t queries) {
  return queries < 32 ? (16 - queries % 16) % 16 : 0;
}

// x: [texts * length, width]; returns [texts, heads, length + added, width / heads], the added rows zero.
at::Tensor SplitHeads(const at::Tensor& x, int64_t texts, int64_t heads, int64_t added = 0) {
  const at::Tensor rows = x.view({texts, -1, heads, x.size(1) / heads});
  return (added == 0 ? rows : at::constant_pad_nd(rows, {0, 0, 0, 0, 0, added})).transpose(1, 2);
}

}  // namespace

at::Tensor Attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     absl::Span<const SequenceGroup> groups, const AttentionOptions& options) {
  const double dropout = options.training ? options.dropout : 0.0;
  std::vector<int64_t> q_sizes, sizes;
  for (const SequenceGroup& group : groups) {
    sizes.push_back(group.texts * group.length);
    q_sizes.push_back(options.first_only ? group.texts : sizes.back());
  }
  const std::vector<at::Tensor> qs = at::split_with_sizes(q, q_sizes);
  const std::vector<at::Tensor> ks = at::split_with_sizes(k, sizes);
  const std::vector<at::Tensor> vs = at::split_with_sizes(v, sizes);
  std::vector<at::Tensor> contexts;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const int64_t texts = groups[i].texts, queries = q_sizes[i] / texts;
    const int64_t added = options.training || !q.is_cpu() ? 0 : QueriesToAdd(queries);
    contexts.push_back(at::scaled_dot_product_attention(SplitHeads(qs[i], texts, options.heads, added),
                                                        SplitHeads(ks[i], texts, options.heads),
                                                        SplitHeads(vs[i], texts, options.heads), {}, dropout)
                           .slice(2, 0, queries)
                           .transpose(1, 2)
                           .reshape({q_sizes[i], q.size(1)}));
  }
  return contexts.size() == 1 ? contexts.front() : at::cat(contexts);
}

}  // namespace quantlab::engine
