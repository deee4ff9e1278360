// What the files of a model folder say about its tokenizer.
#ifndef QUANTLAB_WORKER_ENGINE_TEXT_TOKENIZER_SPEC_H_
#define QUANTLAB_WORKER_ENGINE_TEXT_TOKENIZER_SPEC_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/engine/text/normalizer.h"

namespace quantlab::engine {

// A token that is looked for in the text as it stands, before words are cut.
struct AddedToken {
  std::string content;
  int32_t id = -1;
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space after it
  bool normalized = false;   // looked for, normalized, in the normalized text
};

struct TokenizerSpec {
  std::vector<std::pair<std::string, int32_t>> vocabulary;
  std::vector<AddedToken> added_tokens;
  NormalizerOptions normalizer;
  std::string unk_token = "[UNK]", cls_token = "[CLS]", sep_token = "[SEP]", pad_token = "[PAD]",
              mask_token = "[MASK]";
  std::string continuation_prefix = "##";
  int64_t max_word_characters = 100;  // longer words are unknown
};

// Reads `folder` as Tokenizer::Load documents.
absl::StatusOr<TokenizerSpec> ReadTokenizerSpec(const std::string& folder);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TEXT_TOKENIZER_SPEC_H_
