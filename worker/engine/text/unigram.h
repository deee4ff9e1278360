// Unigram (SentencePiece): the most probable segmentation of a word, by Viterbi.
// Source: Kudo 2018 (Subword Regularization); models/unigram of Hugging Face `tokenizers`.
#ifndef QUANTLAB_WORKER_ENGINE_TEXT_UNIGRAM_H_
#define QUANTLAB_WORKER_ENGINE_TEXT_UNIGRAM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "worker/engine/text/text_pipeline.h"

namespace quantlab::engine {

struct UnigramSpec {
  std::vector<std::pair<std::string, double>> pieces;  // by id: text and log probability; not empty
  int32_t unk_id = 0;          // neighbouring unknown characters are one token of this id
  bool byte_fallback = false;  // unknown text becomes the tokens <0x00> to <0xFF> of its bytes
};

std::unique_ptr<const WordMatcher> MakeUnigram(UnigramSpec spec);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TEXT_UNIGRAM_H_
