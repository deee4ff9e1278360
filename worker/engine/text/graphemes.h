// Grapheme clusters as the Precompiled normalizer of Hugging Face `tokenizers` sees them.
#ifndef QUANTLAB_WORKER_ENGINE_TEXT_GRAPHEMES_H_
#define QUANTLAB_WORKER_ENGINE_TEXT_GRAPHEMES_H_

#include <cstddef>
#include <string_view>

namespace quantlab::engine {

// Length in bytes of the cluster at the start of `text` (valid UTF-8, not empty).
// Source: Unicode Standard Annex #29, without GB12 and GB13: a flag is cut into its two code points, which
// makes no difference here, as the normalizer looks up clusters of 6 bytes or more code point by code point.
size_t GraphemeLength(std::string_view text);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TEXT_GRAPHEMES_H_
