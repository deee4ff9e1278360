// Byte-pair encoding: the pieces of a word are merged in the order in which the merges were learned.
// Source: Sennrich, Haddow, Birch 2016; models/bpe of Hugging Face `tokenizers`.
#ifndef QUANTLAB_WORKER_ENGINE_TEXT_BYTE_PAIR_H_
#define QUANTLAB_WORKER_ENGINE_TEXT_BYTE_PAIR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/engine/text/text_pipeline.h"

namespace quantlab::engine {

struct BytePairSpec {
  std::vector<std::pair<std::string, std::string>> merges;  // first to last
  std::string continuing_prefix;                            // before each character but the first
  std::string end_suffix;                                   // behind the last one
  int32_t unk_id = -1;                                      // -1: what is not in the vocabulary is left out
  bool fuse_unk = false;                                    // neighbouring unknown characters are one
  bool byte_fallback = false;  // unknown characters become the tokens <0x00> to <0xFF> of their bytes
  bool ignore_merges = false;  // a word that is a token is not cut
};

// Errors: INVALID_ARGUMENT a merge of tokens that are not in the vocabulary (the message names no file).
absl::StatusOr<std::unique_ptr<const WordMatcher>> MakeBytePair(
    const BytePairSpec& spec, const std::vector<std::pair<std::string, int32_t>>& vocabulary);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TEXT_BYTE_PAIR_H_
