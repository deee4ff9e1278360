#include <memory>

#include <gtest/gtest.h>

#include "base/messages/messages.h"
#include "base/testing/temp_folder.h"
#include "storage/storage.h"

namespace quantlab {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class WorkerModeRepositoryTest : public testing::Test {
 protected:
  void SetUp() override { Reopen(); }
  void Reopen() {
    storage_.reset();
    storage_ = *OpenStorage(folder_.path());
  }
  WorkerModeRepository& repository() { return storage_->worker_modes(); }

  TempFolder folder_;
  std::unique_ptr<Storage> storage_;
};

TEST_F(WorkerModeRepositoryTest, EveryFieldIsKeptAcrossARestart) {
  ASSERT_TRUE(
      repository()
          .SetWorkerMode({"w2", WorkerMode::kQuarantined, messages::kText("ECC errors"), "alice", kNow})
          .ok());
  ASSERT_TRUE(repository().SetWorkerMode({"w1", WorkerMode::kDrained, {}, "", kNow}).ok());
  Reopen();
  const auto all = *repository().ListWorkerModes();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].worker_id, "w1");
  EXPECT_EQ(all[0].mode, WorkerMode::kDrained);
  EXPECT_TRUE(all[0].reason.empty());
  EXPECT_EQ(all[0].by, "");
  EXPECT_EQ(all[1].worker_id, "w2");
  EXPECT_EQ(all[1].mode, WorkerMode::kQuarantined);
  EXPECT_EQ(all[1].reason, messages::kText("ECC errors"));
  EXPECT_EQ(all[1].by, "alice");
  EXPECT_EQ(all[1].time, kNow);
}

TEST_F(WorkerModeRepositoryTest, ANewModeReplacesTheOldAndActiveRemovesIt) {
  ASSERT_TRUE(repository().SetWorkerMode({"w", WorkerMode::kDrained, {}, "alice", kNow}).ok());
  ASSERT_TRUE(repository().SetWorkerMode({"w", WorkerMode::kQuarantined, {}, "bob", kNow}).ok());
  ASSERT_EQ(repository().ListWorkerModes()->size(), 1u);
  EXPECT_EQ(repository().ListWorkerModes()->at(0).by, "bob");
  ASSERT_TRUE(repository().SetWorkerMode({"w", WorkerMode::kActive, {}, "bob", kNow}).ok());
  ASSERT_TRUE(repository().SetWorkerMode({"w", WorkerMode::kActive, {}, "bob", kNow}).ok());
  Reopen();
  EXPECT_TRUE(repository().ListWorkerModes()->empty());
}

TEST_F(WorkerModeRepositoryTest, AWorkerNeedsAnId) {
  EXPECT_TRUE(absl::IsInvalidArgument(repository().SetWorkerMode({"", WorkerMode::kDrained, {}, "", kNow})));
}

}  // namespace
}  // namespace quantlab
