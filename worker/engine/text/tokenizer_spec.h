// What the files of a model folder say about its tokenizer.
#ifndef QUANTLAB_WORKER_ENGINE_TEXT_TOKENIZER_SPEC_H_
#define QUANTLAB_WORKER_ENGINE_TEXT_TOKENIZER_SPEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/engine/text/byte_pair.h"
#include "worker/engine/text/text_pipeline.h"
#include "worker/engine/text/unigram.h"
#include "worker/engine/text/word_piece.h"

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

// The ids around those of a text.
struct Frame {
  std::vector<int32_t> before, after;
};

enum class TokenizerKind { kWordPiece, kBytePair, kUnigram };
// "WordPiece", "BPE", "Unigram": model.type of tokenizer.json.
const char* TokenizerKindName(TokenizerKind kind);

struct TokenizerSpec {
  TokenizerKind kind = TokenizerKind::kWordPiece;
  std::vector<std::pair<std::string, int32_t>> vocabulary;
  std::vector<AddedToken> added_tokens;
  std::string unk_token = "[UNK]", cls_token = "[CLS]", sep_token = "[SEP]", pad_token = "[PAD]",
              mask_token = "[MASK]";
  std::optional<Frame> frame;    // none: cls_token and sep_token
  int64_t model_max_length = 0;  // 0: not stated

  WordPieceSpec word_piece;   // of kWordPiece
  TextPipelineSpec pipeline;  // of the other kinds
  BytePairSpec byte_pair;     // of kBytePair
  UnigramSpec unigram;        // of kUnigram
};

// Reads `folder` as Tokenizer::Load documents.
absl::StatusOr<TokenizerSpec> ReadTokenizerSpec(const std::string& folder);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TEXT_TOKENIZER_SPEC_H_
