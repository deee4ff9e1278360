#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/engine/data/dataset.h"
#include "worker/engine/data/random.h"

namespace quantlab::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// `counts[c]` different texts of class c, ordered by class as public datasets often are.
ExamplePool Pool(const std::vector<int>& counts) {
  ExamplePool pool;
  for (size_t c = 0; c < counts.size(); ++c) {
    pool.labels.push_back(absl::StrCat("class ", c));
    for (int i = 0; i < counts[c]; ++i) {
      pool.rows.push_back(
          {absl::StrCat("text ", c, " ", i), static_cast<int>(c), static_cast<int64_t>(pool.rows.size())});
    }
  }
  return pool;
}

DatasetConfig Sizes(int64_t train, int64_t validation, int64_t test, uint64_t seed = 1) {
  DatasetConfig config;
  config.train_size = train;
  config.validation_size = validation;
  config.test_size = test;
  config.split_seed = seed;
  return config;
}

int64_t CountOf(const std::vector<Example>& examples, int label) {
  return std::count_if(examples.begin(), examples.end(),
                       [label](const Example& e) { return e.label == label; });
}

std::set<std::string> TextsOf(const std::vector<Example>& examples) {
  std::set<std::string> texts;
  for (const Example& e : examples) texts.insert(e.text);
  return texts;
}

std::string ErrorOf(ExamplePool pool, const DatasetConfig& config) {
  const auto data = MakeSplits(std::move(pool), config);
  EXPECT_FALSE(data.ok());
  return std::string(data.status().message());
}

// Fixed numbers: a change here makes every earlier result incomparable.
TEST(SplitMix64, GivesThePublishedSequence) {
  SplitMix64 random(1234567);
  EXPECT_EQ(random.Next(), 6457827717110365317u);
  EXPECT_EQ(random.Next(), 3203168211198807973u);
  EXPECT_EQ(random.Next(), 9817491932198370423u);
}

TEST(Splits, AreTheSameForever) {
  const auto data = MakeSplits(Pool({6, 6}), Sizes(4, 2, 4, 7));
  ASSERT_TRUE(data.ok()) << data.status();
  std::vector<int64_t> rows;
  for (const auto* split : {&data->test, &data->validation, &data->train}) {
    for (const Example& e : *split) rows.push_back(e.row);
  }
  EXPECT_EQ(rows, (std::vector<int64_t>{1, 5, 10, 11, 4, 7, 0, 2, 8, 9}));
  EXPECT_EQ(data->test_digest, "3a3b78e140248619c7f6e6956f727665fcd98825b77ec1e3abef8e51ee80d667");
}

TEST(Splits, AreDisjointStratifiedAndAsLargeAsAskedFor) {
  const auto data = MakeSplits(Pool({700, 200, 100}), Sizes(500, 100, 200));
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->train.size(), 500u);
  EXPECT_EQ(data->validation.size(), 100u);
  EXPECT_EQ(data->test.size(), 200u);
  EXPECT_EQ(data->summary.unused, 200);
  const std::set<std::string> train = TextsOf(data->train), validation = TextsOf(data->validation);
  for (const Example& e : data->test) EXPECT_FALSE(train.count(e.text) || validation.count(e.text));
  for (const Example& e : data->validation) EXPECT_FALSE(train.count(e.text));
  const double shares[] = {0.7, 0.2, 0.1};
  for (int c = 0; c < 3; ++c) {
    for (const auto* split : {&data->train, &data->validation, &data->test}) {
      EXPECT_NEAR(static_cast<double>(CountOf(*split, c)), shares[c] * static_cast<double>(split->size()),
                  1.01);
    }
  }
  EXPECT_TRUE(std::is_sorted(data->train.begin(), data->train.end(),
                             [](const Example& a, const Example& b) { return a.row < b.row; }));
}

TEST(Splits, DependOnTheSplitSeedAlone) {
  const auto a = MakeSplits(Pool({50, 50}), Sizes(40, 10, 20, 1)),
             same = MakeSplits(Pool({50, 50}), Sizes(40, 10, 20, 1)),
             other = MakeSplits(Pool({50, 50}), Sizes(40, 10, 20, 2));
  EXPECT_EQ(a->train_digest, same->train_digest);
  EXPECT_NE(a->train_digest, other->train_digest);
  EXPECT_NE(a->test_digest, other->test_digest);
}

TEST(Splits, TestStaysWhenTrainChangesItsSize) {
  const auto small = MakeSplits(Pool({50, 50}), Sizes(10, 10, 20)),
             large = MakeSplits(Pool({50, 50}), Sizes(0, 10, 20));
  EXPECT_EQ(small->test_digest, large->test_digest);
  EXPECT_EQ(small->validation_digest, large->validation_digest);
  EXPECT_EQ(large->train.size(), 70u);
}

TEST(Splits, ZeroMeansWhatIsLeft) {
  EXPECT_EQ(MakeSplits(Pool({50, 50}), Sizes(60, 0, 0))->test.size(), 40u);
  const auto none_given = MakeSplits(Pool({50, 50}), Sizes(0, 0, 0));
  EXPECT_EQ(none_given->test.size(), 20u);
  EXPECT_EQ(none_given->train.size(), 80u);
  EXPECT_TRUE(none_given->validation.empty());
  const auto only_test = MakeSplits(Pool({50, 50}), Sizes(-1, 0, 0));
  EXPECT_EQ(only_test->test.size(), 100u);
  EXPECT_TRUE(only_test->train.empty());
}

TEST(Splits, TooFewRowsAreAnError) {
  EXPECT_THAT(ErrorOf(Pool({5, 5}), Sizes(0, 0, 11)),
              HasSubstr("test split should have 11 rows, but only 10"));
  EXPECT_THAT(ErrorOf(Pool({5, 5}), Sizes(0, 4, 8)),
              HasSubstr("validation split should have 4 rows, but only 2"));
  EXPECT_THAT(ErrorOf(Pool({5, 5}), Sizes(8, 1, 2)), HasSubstr("train split should have 8 rows, but only 7"));
  EXPECT_THAT(ErrorOf(Pool({5, 5}), Sizes(0, 0, 10)),
              HasSubstr("no row is left for the train split of 10 rows"));
  EXPECT_THAT(ErrorOf(Pool({50, 1}), Sizes(4, 0, 4)),
              HasSubstr("class \"class 1\" has no row in the train split"));
  EXPECT_THAT(ErrorOf(Pool({5, 5}), Sizes(-2, 0, 0)), HasSubstr("a number of rows, not -2"));
  EXPECT_THAT(ErrorOf(ExamplePool(), Sizes(0, 0, 0)), HasSubstr("no row is left"));
}

TEST(Splits, LabelsOutOfRangeAreAnError) {
  ExamplePool pool = Pool({3, 3});
  pool.rows[1].label = 2;
  EXPECT_THAT(ErrorOf(std::move(pool), Sizes(0, 0, 2)),
              HasSubstr("row 1: label 2 is out of range of 2 classes"));
}

TEST(Duplicates, TheFirstOfOneLabelStaysAndConflictsGo) {
  ExamplePool pool;
  pool.labels = {"no", "yes"};
  pool.rows = {{"same", 0, 0}, {"same", 0, 1}, {"both", 0, 2}, {"both", 1, 3},
               {"Same", 1, 4}, {"x", 1, 5},    {"both", 0, 6}};
  const auto data = MakeSplits(std::move(pool), Sizes(0, 0, -1));
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->summary.duplicates_dropped, 1);
  EXPECT_EQ(data->summary.conflicts_dropped, 3);
  ASSERT_EQ(data->train.size(), 3u);
  EXPECT_EQ(data->train[0].row, 0);
}

TEST(OfficialSplits, AreKeptApartFromTraining) {
  ExamplePool pool = Pool({20, 20});
  pool.official_test = {{"text 0 0", 0, 100}, {"held out", 1, 101}};
  pool.official_validation = {{"held out", 1, 102}, {"text 1 1", 1, 103}, {"v", 0, 104}};
  const auto data = MakeSplits(std::move(pool), Sizes(0, 0, 0));
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(TextsOf(data->test), (std::set<std::string>{"text 0 0", "held out"}));
  EXPECT_EQ(TextsOf(data->validation), (std::set<std::string>{"text 1 1", "v"}));
  EXPECT_EQ(data->train.size(), 38u);
  EXPECT_EQ(data->summary.leaked_dropped, 3);
}

TEST(OfficialSplits, ASmallerTestIsAStratifiedPart) {
  ExamplePool pool = Pool({5, 5});
  for (int i = 0; i < 100; ++i) pool.official_test.push_back({absl::StrCat("t", i), i < 50 ? 0 : 1, 10 + i});
  const auto data = MakeSplits(std::move(pool), Sizes(0, 0, 30));
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(CountOf(data->test, 0), 15);
  EXPECT_EQ(CountOf(data->test, 1), 15);
  EXPECT_EQ(data->summary.unused, 70);
}

TEST(SplitDigest, NamesTextsLabelsAndOrder) {
  const Example a{"a", 0, 0}, b{"b", 1, 1}, a1{"a", 1, 0};
  EXPECT_EQ(SplitDigest({a, b}), SplitDigest({a, b}));
  EXPECT_NE(SplitDigest({a, b}), SplitDigest({b, a}));
  EXPECT_NE(SplitDigest({a}), SplitDigest({a1}));
  EXPECT_NE(SplitDigest({a}), SplitDigest({}));
}

}  // namespace
}  // namespace quantlab::engine
