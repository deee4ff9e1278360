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
#include "worker/engine/text/truncation.h"
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

// A part of two texts in one sequence: a special token, or all tokens of one of the texts.
struct PairPart {
  enum class Kind { kToken, kFirst, kSecond };
  Kind kind = Kind::kToken;
  int32_t id = -1;   // of kToken
  int32_t type = 0;  // the token type of what it stands for
};

// The ids around those of a text, and how two texts are put together; `pair` is empty where no file says it.
struct Frame {
  std::vector<int32_t> before, after;
  std::vector<PairPart> pair;
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
  std::vector<PairPart> pair;    // without a frame: how the files put two texts together; empty: not stated
  int64_t model_max_length = 0;  // 0: not stated
  TruncationSide truncation_side = TruncationSide::kRight;

  WordPieceSpec word_piece;   // of kWordPiece
  TextPipelineSpec pipeline;  // of the other kinds
  BytePairSpec byte_pair;     // of kBytePair
  UnigramSpec unigram;        // of kUnigram
};

// [CLS] A [SEP] B [SEP], where B and what follows it are of type 1. Source: Devlin 2018, section 3.2.
std::vector<PairPart> BertPair(int32_t cls, int32_t sep);
// <s> A </s></s> B </s>, all of type 0. Source: RobertaProcessing of Hugging Face `tokenizers`.
std::vector<PairPart> RobertaPair(int32_t cls, int32_t sep);

// Reads `folder` as Tokenizer::Load documents.
absl::StatusOr<TokenizerSpec> ReadTokenizerSpec(const std::string& folder);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TEXT_TOKENIZER_SPEC_H_
