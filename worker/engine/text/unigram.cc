#include "worker/engine/text/unigram.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_format.h"
#include "base/text/utf8.h"
#include "worker/engine/text/vocab_trie.h"

namespace quantlab::engine {
namespace {

// How much less probable than the rarest piece an unknown character is.
constexpr double kUnknownPenalty = 10.0;

VocabTrie TrieOf(const std::vector<std::pair<std::string, double>>& pieces) {
  std::vector<std::pair<std::string, int32_t>> entries;
  for (size_t i = 0; i < pieces.size(); ++i) {
    entries.emplace_back(pieces[i].first, static_cast<int32_t>(i));
  }
  return VocabTrie(std::move(entries));
}

class Unigram : public WordMatcher {
 public:
  explicit Unigram(UnigramSpec spec)
      : trie_(TrieOf(spec.pieces)), unk_id_(spec.unk_id), byte_fallback_(spec.byte_fallback) {
    double lowest = spec.pieces[0].second;
    for (size_t i = 0; i < spec.pieces.size(); ++i) {
      scores_.push_back(spec.pieces[i].second);
      ids_[std::move(spec.pieces[i].first)] = static_cast<int32_t>(i);
      lowest = std::min(lowest, scores_.back());
    }
    unknown_score_ = lowest - kUnknownPenalty;
    for (int byte = 0; byte_fallback_ && byte < 256; ++byte) {
      bytes_.push_back(Find(absl::StrFormat("<0x%02X>", byte)));
    }
  }

  void Match(std::string_view word, std::vector<int32_t>* ids) const override {
    const std::vector<Node> nodes = BestPaths(word);
    std::vector<std::string_view> pieces;  // last to first
    bool after_unknown = false;
    for (size_t end = word.size(); end > 0; end = nodes[end].begin) {
      const std::string_view piece = word.substr(nodes[end].begin, end - nodes[end].begin);
      const bool unknown = nodes[end].id == unk_id_;
      if (unknown && after_unknown) {
        pieces.back() = word.substr(nodes[end].begin, piece.size() + pieces.back().size());
      } else {
        pieces.push_back(piece);
      }
      after_unknown = unknown;
    }
    for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) Append(*piece, ids);
  }

 private:
  // The best segmentation that ends at one place.
  struct Node {
    double score = 0;
    int32_t id = -1;  // of its last piece; -1: nothing ends here
    size_t begin = 0;
  };

  // By end, in bytes. Every character boundary is reached, if need be by an unknown character.
  std::vector<Node> BestPaths(std::string_view word) const {
    std::vector<Node> nodes(word.size() + 1);
    for (size_t begin = 0; begin < word.size();) {
      const auto character = static_cast<size_t>(DecodeUtf8(word.substr(begin)).length);
      const double before = nodes[begin].score;
      const auto offer = [&](size_t length, int32_t id, double score) {
        Node& node = nodes[begin + length];
        if (node.id < 0 || before + score > node.score) node = {before + score, id, begin};
      };
      bool whole_character = false;
      trie_.ForEachPrefix(word.substr(begin), [&](int32_t id, size_t length) {
        offer(length, id, scores_[static_cast<size_t>(id)]);
        whole_character |= length == character;
      });
      if (!whole_character) offer(character, unk_id_, unknown_score_);
      begin += character;
    }
    return nodes;
  }

  int32_t Find(std::string_view piece) const {
    const auto it = ids_.find(absl::string_view(piece.data(), piece.size()));
    return it == ids_.end() ? -1 : it->second;
  }

  void Append(std::string_view piece, std::vector<int32_t>* ids) const {
    if (const int32_t id = Find(piece); id >= 0) return ids->push_back(id);
    const bool bytes = byte_fallback_ && std::all_of(piece.begin(), piece.end(), [this](char c) {
                         return bytes_[static_cast<uint8_t>(c)] >= 0;
                       });
    if (!bytes) return ids->push_back(unk_id_);
    for (const char c : piece) ids->push_back(bytes_[static_cast<uint8_t>(c)]);
  }

  const VocabTrie trie_;
  const int32_t unk_id_;
  const bool byte_fallback_;
  std::vector<double> scores_;  // by id
  absl::flat_hash_map<std::string, int32_t> ids_;
  double unknown_score_ = 0;
  std::vector<int32_t> bytes_;  // by byte, the id of its token or -1; empty without byte_fallback
};

}  // namespace

std::unique_ptr<const WordMatcher> MakeUnigram(UnigramSpec spec) {
  return std::make_unique<Unigram>(std::move(spec));
}

}  // namespace quantlab::engine
