#include "worker/engine/text/vocab_trie.h"

#include <algorithm>
#include <limits>

namespace quantlab::engine {
namespace {

constexpr int32_t kAlphabet = 256;

using Entry = std::pair<std::string, int32_t>;

// Sorted by key, the last of equal keys kept, empty keys gone.
void SortUnique(std::vector<Entry>* entries) {
  std::stable_sort(entries->begin(), entries->end(),
                   [](const Entry& a, const Entry& b) { return a.first < b.first; });
  std::vector<Entry> unique;
  for (Entry& entry : *entries) {
    if (entry.first.empty()) continue;
    if (!unique.empty() && unique.back().first == entry.first) unique.pop_back();
    unique.push_back(std::move(entry));
  }
  *entries = std::move(unique);
}

// Entries [begin, end) share their first `depth` bytes, which lead to `node`.
struct Span {
  size_t begin, end, depth;
  int32_t node;
};

}  // namespace

VocabTrie::VocabTrie(std::vector<Entry> entries) : nodes_(kAlphabet * 2) {
  SortUnique(&entries);
  nodes_[kRoot].parent = std::numeric_limits<int32_t>::max();  // taken, and nobody's child
  // Level by level: the wide nodes near the root are placed first, the narrow ones fill the holes.
  std::vector<Span> open = {{0, entries.size(), 0, kRoot}};
  for (size_t next = 0; next < open.size(); ++next) {
    Span span = open[next];
    if (span.begin < span.end && entries[span.begin].first.size() == span.depth) {
      nodes_[static_cast<size_t>(span.node)].id = entries[span.begin++].second;
    }
    std::vector<Span> children;
    std::vector<uint8_t> bytes;
    for (size_t i = span.begin; i < span.end; ++i) {
      const auto byte = static_cast<uint8_t>(entries[i].first[span.depth]);
      if (bytes.empty() || bytes.back() != byte) {
        bytes.push_back(byte);
        children.push_back({i, i, span.depth + 1, 0});
      }
      children.back().end = i + 1;
    }
    // A leaf's base leads to slots whose parent is another node, or free: nothing matches there.
    if (bytes.empty()) continue;
    const int32_t base = FindBase(bytes);
    nodes_[static_cast<size_t>(span.node)].base = base;
    for (size_t i = 0; i < bytes.size(); ++i) {
      children[i].node = base + bytes[i];
      nodes_[static_cast<size_t>(children[i].node)].parent = span.node;
      open.push_back(children[i]);
    }
  }
}

// A base at which every byte of a node's children falls on a free slot. Single children fill every hole;
// for more, a region in which the search has become long is left behind.
int32_t VocabTrie::FindBase(const std::vector<uint8_t>& bytes) {
  constexpr int32_t kLongSearch = 64;
  int32_t& first = bytes.size() == 1 ? first_free_ : first_roomy_;
  while (nodes_[static_cast<size_t>(first)].parent >= 0) ++first;
  const int32_t start = std::max(0, first - bytes[0]);
  for (int32_t base = start;; ++base) {
    if (static_cast<size_t>(base) + 2 * kAlphabet > nodes_.size()) nodes_.resize(nodes_.size() * 2);
    const bool fits = std::all_of(bytes.begin(), bytes.end(), [&](uint8_t byte) {
      return nodes_[static_cast<size_t>(base) + byte].parent < 0;
    });
    if (!fits) continue;
    if (base - start > kLongSearch) first = std::max(first, base);
    return base;
  }
}

int32_t VocabTrie::Walk(std::string_view prefix) const {
  int32_t node = kRoot;
  for (size_t i = 0; i < prefix.size() && node >= 0; ++i) node = Child(node, static_cast<uint8_t>(prefix[i]));
  return node;
}

}  // namespace quantlab::engine
