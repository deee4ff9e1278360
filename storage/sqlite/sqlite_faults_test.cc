// Writes and synchronizations that fail beneath SQLite, each at every position of a short history: what was
// acknowledged is there afterwards, and what failed is there as a whole or not at all.
#include <atomic>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/testing/temp_folder.h"
#include "storage/sqlite/sqlite_database.h"
#include "storage/sqlite/testing/faulty_vfs.h"

namespace quantlab {
namespace {

struct Case {
  const char* name;
  DiskFault fault;
  int lasting;  // so many operations in a row fail
};

class FaultsTest : public testing::TestWithParam<Case> {
 protected:
  static constexpr int kSteps = 6;
  static constexpr int kGroup = 3;
  // Large enough for several pages, so that a write can fail in the middle of one transaction.
  const std::string payload_ = std::string(20'000, 'x');

  void Open() {
    database_.reset();
    auto opened = OpenSqliteDatabase(path_, SqliteOptions());
    ASSERT_TRUE(opened.ok()) << opened.status();
    database_ = *std::move(opened);
  }

  absl::Status Insert(const std::string& id) {
    return database_->Write("inserting", [&](Connection& connection) {
      Query(connection, "INSERT INTO workers (id, record, last_seen) VALUES (?, ?, 0)")
          .Bind(id)
          .Bind(payload_)
          .Execute();
      return absl::OkStatus();
    });
  }

  std::set<std::string> Ids() {
    std::set<std::string> ids;
    const absl::Status status = database_->Read("reading", [&ids](Connection& connection) {
      Query query(connection, "SELECT id FROM workers");
      while (query.Step()) ids.insert(query.Text(0));
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return ids;
  }

  static std::string Member(int step, int number) { return absl::StrCat(step, ".", number); }

  // Steps that are groups and steps that are single writes, in turn; notes which were acknowledged.
  void WriteHistory() {
    acknowledged_.assign(kSteps, false);
    for (int step = 0; step < kSteps; ++step) {
      if (step % 2 == 1) {
        acknowledged_[step] = Insert(Member(step, 0)).ok();
        continue;
      }
      bool all = true;
      const absl::Status group = database_->Together([&] {
        for (int i = 0; i < kGroup; ++i) all = Insert(Member(step, i)).ok() && all;
      });
      acknowledged_[step] = group.ok() && all;
      if (group.ok() && !all) partial_.insert(step);  // a member failed by itself
    }
  }

  void Check(const std::set<std::string>& ids) {
    for (int step = 0; step < kSteps; ++step) {
      const int size = step % 2 == 1 ? 1 : kGroup;
      int present = 0;
      for (int i = 0; i < size; ++i) present += static_cast<int>(ids.count(Member(step, i)));
      if (acknowledged_[step]) {
        EXPECT_EQ(present, size) << "step " << step << " was acknowledged";
      } else if (partial_.count(step) == 0) {
        EXPECT_TRUE(present == 0 || present == size) << "step " << step << ": " << present;
      }
    }
  }

  const TempFolder temp_;
  const std::string path_ = temp_ / "quantlab.db";
  std::atomic<int> until_fault_ = -1;  // negative: none
  std::atomic<int> failed_ = 0;
  FaultyVfs vfs_{[this](DiskOperation) {
    if (until_fault_ < 0) return DiskFault::kNone;
    if (until_fault_ > 0) {
      --until_fault_;
      return DiskFault::kNone;
    }
    if (failed_ == GetParam().lasting) return DiskFault::kNone;
    ++failed_;
    return GetParam().fault;
  }};
  std::unique_ptr<Database> database_;
  std::vector<bool> acknowledged_;
  std::set<int> partial_;
};

TEST_P(FaultsTest, WhateverFailsNothingAcknowledgedIsLostAndNothingIsHalfDone) {
  bool reached = true;
  int position = 0;
  for (; reached; ++position) {
    SCOPED_TRACE(absl::StrCat("the fault comes after ", position, " operations"));
    std::filesystem::remove(path_);
    Open();
    failed_ = 0;
    partial_.clear();
    until_fault_ = position;
    WriteHistory();
    reached = failed_ > 0;
    until_fault_ = -1;
    const std::set<std::string> seen = Ids();
    Check(seen);
    EXPECT_TRUE(Insert("afterwards").ok()) << "it goes on once the disk does";
    Open();  // as after a restart
    Check(Ids());
    EXPECT_EQ(Ids().count("afterwards"), 1u);
  }
  EXPECT_GT(position, 20) << "the faults reached the middle of the history";
}

INSTANTIATE_TEST_SUITE_P(AllFaults, FaultsTest,
                         testing::Values(Case{"DiskFull", DiskFault::kDiskFull, 1},
                                         Case{"LastingDiskFull", DiskFault::kDiskFull, 9},
                                         Case{"Failed", DiskFault::kFailed, 1},
                                         Case{"LastingFailed", DiskFault::kFailed, 9},
                                         Case{"WrittenButFailed", DiskFault::kWrittenButFailed, 1},
                                         Case{"LastingWrittenButFailed", DiskFault::kWrittenButFailed, 9}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace quantlab
