#include "worker/engine/text/byte_pair.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <tuple>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "base/text/utf8.h"

namespace quantlab::engine {
namespace {

struct Merge {
  int32_t rank = 0;
  int32_t id = 0;  // of the merged token
};

uint64_t PairKey(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

using MergeTable = absl::flat_hash_map<uint64_t, Merge>;

// The pieces of one word: a linked list in which merged pieces keep the place of the left one.
class Pieces {
 public:
  Pieces(std::vector<int32_t> ids, const MergeTable& merges) : merges_(merges) {
    const int count = static_cast<int>(ids.size());
    for (int i = 0; i < count; ++i) pieces_.push_back({ids[static_cast<size_t>(i)], i - 1, i + 1});
    for (int i = 0; i + 1 < count; ++i) Offer(i);
    while (!open_.empty()) MergeBest();
  }

  void AppendTo(std::vector<int32_t>* ids) const {
    const int count = static_cast<int>(pieces_.size());
    for (int i = 0; i < count; i = At(i).next) ids->push_back(At(i).id);
  }

 private:
  struct Piece {
    int32_t id;  // -1: merged into its neighbour
    int previous, next;
  };
  // Rank, place and merged id: the lowest rank goes first, then the leftmost.
  using Candidate = std::tuple<int32_t, int, int32_t>;

  Piece& At(int i) { return pieces_[static_cast<size_t>(i)]; }
  const Piece& At(int i) const { return pieces_[static_cast<size_t>(i)]; }
  bool IsPlace(int i) const { return i >= 0 && i < static_cast<int>(pieces_.size()); }

  const Merge* Find(int left) const {
    const Piece& piece = At(left);
    if (piece.id < 0 || !IsPlace(piece.next)) return nullptr;
    const auto it = merges_.find(PairKey(piece.id, At(piece.next).id));
    return it == merges_.end() ? nullptr : &it->second;
  }

  void Offer(int left) {
    if (!IsPlace(left)) return;
    if (const Merge* merge = Find(left)) open_.push({merge->rank, left, merge->id});
  }

  void MergeBest() {
    const auto [rank, left, id] = open_.top();
    open_.pop();
    const Merge* merge = Find(left);
    if (merge == nullptr || merge->id != id) return;  // its pieces have changed since
    Piece& piece = At(left);
    const int gone = piece.next;
    piece.id = id;
    piece.next = At(gone).next;
    At(gone).id = -1;
    if (IsPlace(piece.next)) At(piece.next).previous = left;
    Offer(piece.previous);
    Offer(left);
  }

  const MergeTable& merges_;
  std::vector<Piece> pieces_;
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> open_;
};

class BytePair : public WordMatcher {
 public:
  explicit BytePair(BytePairSpec spec) : spec_(std::move(spec)) {}

  absl::Status Build(const std::vector<std::pair<std::string, int32_t>>& vocabulary) {
    for (const auto& [token, id] : vocabulary) ids_[token] = id;
    for (size_t rank = 0; rank < spec_.merges.size(); ++rank) {
      const auto& [left, right] = spec_.merges[rank];
      const size_t skipped = std::min(spec_.continuing_prefix.size(), right.size());
      QL_ASSIGN_OR_RETURN(const int32_t left_id, Require(left));
      QL_ASSIGN_OR_RETURN(const int32_t right_id, Require(right));
      QL_ASSIGN_OR_RETURN(const int32_t id, Require(left + right.substr(skipped)));
      merges_[PairKey(left_id, right_id)] = {static_cast<int32_t>(rank), id};
    }
    spec_.merges.clear();
    for (int byte = 0; spec_.byte_fallback && byte < 256; ++byte) {
      bytes_.push_back(Find(absl::StrFormat("<0x%02X>", byte)));
    }
    return absl::OkStatus();
  }

  void Match(std::string_view word, std::vector<int32_t>* ids) const override {
    if (spec_.ignore_merges) {
      if (const int32_t id = Find(word); id >= 0) return ids->push_back(id);
    }
    Pieces(Characters(word), merges_).AppendTo(ids);
  }

 private:
  // -1: none.
  int32_t Find(std::string_view token) const {
    const auto it = ids_.find(absl::string_view(token.data(), token.size()));
    return it == ids_.end() ? -1 : it->second;
  }
  absl::StatusOr<int32_t> Require(const std::string& token) const {
    const int32_t id = Find(token);
    if (id >= 0) return id;
    return absl::InvalidArgumentError(
        absl::StrCat("a merge needs the token \"", token, "\", which is not in the vocabulary"));
  }

  int32_t IdOf(std::string_view character, bool first, bool last) const {
    if (spec_.continuing_prefix.empty() && spec_.end_suffix.empty()) return Find(character);
    std::string token = first ? "" : spec_.continuing_prefix;
    token += character;
    if (last) token += spec_.end_suffix;
    return Find(token);
  }

  // The ids of a word's characters, before anything is merged.
  std::vector<int32_t> Characters(std::string_view word) const {
    std::vector<int32_t> ids;
    bool after_unknown = false;
    for (size_t i = 0; i < word.size();) {
      const std::string_view character =
          word.substr(i, static_cast<size_t>(DecodeUtf8(word.substr(i)).length));
      const bool first = i == 0;
      i += character.size();
      const int32_t id = IdOf(character, first, i == word.size());
      if (id >= 0) {
        ids.push_back(id);
      } else if (AppendBytes(character, &ids)) {
        continue;
      } else if (spec_.unk_id >= 0 && !(after_unknown && spec_.fuse_unk)) {
        ids.push_back(spec_.unk_id);
      }
      after_unknown = id < 0;
    }
    return ids;
  }

  bool AppendBytes(std::string_view character, std::vector<int32_t>* ids) const {
    if (!spec_.byte_fallback) return false;
    for (const char c : character) {
      if (bytes_[static_cast<uint8_t>(c)] < 0) return false;
    }
    for (const char c : character) ids->push_back(bytes_[static_cast<uint8_t>(c)]);
    return true;
  }

  BytePairSpec spec_;
  absl::flat_hash_map<std::string, int32_t> ids_;
  MergeTable merges_;
  std::vector<int32_t> bytes_;  // by byte, the id of its token or -1; empty without byte_fallback
};

}  // namespace

absl::StatusOr<std::unique_ptr<const WordMatcher>> MakeBytePair(
    const BytePairSpec& spec, const std::vector<std::pair<std::string, int32_t>>& vocabulary) {
  auto model = std::make_unique<BytePair>(spec);
  QL_RETURN_IF_ERROR(model->Build(vocabulary));
  return std::unique_ptr<const WordMatcher>(std::move(model));
}

}  // namespace quantlab::engine
