// WordPiece with BERT's normalization: control characters are removed and white space becomes a space, CJK
// ideographs are set apart by spaces, accents are stripped (NFD without Mn), letters are lower-cased, the
// text is cut at white space and around punctuation, and every word is matched greedily against the
// vocabulary. Source: BertNormalizer, BertPreTokenizer and WordPiece of Hugging Face `tokenizers`.
#ifndef QUANTLAB_WORKER_ENGINE_TEXT_WORD_PIECE_H_
#define QUANTLAB_WORKER_ENGINE_TEXT_WORD_PIECE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "worker/engine/text/normalizer.h"
#include "worker/engine/text/text_model.h"

namespace quantlab::engine {

struct WordPieceSpec {
  NormalizerOptions normalizer;
  std::string continuation_prefix = "##";
  int64_t max_word_characters = 100;  // longer words are unknown
};

// `vocabulary`: token and id. `unk_id` stands for a word that cannot be matched.
std::unique_ptr<const TextModel> MakeWordPiece(const WordPieceSpec& spec,
                                               const std::vector<std::pair<std::string, int32_t>>& vocabulary,
                                               int32_t unk_id);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TEXT_WORD_PIECE_H_
