#include "worker/engine/layers/attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/split_with_sizes.h>

namespace quantlab::engine {
namespace {

// LibTorch's attention on the CPU gives each thread a part of one scratch buffer, and sums in another order
// in a part that does not begin at a multiple of 64 bytes: then a text's result depends, in the last bit, on
// which thread has it, and so on its batch. A part's length is a multiple of the queries, at most 32; with a
// multiple of 16 all are aligned.
int64_t QueriesToAdd(int64_t queries) {
  return queries < 32 ? (16 - queries % 16) % 16 : 0;
}

// x: [texts * length, width]; returns [texts, heads, length + added, width / heads], the added rows zero.
at::Tensor SplitHeads(const at::Tensor& x, int64_t texts, int64_t heads, int64_t added = 0) {
  const at::Tensor rows = x.view({texts, -1, heads, x.size(1) / heads});
  return (added == 0 ? rows : at::constant_pad_nd(rows, {0, 0, 0, 0, 0, added})).transpose(1, 2);
}

// FlashAttention (Dao 2022) takes half precision and heads of at most 256 features in multiples of 8.
bool TakesVariableLengths(const at::Tensor& q, const AttentionOptions& options, size_t groups) {
  const int64_t head = q.size(1) / options.heads;
  const bool half = q.scalar_type() == at::kHalf || q.scalar_type() == at::kBFloat16;
  return groups > 1 && options.offsets.defined() && q.is_cuda() && half && head % 8 == 0 && head <= 256 &&
         !options.training && !at::GradMode::is_enabled();
}

at::Tensor AttentionOfVariableLengths(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                      int64_t longest, const AttentionOptions& options) {
  const auto heads = [&](const at::Tensor& x) {  // [rows, heads, head size]
    return x.view({x.size(0), options.heads, x.size(1) / options.heads});
  };
  const at::Tensor q_offsets =
      options.first_only ? at::arange(q.size(0) + 1, options.offsets.options()) : options.offsets;
  return std::get<0>(at::_flash_attention_forward(heads(q), heads(k), heads(v), q_offsets, options.offsets,
                                                  options.first_only ? 1 : longest, longest,
                                                  /*dropout_p=*/0.0, /*is_causal=*/false,
                                                  /*return_debug_mask=*/false))
      .reshape(q.sizes());
}

// Probabilities that one call may keep for the backward pass: 64 MiB in BF16.
constexpr int64_t kMaxKeptProbabilities = int64_t{32} << 20;

// LibTorch's gradient of BF16 attention on the CPU makes a product for each head and 32 queries, and takes
// four times as long as three batched products at 128 tokens.
bool TakesBatchedProducts(const at::Tensor& q, const AttentionOptions& options, int64_t texts,
                          int64_t queries, int64_t keys) {
  return q.is_cpu() && q.scalar_type() == at::kBFloat16 && at::GradMode::is_enabled() &&
         texts * options.heads * queries * keys <= kMaxKeptProbabilities;
}

// q, k, v: [texts, heads, length, head size]; returns what at::scaled_dot_product_attention does.
at::Tensor AttentionByBatchedProducts(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                      double dropout) {
  // Autocast would convert the probabilities to FP32 and back.
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const auto flat = [](const at::Tensor& x) { return x.flatten(0, 1); };
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(3)));
  at::Tensor p = at::softmax(at::bmm(flat(q.mul(scale)), flat(k).transpose(1, 2)), -1);
  if (dropout > 0) p = at::dropout(p, dropout, /*train=*/true);
  return at::bmm(p, flat(v)).view(q.sizes());
}

}  // namespace

at::Tensor Attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     absl::Span<const SequenceGroup> groups, const AttentionOptions& options) {
  if (TakesVariableLengths(q, options, groups.size())) {
    const auto longest = std::max_element(groups.begin(), groups.end(),
                                          [](const auto& a, const auto& b) { return a.length < b.length; });
    return AttentionOfVariableLengths(q, k, v, longest->length, options);
  }
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
    const at::Tensor q_heads = SplitHeads(qs[i], texts, options.heads, added);
    const at::Tensor k_heads = SplitHeads(ks[i], texts, options.heads);
    const at::Tensor v_heads = SplitHeads(vs[i], texts, options.heads);
    const at::Tensor context = TakesBatchedProducts(q, options, texts, queries, groups[i].length)
                                   ? AttentionByBatchedProducts(q_heads, k_heads, v_heads, dropout)
                                   : at::scaled_dot_product_attention(q_heads, k_heads, v_heads, {}, dropout);
    contexts.push_back(context.slice(2, 0, queries).transpose(1, 2).reshape({q_sizes[i], q.size(1)}));
  }
  return contexts.size() == 1 ? contexts.front() : at::cat(contexts);
}

}  // namespace quantlab::engine
