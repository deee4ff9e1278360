// Finds the tokens that stand verbatim in a text, before it is cut into words.
#ifndef QUANTLAB_WORKER_ENGINE_TEXT_ADDED_TOKENS_H_
#define QUANTLAB_WORKER_ENGINE_TEXT_ADDED_TOKENS_H_

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "worker/engine/text/tokenizer_spec.h"
#include "worker/engine/text/vocab_trie.h"

namespace quantlab::engine {

// Threads: immutable after construction.
class AddedTokenMatcher {
 public:
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }

  // Calls on_text(std::string_view) and on_token(int32_t id) in the order of the text; both return whether
  // to go on. The leftmost, then longest token wins, and one that is refused for single_word is passed
  // over whole: both as in the tokenizers crate. `text` must be valid UTF-8.
  template <typename OnText, typename OnToken>
  void Split(std::string_view text, OnText on_text, OnToken on_token) const {
    size_t done = 0, position = 0;
    while (true) {
      const Found found = FindNext(text, position);
      if (found.token == nullptr) break;
      position = found.end;
      const Found taken = Widen(text, found, done);
      if (taken.token == nullptr) continue;
      if (done < taken.begin && !on_text(text.substr(done, taken.begin - done))) return;
      if (!on_token(taken.token->id)) return;
      done = taken.end;
    }
    if (done < text.size()) on_text(text.substr(done));
  }

 private:
  struct Found {
    const AddedToken* token = nullptr;  // nullptr: none
    size_t begin = 0, end = 0;
  };
  Found FindNext(std::string_view text, size_t position) const;
  // With the white space that the token takes, though none before `done`; none when a word touches it.
  Found Widen(std::string_view text, Found found, size_t done) const;

  std::vector<AddedToken> tokens_;
  VocabTrie trie_;  // content -> index into tokens_
  std::array<bool, 256> starts_{};
};

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TEXT_ADDED_TOKENS_H_
