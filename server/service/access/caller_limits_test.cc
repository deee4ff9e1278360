#include "server/service/access/caller_limits.h"

#include <gtest/gtest.h>

#include "base/records/error_reason.h"

namespace quantlab {
namespace {

class CallerLimitsTest : public testing::Test {
 protected:
  FakeClock clock_;
  CallerLimits limits_{{.requests_per_second = 2, .open_calls = 2, .upload_bytes_per_day = 100}, &clock_};
};

TEST_F(CallerLimitsTest, TwiceTheRateMayComeAtOnceAndThenTheRate) {
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(limits_.CountRequest("a").ok()) << i;
  EXPECT_EQ(ReasonOf(limits_.CountRequest("a")), "TOO_MANY_REQUESTS");
  EXPECT_TRUE(limits_.CountRequest("b").ok());
  clock_.Advance(absl::Milliseconds(500));
  EXPECT_TRUE(limits_.CountRequest("a").ok());
  EXPECT_FALSE(limits_.CountRequest("a").ok());
  clock_.Advance(absl::Hours(1));
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(limits_.CountRequest("a").ok()) << i;
  EXPECT_FALSE(limits_.CountRequest("a").ok());
}

TEST_F(CallerLimitsTest, AnOpenCallCountsUntilItIsDropped) {
  auto first = limits_.OpenCall("a");
  auto second = limits_.OpenCall("a");
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(ReasonOf(limits_.OpenCall("a").status()), "TOO_MANY_OPEN_CALLS");
  EXPECT_TRUE(limits_.OpenCall("b").ok());
  first->reset();
  EXPECT_TRUE(limits_.OpenCall("a").ok());
}

TEST_F(CallerLimitsTest, UploadedBytesCountForADay) {
  EXPECT_TRUE(limits_.CountUpload("a", 60).ok());
  EXPECT_TRUE(limits_.CountUpload("a", 40).ok());
  EXPECT_EQ(ReasonOf(limits_.CountUpload("a", 1)), "UPLOAD_QUOTA_USED");
  EXPECT_TRUE(limits_.CountUpload("b", 100).ok());
  clock_.Advance(absl::Hours(24));
  EXPECT_TRUE(limits_.CountUpload("a", 100).ok());
}

}  // namespace
}  // namespace quantlab
