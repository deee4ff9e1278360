#include "worker/engine/text/vocab_trie.h"

#include <map>
#include <random>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab::engine {
namespace {

using namespace std::string_literals;

TEST(VocabTrie, FindsTheLongestKeyThatStartsTheText) {
  const VocabTrie trie({{"un", 1}, {"unwanted", 2}, {"unw", 3}, {"b", 4}});
  EXPECT_EQ(trie.Longest("unwanted!").id, 2);
  EXPECT_EQ(trie.Longest("unwante").id, 3);
  EXPECT_EQ(trie.Longest("unx").length, 2u);
  EXPECT_EQ(trie.Longest("x").id, -1);
  EXPECT_EQ(trie.Longest("").id, -1);
}

TEST(VocabTrie, GoesOnFromTheNodeOfAPrefix) {
  const VocabTrie trie({{"##ing", 7}, {"##s", 8}, {"#", 9}});
  EXPECT_EQ(trie.Longest("ing", trie.Walk("##")).id, 7);
  EXPECT_EQ(trie.Longest("x", trie.Walk("##")).id, -1);
  EXPECT_EQ(trie.Walk("##x"), -1);
  EXPECT_EQ(trie.Longest("ing", -1).id, -1);
}

TEST(VocabTrie, LastOfEqualKeysCountsAndEmptyKeysAreIgnored) {
  const VocabTrie trie({{"a", 1}, {"", 5}, {"a", 2}});
  EXPECT_EQ(trie.Longest("a").id, 2);
}

TEST(VocabTrie, AnEmptyTrieMatchesNothing) {
  const VocabTrie trie({});
  EXPECT_EQ(trie.Longest("\0a"s).id, -1);
}

// Against std::map, over an alphabet with the bytes at both ends.
TEST(VocabTrie, AgreesWithAMapOnRandomKeys) {
  std::mt19937_64 random(1);
  const std::string alphabet =
      "\0\x01"
      "ab\x7F\x80\xFE\xFF"s;
  const auto word = [&] {
    std::string text;
    for (size_t n = random() % 7; n > 0; --n) text.push_back(alphabet[random() % alphabet.size()]);
    return text;
  };
  for (int round = 0; round < 20; ++round) {
    std::map<std::string, int32_t> keys;
    std::vector<std::pair<std::string, int32_t>> entries;
    for (int32_t i = 0; i < 500; ++i) {
      entries.emplace_back(word(), i);
      keys[entries.back().first] = i;
    }
    const VocabTrie trie(entries);
    for (int i = 0; i < 1000; ++i) {
      const std::string text = word();
      VocabTrie::Match expected;
      for (size_t n = 1; n <= text.size(); ++n) {
        const auto it = keys.find(text.substr(0, n));
        if (it != keys.end()) expected = {it->second, n};
      }
      const VocabTrie::Match match = trie.Longest(text);
      ASSERT_EQ(match.id, expected.id) << testing::PrintToString(text);
      ASSERT_EQ(match.length, expected.length);
    }
  }
}

}  // namespace
}  // namespace quantlab::engine
