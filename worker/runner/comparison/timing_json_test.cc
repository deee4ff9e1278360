#include "worker/runner/comparison/timing_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_replace.h"

namespace quantlab::runner {
namespace {

ShapeTimes Times() {
  ShapeTimes times{"at::linear", "mkldnn", 1.25, {}, {}, {12, 0.01, 0.02, 2400, 3000}};
  times.trial = {{0, 0, 2, 1e9, 0.5}, {0, 1, 0, 1e9, 0.25}, {0, 2, 1, 1e9, 0.25}};
  times.samples = {{0, 0, 1, 1764000000.25, 0.125}, {0, 1, 0, 1764000000.5, 1.0 / 3}};
  return times;
}

TEST(TimingJsonTest, WhatIsWrittenIsRead) {
  const auto read = TimesFromJson(TimesToJson({Times(), Times()}), 2, 2);
  ASSERT_TRUE(read.ok()) << read.status();
  const ShapeTimes& times = read->at(1);
  EXPECT_EQ(times.fp32_path, "at::linear");
  EXPECT_EQ(times.other_fp32_path, "mkldnn");
  EXPECT_EQ(times.other_fp32_ratio, 1.25);
  ASSERT_EQ(times.trial.size(), 3u);
  EXPECT_EQ(times.trial[0].model, 2);
  ASSERT_EQ(times.samples.size(), 2u);
  EXPECT_EQ(times.samples[1].position, 1);
  EXPECT_EQ(times.samples[1].start, 1764000000.5);
  EXPECT_EQ(times.samples[1].seconds, 1.0 / 3);
  EXPECT_EQ(times.use.mhz_high, 3000);
}

TEST(TimingJsonTest, AModelThatFailedHasNoSamples) {
  ShapeTimes times = Times();
  times.failed = {{2, "died: \xff"}};
  const auto read = TimesFromJson(TimesToJson({times}), 1, 3);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(read->front().failed, ::testing::ElementsAre(::testing::Pair(2, ::testing::HasSubstr("died"))));
  for (const int64_t model : {int64_t{1}, int64_t{3}, int64_t{-1}}) {
    times.failed = {{model, "x"}};
    EXPECT_FALSE(TimesFromJson(TimesToJson({times}), 1, 3).ok()) << model;
  }
}

TEST(TimingJsonTest, MalformedReportsAreRefused) {
  const std::string good = TimesToJson({Times()});
  EXPECT_TRUE(TimesFromJson(good, 1, 2).ok());
  EXPECT_FALSE(TimesFromJson("", 1, 2).ok());
  EXPECT_FALSE(TimesFromJson(good, 2, 2).ok());
  EXPECT_FALSE(TimesFromJson(good, 1, 3).ok());  // a model without a time
  EXPECT_FALSE(TimesFromJson(good, 1, 1).ok());  // a time of no model
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"\"version\":1", "\"version\":2"},
                                                        {"0.125", "0.0"},
                                                        {"0.125", "\"0.125\""},
                                                        {"[0,0,1,", "[-1,0,1,"},
                                                        {"[0,0,1,", "[0,1,"},
                                                        {"\"others\":0.02,", ""},
                                                        {"\"fp32_path\":\"at::linear\",", ""}}) {
    const std::string bad = absl::StrReplaceAll(good, {{from, to}});
    EXPECT_NE(bad, good) << from;
    EXPECT_FALSE(TimesFromJson(bad, 1, 2).ok()) << bad;
  }
}

}  // namespace
}  // namespace quantlab::runner
