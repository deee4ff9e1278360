#include "worker/engine/text/word_piece.h"

#include "worker/engine/text/vocab_trie.h"

namespace quantlab::engine {
namespace {

// Collects the normalized text itself.
class TextSink {
 public:
  void Letter(std::string_view utf8) { text.append(utf8); }
  void Punctuation(std::string_view utf8) { text.append(utf8); }
  void Space(std::string_view utf8) { text.append(utf8); }
  bool Full() const { return false; }

  std::string text;
};

// Matches words against the vocabulary as they are completed, and collects the ids.
class WordPieceSink {
 public:
  // A word longer than max_characters code points is unknown.
  WordPieceSink(const VocabTrie& trie, int32_t continuation, int32_t unk_id, int64_t max_characters,
                size_t limit, std::vector<int32_t>* ids)
      : trie_(trie),
        continuation_(continuation),
        unk_id_(unk_id),
        max_characters_(max_characters),
        limit_(limit),
        ids_(*ids) {}

  void Letter(std::string_view utf8) {
    if (++characters_ <= max_characters_) word_.append(utf8);
  }
  void Punctuation(std::string_view utf8) {
    EndWord();
    Letter(utf8);
    EndWord();
  }
  void Space(std::string_view) { EndWord(); }
  bool Full() const { return ids_.size() >= limit_; }

  void EndWord() {
    if (characters_ == 0) return;
    if (characters_ > max_characters_ || !MatchWord()) ids_.push_back(unk_id_);
    characters_ = 0;
    word_.clear();
  }

 private:
  // Greedy, longest piece first; false, and nothing collected, when a rest matches nothing.
  bool MatchWord() {
    const size_t before = ids_.size();
    std::string_view rest = word_;
    int32_t node = VocabTrie::kRoot;
    while (!rest.empty()) {
      const VocabTrie::Match match = trie_.Longest(rest, node);
      if (match.id < 0) {
        ids_.resize(before);
        return false;
      }
      ids_.push_back(match.id);
      rest.remove_prefix(match.length);
      node = continuation_;
    }
    return true;
  }

  const VocabTrie& trie_;
  const int32_t continuation_, unk_id_;
  const int64_t max_characters_;
  const size_t limit_;
  std::vector<int32_t>& ids_;
  std::string word_;
  int64_t characters_ = 0;
};

NormalizerOptions NoNormalization() {
  return {false, false, false, false};
}

class WordPiece : public TextModel {
 public:
  WordPiece(const WordPieceSpec& spec, const std::vector<std::pair<std::string, int32_t>>& vocabulary,
            int32_t unk_id)
      : trie_(vocabulary),
        continuation_(trie_.Walk(spec.continuation_prefix)),
        unk_id_(unk_id),
        max_characters_(spec.max_word_characters),
        normalizer_(spec.normalizer),
        cutter_(NoNormalization()) {}

  std::string Normalize(std::string_view text) const override {
    TextSink sink;
    normalizer_.Run(text, sink);
    return std::move(sink.text);
  }

  void Match(std::string_view normalized, bool, size_t limit, std::vector<int32_t>* ids) const override {
    Cut(cutter_, normalized, limit, ids);
  }

  void Run(std::string_view text, bool, size_t limit, std::vector<int32_t>* ids) const override {
    Cut(normalizer_, text, limit, ids);
  }

 private:
  void Cut(const Normalizer& normalizer, std::string_view text, size_t limit,
           std::vector<int32_t>* ids) const {
    WordPieceSink sink(trie_, continuation_, unk_id_, max_characters_, limit, ids);
    normalizer.Run(text, sink);
    sink.EndWord();
  }

  const VocabTrie trie_;
  const int32_t continuation_;  // node of the trie behind "##"
  const int32_t unk_id_;
  const int64_t max_characters_;
  const Normalizer normalizer_;
  const Normalizer cutter_;  // only cuts
};

}  // namespace

std::unique_ptr<const TextModel> MakeWordPiece(const WordPieceSpec& spec,
                                               const std::vector<std::pair<std::string, int32_t>>& vocabulary,
                                               int32_t unk_id) {
  return std::make_unique<WordPiece>(spec, vocabulary, unk_id);
}

}  // namespace quantlab::engine
