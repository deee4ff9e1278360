// A batch of texts as a model computes it: the tokens of all texts in one row, without padding.
//
// Linear layers, LayerNorm and activations see [tokens, hidden]; only attention looks at texts, and texts
// of equal length share one call there. So no computation is spent on padding, and no text's result
// depends on how long its neighbours are.
#ifndef QUANTLAB_WORKER_ENGINE_MODELS_PACKED_BATCH_H_
#define QUANTLAB_WORKER_ENGINE_MODELS_PACKED_BATCH_H_

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "worker/engine/families/encoder_config.h"
#include "worker/engine/layers/attention.h"

namespace quantlab::engine {

// One tokenized text. token_types is empty (all 0) or as long as ids.
struct TokenizedText {
  std::vector<int32_t> ids;
  std::vector<int32_t> token_types;
};

struct PackedBatch {
  at::Tensor ids;          // [tokens] int64
  at::Tensor positions;    // [tokens] int64
  at::Tensor token_types;  // [tokens] int64
  at::Tensor first_token;  // [texts] int64: row of each text's first token, ascending
  at::Tensor place;        // [texts] int64: where the caller's i-th text is in that order
  std::vector<SequenceGroup> groups;

  int64_t texts() const { return first_token.size(0); }
  int64_t tokens() const { return ids.size(0); }
};

// Errors: INVALID_ARGUMENT for no texts, an empty text, one longer than the model's positions, an id or a
// token type out of range; the message names the text's index.
absl::StatusOr<PackedBatch> PackTexts(const EncoderConfig& config,
                                      absl::Span<const TokenizedText* const> texts);

// The same from padded tensors, as transformers takes them.
// input_ids: [texts, length] integer; attention_mask: the same shape, non-zero where there is a token, or
// undefined for all; token_types: the same shape, or undefined for all 0. The first token of each text
// must be a token (its output is the text's), so padding is on the right.
absl::StatusOr<PackedBatch> PackPadded(const EncoderConfig& config, const at::Tensor& input_ids,
                                       const at::Tensor& attention_mask, const at::Tensor& token_types);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MODELS_PACKED_BATCH_H_
