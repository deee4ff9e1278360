#include "server/core/worker_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

WorkerRecord Worker(const std::string& id, const std::string& version = "1") {
  WorkerRecord worker;
  worker.id = id;
  worker.version = version;
  return worker;
}

class WorkerTableTest : public testing::Test {
 protected:
  FakeClock clock_;
  WorkerTable table_{clock_, absl::Seconds(30)};
};

TEST_F(WorkerTableTest, AWorkerIsConnectedForAWhileAfterItsLastContact) {
  table_.Contact(Worker("w"));
  clock_.Advance(absl::Seconds(30));
  EXPECT_TRUE(table_.IsConnected("w"));
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_FALSE(table_.IsConnected("w"));
  EXPECT_THAT(table_.Connected(), IsEmpty());
  EXPECT_THAT(table_.All(), SizeIs(1));
  table_.Touch("w");
  EXPECT_TRUE(table_.IsConnected("w"));
}

TEST_F(WorkerTableTest, AWaitingWorkerStaysConnected) {
  table_.Contact(Worker("w"));
  table_.SetWaiting("w", true);
  clock_.Advance(absl::Hours(1));
  EXPECT_TRUE(table_.IsConnected("w"));
  table_.SetWaiting("w", false);
  EXPECT_FALSE(table_.IsConnected("w"));
}

TEST_F(WorkerTableTest, ARestoredWorkerIsKnownButNotConnected) {
  table_.Restore(Worker("w", "7"));
  EXPECT_EQ(table_.record("w").version, "7");
  EXPECT_FALSE(table_.IsConnected("w"));
  EXPECT_FALSE(table_.IsConnected("nobody"));
  EXPECT_EQ(table_.record("nobody").id, "");
}

TEST_F(WorkerTableTest, ARecordIsStoredWhenItChangedOrItsTimeIsOld) {
  EXPECT_TRUE(table_.Contact(Worker("w")));
  table_.MarkStored("w");
  EXPECT_FALSE(table_.Contact(Worker("w")));
  EXPECT_TRUE(table_.Contact(Worker("w", "2"))) << "its version changed";
  table_.MarkStored("w");
  clock_.Advance(absl::Seconds(59));
  EXPECT_FALSE(table_.Contact(Worker("w", "2")));
  clock_.Advance(absl::Seconds(1));
  EXPECT_TRUE(table_.Contact(Worker("w", "2")));
  EXPECT_TRUE(table_.Contact(Worker("w", "2"))) << "storing it failed: the next contact tries again";
}

TEST_F(WorkerTableTest, AWallClockThatWasSetBackDoesNotStopStoring) {
  table_.Contact(Worker("w"));
  table_.MarkStored("w");
  clock_.SetWallTime(clock_.Now() - absl::Hours(1));
  EXPECT_TRUE(table_.Contact(Worker("w")));
}

}  // namespace
}  // namespace quantlab
