#include "server/core/waiting_syncs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

void Nothing(const absl::StatusOr<SyncAnswer>&) {}

std::vector<std::string> WorkersOf(const std::vector<WaitingSync>& calls) {
  std::vector<std::string> workers;
  for (const WaitingSync& call : calls) workers.push_back(call.worker_id);
  return workers;
}

TEST(WaitingSyncsTest, CallsStandInTheOrderOfArrival) {
  WaitingSyncs waiting;
  EXPECT_TRUE(waiting.empty());
  const int64_t first = waiting.Add("b", absl::Seconds(1), Nothing);
  const int64_t second = waiting.Add("a", absl::Seconds(2), Nothing);
  EXPECT_GT(first, 0);
  EXPECT_NE(first, second);
  EXPECT_EQ(waiting.calls().front().worker_id, "b");
  EXPECT_EQ(waiting.size(), 2u);
  EXPECT_TRUE(waiting.IsWaiting("a"));
  EXPECT_FALSE(waiting.IsWaiting("c"));
}

TEST(WaitingSyncsTest, ACallIsTakenOnceWithItsCallback) {
  WaitingSyncs waiting;
  int answered = 0;
  waiting.Add("a", absl::Seconds(1), [&](const absl::StatusOr<SyncAnswer>&) { ++answered; });
  const auto call = waiting.TakeOf("a");
  ASSERT_TRUE(call.has_value());
  call->done(SyncAnswer());
  EXPECT_EQ(answered, 1);
  EXPECT_FALSE(waiting.TakeOf("a").has_value());
  EXPECT_FALSE(waiting.IsWaiting("a"));
}

TEST(WaitingSyncsTest, OnlyOverdueCallsAreTaken) {
  WaitingSyncs waiting;
  waiting.Add("late", absl::Seconds(5), Nothing);
  waiting.Add("early", absl::Seconds(1), Nothing);
  waiting.Add("also late", absl::Seconds(4), Nothing);
  EXPECT_THAT(waiting.TakeOverdue(absl::Milliseconds(999)), IsEmpty());
  EXPECT_THAT(WorkersOf(waiting.TakeOverdue(absl::Seconds(1))), ElementsAre("early"));
  EXPECT_THAT(WorkersOf(waiting.TakeAll()), ElementsAre("late", "also late"));
  EXPECT_TRUE(waiting.empty());
}

TEST(WaitingSyncsTest, ADroppedCallNeverRunsAndNamesItsWorker) {
  WaitingSyncs waiting;
  const int64_t id =
      waiting.Add("a", absl::Seconds(1), [](const absl::StatusOr<SyncAnswer>&) { ADD_FAILURE(); });
  EXPECT_EQ(waiting.Drop(id + 1), "");
  EXPECT_EQ(waiting.Drop(id), "a");
  EXPECT_EQ(waiting.Drop(id), "");
  EXPECT_THAT(waiting.TakeAll(), IsEmpty());
}

}  // namespace
}  // namespace quantlab
