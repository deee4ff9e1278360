// From text to token ids, equal to Hugging Face `tokenizers` id for id.
//
// The order of the steps is that of the `tokenizers` crate: special tokens standing verbatim in the text
// are cut out first and never normalized; then control characters are removed and white space becomes a
// space, CJK ideographs are set apart by spaces, accents are stripped (NFD without Mn), letters are
// lower-cased, the text is cut at white space and around punctuation, and every word is matched greedily
// against the vocabulary. Unicode data is frozen in unicode_tables.h at what the crate uses, so ids do
// not change with the Unicode library of a distribution.
//
//   QL_ASSIGN_OR_RETURN(auto tokenizer, Tokenizer::Load(model_folder));
//   std::vector<int32_t> ids = tokenizer->Encode("a fine film", 256);  // [CLS] a fine film [SEP]
#ifndef QUANTLAB_WORKER_ENGINE_TEXT_TOKENIZER_H_
#define QUANTLAB_WORKER_ENGINE_TEXT_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace quantlab::engine {

// Threads: immutable after Load; one instance may be shared by any number of threads.
class Tokenizer {
 public:
  // Reads a model folder in the Hugging Face layout: `tokenizer.json` where there is one, else
  // `vocab.txt`; `tokenizer_config.json` (do_lower_case, strip_accents, tokenize_chinese_chars, names of
  // the special tokens) overrides what they say, as it does in transformers.
  // Errors: NOT_FOUND no vocabulary in the folder; INVALID_ARGUMENT a file is malformed, is not a BERT
  // WordPiece tokenizer, or lacks [UNK], [CLS], [SEP] or [PAD]: the message names file and field.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string& model_folder);

  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // [CLS] tokens [SEP], at most max_length ids: what is too long loses its last tokens, never [SEP].
  // max_length 0: no limit; 1 is taken as 2. Any bytes are accepted: invalid UTF-8 is read as Python's
  // bytes.decode("utf-8", errors="replace") reads it.
  std::vector<int32_t> Encode(std::string_view text, int max_length) const;

  // The same without [CLS] and [SEP]; at most max_tokens ids, 0: no limit.
  std::vector<int32_t> Tokenize(std::string_view text, int64_t max_tokens = 0) const;

  int32_t pad_id() const;
  int32_t unk_id() const;
  int32_t cls_id() const;
  int32_t sep_id() const;
  int32_t mask_id() const;  // -1 when the vocabulary has none
  // One more than the largest id: what the embedding table must at least hold.
  int32_t vocab_size() const;
  bool lower_case() const;

  // The token of an id, e.g. "##ing"; empty for an id that is not in the vocabulary.
  std::string TokenText(int32_t id) const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TEXT_TOKENIZER_H_
