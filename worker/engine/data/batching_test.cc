#include "worker/engine/data/batching.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/engine/data/random.h"

namespace quantlab::engine {
namespace {

using testing::ElementsAre;

std::vector<int> RandomLengths(size_t count) {
  SplitMix64 random(5);
  std::vector<int> lengths(count);
  for (int& length : lengths) length = static_cast<int>(2 + random.Below(255));
  return lengths;
}

// Every index once, and the padded length is the longest of the batch.
void ExpectPartition(const std::vector<Batch>& batches, const std::vector<int>& lengths) {
  std::multiset<int64_t> seen;
  for (const Batch& batch : batches) {
    ASSERT_FALSE(batch.indices.empty());
    int longest = 0;
    for (const int64_t i : batch.indices) {
      seen.insert(i);
      longest = std::max(longest, lengths[static_cast<size_t>(i)]);
    }
    EXPECT_EQ(batch.padded_length, longest);
  }
  ASSERT_EQ(seen.size(), lengths.size());
  EXPECT_EQ(std::set<int64_t>(seen.begin(), seen.end()).size(), lengths.size());
}

// Share of the padded tokens that are padding.
double Padding(const std::vector<Batch>& batches, const std::vector<int>& lengths) {
  int64_t padded = 0, used = 0;
  for (const Batch& batch : batches)
    padded += batch.padded_length * static_cast<int64_t>(batch.indices.size());
  for (const int length : lengths) used += length;
  return 1 - static_cast<double>(used) / static_cast<double>(padded);
}

TEST(EvaluationBatches, GoFromLongToShort) {
  const auto batches = EvaluationBatches({3, 9, 5, 9, 2}, 2);
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_THAT(batches[0].indices, ElementsAre(1, 3));
  EXPECT_EQ(batches[0].padded_length, 9);
  EXPECT_THAT(batches[1].indices, ElementsAre(2, 0));
  EXPECT_THAT(batches[2].indices, ElementsAre(4));
}

TEST(EvaluationBatches, HoldTheMemoryLimitButNeverLoseAText) {
  const std::vector<int> lengths = RandomLengths(1000);
  for (const int64_t limit : {1, 100, 256, 4096}) {
    const auto batches = EvaluationBatches(lengths, 64, limit);
    ExpectPartition(batches, lengths);
    for (const Batch& batch : batches) {
      const auto count = static_cast<int64_t>(batch.indices.size());
      EXPECT_LE(count, 64);
      EXPECT_TRUE(count == 1 || count * batch.padded_length <= limit);
    }
  }
}

TEST(EvaluationBatches, NothingGivesNothing) {
  EXPECT_TRUE(EvaluationBatches({}, 8).empty());
  EXPECT_EQ(EvaluationBatches({4, 4}, 0).size(), 2u);
}

TEST(TrainingBatches, HoldEveryTextOnceWithLittlePadding) {
  const std::vector<int> lengths = RandomLengths(5003);
  const auto batches = TrainingBatches(lengths, 32, 1, 0);
  ExpectPartition(batches, lengths);
  EXPECT_EQ(batches.size(), 157u);
  EXPECT_EQ(
      std::count_if(batches.begin(), batches.end(), [](const Batch& b) { return b.indices.size() != 32; }),
      1);
  EXPECT_LT(Padding(batches, lengths), 0.05);
}

TEST(TrainingBatches, AreFixedBySeedAndEpoch) {
  const std::vector<int> lengths = RandomLengths(300);
  const auto order = [&](uint64_t seed, int epoch) {
    std::vector<int64_t> all;
    for (const Batch& b : TrainingBatches(lengths, 8, seed, epoch))
      all.insert(all.end(), b.indices.begin(), b.indices.end());
    return all;
  };
  EXPECT_EQ(order(1, 0), order(1, 0));
  EXPECT_NE(order(1, 0), order(1, 1));
  EXPECT_NE(order(1, 0), order(2, 0));
}

// Fixed numbers: a change here makes every earlier training incomparable.
TEST(TrainingBatches, AreTheSameForever) {
  const auto batches = TrainingBatches({5, 1, 4, 2, 3}, 2, 42, 3);
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_THAT(batches[0].indices, ElementsAre(0, 2));
  EXPECT_THAT(batches[1].indices, ElementsAre(1));
  EXPECT_THAT(batches[2].indices, ElementsAre(4, 3));
}

TEST(TrainingBatches, MixLengthsOverTheEpoch) {
  const std::vector<int> lengths = RandomLengths(3200);
  const auto batches = TrainingBatches(lengths, 32, 9, 0);
  const bool sorted = std::is_sorted(batches.begin(), batches.end(), [](const Batch& a, const Batch& b) {
    return a.padded_length > b.padded_length;
  });
  EXPECT_FALSE(sorted);
  EXPECT_TRUE(TrainingBatches({}, 8, 1, 0).empty());
}

}  // namespace
}  // namespace quantlab::engine
