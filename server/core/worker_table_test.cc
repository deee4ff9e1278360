#include "server/core/worker_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab {
namespace {

using ::testing::HasSubstr;
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

TEST_F(WorkerTableTest, ACopyOfAWorkersFolderIsRefusedWhileTheWorkerIsThere) {
  const auto in_folder = [](const std::string& folder, const std::string& hostname) {
    WorkerRecord worker = Worker("w");
    worker.hostname = hostname;
    worker.facts["folder_id"] = folder;
    return worker;
  };
  EXPECT_TRUE(table_.CheckIsTheSame(in_folder("1", "a"), false).ok());
  table_.Contact(in_folder("1", "a"));
  EXPECT_TRUE(table_.CheckIsTheSame(in_folder("1", "a"), false).ok()) << "it was restarted";
  EXPECT_TRUE(table_.CheckIsTheSame(Worker("w"), false).ok()) << "of an older version";
  const absl::Status copy = table_.CheckIsTheSame(in_folder("2", "b"), false);
  EXPECT_TRUE(absl::IsAlreadyExists(copy)) << copy;
  EXPECT_THAT(std::string(copy.message()), HasSubstr("worker w works already, on a, and this one on b"));
  EXPECT_TRUE(absl::IsAlreadyExists(table_.CheckIsTheSame(in_folder("1", "b"), false))) << "a cloned machine";
  clock_.Advance(absl::Seconds(31));
  EXPECT_TRUE(absl::IsAlreadyExists(table_.CheckIsTheSame(in_folder("2", "b"), true))) << "it has a lease";
  EXPECT_TRUE(table_.CheckIsTheSame(in_folder("2", "b"), false).ok()) << "the folder was moved";
}

TEST_F(WorkerTableTest, AWallClockThatWasSetBackDoesNotStopStoring) {
  table_.Contact(Worker("w"));
  table_.MarkStored("w");
  clock_.SetWallTime(clock_.Now() - absl::Hours(1));
  EXPECT_TRUE(table_.Contact(Worker("w")));
}

}  // namespace
}  // namespace quantlab
