// A text, or a pair of texts, as the tokens that a model reads.
#ifndef QUANTLAB_WORKER_ENGINE_MODELS_ENCODE_TEXT_H_
#define QUANTLAB_WORKER_ENGINE_MODELS_ENCODE_TEXT_H_

#include <optional>
#include <string_view>

#include "worker/engine/families/encoder_config.h"
#include "worker/engine/models/packed_batch.h"
#include "worker/engine/text/tokenizer.h"

namespace quantlab::engine {

// At most max_length tokens, 0: no limit. `second` is the second text of a pair, for which
// tokenizer.encodes_pairs() must hold. A family without token types (DistilBERT) gets none.
TokenizedText EncodeText(const Tokenizer& tokenizer, const EncoderConfig& config, std::string_view first,
                         std::optional<std::string_view> second, int max_length);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MODELS_ENCODE_TEXT_H_
