#include "server/core/worker_holds.h"

#include <gtest/gtest.h>

#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"

namespace quantlab {
namespace {

const Message kDiskFull = messages::kText("the disk is full");

TEST(WorkerHoldsTest, EachFaultHoldsLongerAndTheFourthQuarantines) {
  FakeClock clock;
  WorkerHolds holds(clock);
  EXPECT_FALSE(holds.IsHeld("w"));
  EXPECT_FALSE(holds.Find("w").has_value());
  for (const int seconds : {5, 20, 80, 600, 600}) {
    holds.RecordFault("w", kDiskFull);
    EXPECT_TRUE(holds.IsHeld("w"));
    EXPECT_EQ(holds.Find("w")->left, absl::Seconds(seconds));
    clock.Advance(absl::Seconds(seconds) - absl::Milliseconds(1));
    EXPECT_TRUE(holds.IsHeld("w"));
    clock.Advance(absl::Milliseconds(1));
    EXPECT_FALSE(holds.IsHeld("w"));
  }
  EXPECT_EQ(holds.Find("w")->faults, 5);
  EXPECT_EQ(holds.Find("w")->left, absl::ZeroDuration());
  EXPECT_EQ(English(holds.Find("w")->last_fault), "the disk is full");
}

TEST(WorkerHoldsTest, AWorkerThatWorksStartsAnewAndOthersAreNotHeld) {
  FakeClock clock;
  WorkerHolds holds(clock);
  holds.RecordFault("w", kDiskFull);
  holds.RecordFault("w", kDiskFull);
  EXPECT_FALSE(holds.IsHeld("other"));
  holds.RecordHealthy("w");
  EXPECT_FALSE(holds.IsHeld("w"));
  holds.RecordFault("w", kDiskFull);
  EXPECT_EQ(holds.Find("w")->left, absl::Seconds(5));
}

}  // namespace
}  // namespace quantlab
