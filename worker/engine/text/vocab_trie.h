// A set of byte strings with ids, matched longest first: a double-array trie.
#ifndef QUANTLAB_WORKER_ENGINE_TEXT_VOCAB_TRIE_H_
#define QUANTLAB_WORKER_ENGINE_TEXT_VOCAB_TRIE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quantlab::engine {

// Threads: immutable after construction.
class VocabTrie {
 public:
  struct Match {
    int32_t id = -1;    // -1: nothing matched
    size_t length = 0;  // bytes of the match
  };

  // Keys may come in any order; of equal keys the last one's id counts. Empty keys are ignored.
  explicit VocabTrie(std::vector<std::pair<std::string, int32_t>> entries);

  static constexpr int32_t kRoot = 0;
  // The node at which `prefix` ends; -1 when no key starts with it.
  int32_t Walk(std::string_view prefix) const;
  // The longest key that is what leads to `node` followed by a non-empty start of `text`.
  // node -1 matches nothing.
  Match Longest(std::string_view text, int32_t node = kRoot) const {
    Match match;
    if (node < 0) return match;
    for (size_t i = 0; i < text.size(); ++i) {
      node = Child(node, static_cast<uint8_t>(text[i]));
      if (node < 0) break;
      if (nodes_[static_cast<size_t>(node)].id >= 0) match = {nodes_[static_cast<size_t>(node)].id, i + 1};
    }
    return match;
  }

  // Calls visit(id, length) with every key that `text` starts with, the shortest first.
  template <typename Visit>
  void ForEachPrefix(std::string_view text, const Visit& visit) const {
    int32_t node = kRoot;
    for (size_t i = 0; i < text.size(); ++i) {
      node = Child(node, static_cast<uint8_t>(text[i]));
      if (node < 0) return;
      if (nodes_[static_cast<size_t>(node)].id >= 0) visit(nodes_[static_cast<size_t>(node)].id, i + 1);
    }
  }

 private:
  struct Node {
    int32_t base = 0;
    int32_t parent = -1;  // -1: the slot is free
    int32_t id = -1;
  };

  int32_t Child(int32_t node, uint8_t byte) const {
    const int32_t child = nodes_[static_cast<size_t>(node)].base + byte;
    return nodes_[static_cast<size_t>(child)].parent == node ? child : -1;
  }
  int32_t FindBase(const std::vector<uint8_t>& bytes);

  // Always 256 free slots longer than the last base, so that Child needs no bounds check.
  std::vector<Node> nodes_;
  int32_t first_free_ = 1;   // no slot before it is free
  int32_t first_roomy_ = 1;  // where nodes with several children are put
};

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TEXT_VOCAB_TRIE_H_
