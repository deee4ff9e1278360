#include "worker/engine/models/encode_text.h"

#include <algorithm>
#include <utility>

#include "worker/engine/families/families.h"

namespace quantlab::engine {

TokenizedText EncodeText(const Tokenizer& tokenizer, const EncoderConfig& config, std::string_view first,
                         std::optional<std::string_view> second, int max_length) {
  if (!second) return {tokenizer.Encode(first, max_length), {}};
  TokenizedPair pair = tokenizer.EncodePair(first, *second, max_length);
  const bool typed = HasTokenTypes(config) &&
                     std::any_of(pair.types.begin(), pair.types.end(), [](int32_t t) { return t != 0; });
  if (!typed) pair.types.clear();
  return {std::move(pair.ids), std::move(pair.types)};
}

}  // namespace quantlab::engine
