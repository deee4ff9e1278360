#include "base/records/ids.h"

#include <map>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab {
namespace {

using ::testing::MatchesRegex;

// Bytes 0, 1, 2, … and again from 0 after 255.
RandomBytes Counting() {
  return [next = static_cast<unsigned char>(0)](unsigned char* data, size_t size) mutable {
    for (size_t i = 0; i < size; ++i) data[i] = next++;
  };
}

TEST(IdsTest, RandomIdHasTheAskedLengthAndAlphabet) {
  for (const int length : {0, 1, 6, 16, 40}) {
    const std::string id = RandomId(length);
    EXPECT_EQ(id.size(), static_cast<size_t>(length));
    EXPECT_THAT(id, MatchesRegex("[a-z0-9]*"));
  }
}

TEST(IdsTest, EveryCharacterIsEquallyLikely) {
  const RandomBytes counting = Counting();
  // Each round of 256 bytes has 252 that count: seven of each character.
  std::map<char, int> counts;
  for (const char c : RandomId(252 * 4, counting)) ++counts[c];
  ASSERT_EQ(counts.size(), 36u);
  for (const auto& [character, count] : counts) EXPECT_EQ(count, 28) << character;
}

TEST(IdsTest, SystemIdsDiffer) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(seen.insert(RandomId(12)).second);
}

TEST(IdsTest, SlugKeepsWhatAnIdMayHold) {
  EXPECT_EQ(Slug("quick"), "quick");
  EXPECT_EQ(Slug("My  Big_Experiment!"), "my-big-experiment");
  EXPECT_EQ(Slug("../../etc/passwd"), "etc-passwd");
  EXPECT_EQ(Slug("课程设计"), "experiment");
  EXPECT_EQ(Slug(""), "experiment");
  EXPECT_EQ(Slug("--"), "experiment");
  EXPECT_EQ(Slug(std::string(100, 'a')).size(), 40u);
  EXPECT_EQ(Slug(std::string(39, 'a') + " b"), std::string(39, 'a'));
}

TEST(IdsTest, ExperimentIdIsSlugAndSixCharacters) {
  EXPECT_EQ(NewExperimentId("Quick look", Counting()), "quick-look-abcdef");
  EXPECT_THAT(NewExperimentId("quick"), MatchesRegex("quick-[a-z0-9]{6}"));
}

}  // namespace
}  // namespace quantlab
