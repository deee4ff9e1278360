// From text to token ids, equal to Hugging Face `tokenizers` id for id.
//
// Added tokens standing verbatim in the text are cut out first and never normalized; what stands between
// them goes through a TextModel: WordPiece (BERT), byte-level BPE (RoBERTa) or Unigram (XLM-R). Unicode data
// is frozen in unicode_tables.inc at what the crate uses, so ids do not change with the Unicode library of a
// distribution.
//
//   QL_ASSIGN_OR_RETURN(auto tokenizer, Tokenizer::Load(model_folder));
//   std::vector<int32_t> ids = tokenizer->Encode("a fine film", 256);  // [CLS] a fine film [SEP]
#ifndef QUANTLAB_WORKER_ENGINE_TEXT_TOKENIZER_H_
#define QUANTLAB_WORKER_ENGINE_TEXT_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/engine/text/truncation.h"

namespace quantlab::engine {

// Ids, and for each the token type: of which text the model takes it to be. As many of both.
struct TokenizedPair {
  std::vector<int32_t> ids, types;
};

// Threads: immutable after Load; one instance may be shared by any number of threads.
class Tokenizer {
 public:
  // Reads a model folder in the Hugging Face layout: `tokenizer.json` where there is one, else `vocab.txt`
  // (WordPiece), or `vocab.json` with `merges.txt` (byte-level BPE). `tokenizer_config.json` overrides them
  // as it does in transformers: do_lower_case, strip_accents, tokenize_chinese_chars, add_prefix_space, names
  // of the special tokens. The class is that of tokenizer_class there or in config.json, else the one that
  // belongs to config.json's model_type.
  // A text that is too long is cut on `side`; without it where tokenizer_config.json's truncation_side or
  // tokenizer.json says, else on the right.
  // Errors: NOT_FOUND no vocabulary in the folder; INVALID_ARGUMENT a file is malformed, the class or a step
  // of tokenizer.json is not supported (named, with those that are), files contradict each other, or a
  // special token is not in the vocabulary: the message names file and field.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string& model_folder,
                                                         std::optional<TruncationSide> side = {});

  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Tokens between the special ones of a classifier ([CLS] and [SEP], <s> and </s>), at most max_length ids:
  // what is too long loses its last tokens (the first where it is cut on the left), never a special one.
  // max_length 0: no limit; one below the number
  // of special tokens is taken as that number. Any bytes are accepted: invalid UTF-8 is read as Python's
  // bytes.decode("utf-8", errors="replace") reads it.
  std::vector<int32_t> Encode(std::string_view text, int max_length) const;

  // Two texts in one sequence, as the tokenizer's files put them together: "[CLS] A [SEP] B [SEP]" with types
  // 0 and 1 (BERT), "<s> A </s></s> B </s>" with types 0 (RoBERTa, XLM-R). At most max_length ids, 0: no
  // limit; the longer text loses its last tokens first, and both are cut to half of the space where both are
  // longer than that. Source: TruncationStrategy longest_first of Hugging Face `tokenizers`. Needs
  // encodes_pairs().
  TokenizedPair EncodePair(std::string_view first, std::string_view second, int max_length) const;
  // False: its files do not say how two texts are put together.
  bool encodes_pairs() const;
  // Special tokens of a pair, and the largest token type that EncodePair gives.
  int pair_specials() const;
  int32_t largest_pair_type() const;

  // One text without special tokens around; at most max_tokens ids, 0: no limit.
  std::vector<int32_t> Tokenize(std::string_view text, int64_t max_tokens = 0) const;

  // "WordPiece", "BPE" or "Unigram", as tokenizer.json names it.
  std::string kind() const;
  // -1: there is none. Without tokens that frame the text, a tokenizer is refused; WordPiece has all but
  // mask.
  int32_t pad_id() const;
  int32_t unk_id() const;  // what text becomes that the vocabulary lacks; byte-level BPE needs none
  int32_t cls_id() const;  // before a text
  int32_t sep_id() const;  // after it
  int32_t mask_id() const;
  // One more than the largest id: what the embedding table must at least hold.
  int32_t vocab_size() const;
  // The longest text in ids, as tokenizer_config.json says; 0: it says nothing.
  int64_t model_max_length() const;
  // Whether WordPiece lower-cases.
  bool lower_case() const;

  // The token of an id, e.g. "##ing"; empty for an id that is not in the vocabulary.
  std::string TokenText(int32_t id) const;

 private:
  std::vector<int32_t> TokenizeWithin(std::string_view text, int64_t max_tokens) const;

  struct Impl;
  explicit Tokenizer(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TEXT_TOKENIZER_H_
