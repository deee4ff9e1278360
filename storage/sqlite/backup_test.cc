// Backups of a database in use, and what restoring refuses, keeps and survives.
#include "storage/sqlite/backup.h"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <SQLiteCpp/Database.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/records/error_reason.h"
#include "base/testing/temp_folder.h"
#include "storage/storage.h"

namespace quantlab {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

void Create(Storage& storage, const std::string& id) {
  ExperimentRecord experiment;
  experiment.id = id;
  experiment.request_id = id;
  RunRecord run;
  run.id = id + "/baseline";
  run.experiment_id = id;
  run.name = "baseline";
  run.state = RunState::kQueued;
  const auto created = storage.states().CreateExperiment(experiment, {run});
  ASSERT_TRUE(created.ok()) << created.status();
}

class BackupTest : public ::testing::Test {
 protected:
  void SetUp() override { Create(**OpenStorage(data_), "first"); }

  bool Has(const std::string& folder, const std::string& id) {
    auto storage = OpenStorage(folder);
    EXPECT_TRUE(storage.ok()) << storage.status();
    return storage.ok() && (*storage)->states().GetExperiment(id).ok();
  }

  // Names in the data folder that begin so.
  int Count(const std::string& prefix) {
    int count = 0;
    for (const auto& entry : fs::directory_iterator(data_))
      count += absl::StartsWith(entry.path().filename().string(), prefix) ? 1 : 0;
    return count;
  }

  const TempFolder temp_;
  const std::string data_ = temp_ / "data", copy_ = temp_ / "copy.db";
};

TEST_F(BackupTest, ACopyOfADatabaseInUseHasWhatWasCommittedBeforeIt) {
  auto storage = *OpenStorage(data_);
  std::atomic<int> stored = 0;
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      Create(*storage, absl::StrCat("run-", i));
      stored = i + 1;
    }
  });
  for (int copy = 0; copy < 5; ++copy) {
    const int before = stored;
    const std::string path = absl::StrCat(copy_, copy);
    const absl::Status status = BackUpStorage(data_, path);
    ASSERT_TRUE(status.ok()) << status;
    const int after = stored;
    const std::string restored = absl::StrCat(temp_ / "restored", copy);
    ASSERT_TRUE(RestoreStorage(path, restored).ok());
    if (before > 0) {
      EXPECT_TRUE(Has(restored, absl::StrCat("run-", before - 1)));
    }
    // The one that was being written may be there; none after it.
    EXPECT_FALSE(Has(restored, absl::StrCat("run-", after + 1)));
  }
  stop = true;
  writer.join();
}

TEST_F(BackupTest, ACopyIsOneFileOfItsUserAloneAndNotWrittenOverAnother) {
  ASSERT_TRUE(BackUpStorage(data_, copy_).ok());
  struct stat info;
  ASSERT_EQ(stat(copy_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  EXPECT_TRUE(CheckBackup(copy_).ok());
  EXPECT_FALSE(fs::exists(copy_ + "-wal"));
  EXPECT_FALSE(fs::exists(copy_ + "-shm"));
  EXPECT_TRUE(absl::IsAlreadyExists(BackUpStorage(data_, copy_)));
  EXPECT_TRUE(absl::IsNotFound(BackUpStorage(data_, temp_ / "no/such/folder")));
}

TEST_F(BackupTest, ALockedDatabaseIsNamedAndLeavesNoCopy) {
  ASSERT_TRUE(BackUpStorage(data_, copy_).ok());
  SQLite::Database holder(copy_, SQLite::OPEN_READWRITE);
  holder.exec("BEGIN EXCLUSIVE");
  const std::string to = temp_ / "of-locked.db";
  const absl::Status status = BackUpSqlite(copy_, to, absl::Milliseconds(20));
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(copy_));
  EXPECT_FALSE(fs::exists(to));
  holder.exec("ROLLBACK");
  EXPECT_TRUE(BackUpSqlite(copy_, to, absl::Milliseconds(20)).ok());
}

TEST_F(BackupTest, RestoringPutsTheCopyInPlaceAndKeepsWhatWasThere) {
  ASSERT_TRUE(BackUpStorage(data_, copy_).ok());
  Create(**OpenStorage(data_), "second");
  ASSERT_TRUE(RestoreStorage(copy_, data_).ok());
  EXPECT_TRUE(Has(data_, "first"));
  EXPECT_FALSE(Has(data_, "second"));
  EXPECT_EQ(Count("quantlab.db.replaced-"), 1);
  // It can be put back in the same way.
  std::string replaced;
  for (const auto& entry : fs::directory_iterator(data_)) {
    if (absl::StrContains(entry.path().filename().string(), ".replaced-")) replaced = entry.path();
  }
  ASSERT_TRUE(RestoreStorage(replaced, data_).ok());
  EXPECT_TRUE(Has(data_, "second"));
}

// Else the first collection would take what only the replaced database refers to.
TEST_F(BackupTest, FilesOfTheReplacedDatabaseCountAsUsedNow) {
  ASSERT_TRUE(BackUpStorage(data_, copy_).ok());
  const std::string digest(64, 'a'), path = absl::StrCat(data_, "/artifacts/aa/", digest.substr(2));
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path) << "content";
  fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(72));
  ASSERT_TRUE(RestoreStorage(copy_, data_).ok());
  EXPECT_GT(fs::last_write_time(path), fs::file_time_type::clock::now() - std::chrono::hours(1));
}

TEST_F(BackupTest, TheLogOfTheOldDatabaseIsNotAppliedToTheNewOne) {
  ASSERT_TRUE(BackUpStorage(data_, copy_).ok());
  // A process that is killed leaves a log behind.
  const pid_t child = fork();
  if (child == 0) {
    auto storage = OpenStorage(data_);
    Create(**storage, "second");
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_GT(fs::file_size(data_ + "/quantlab.db-wal"), 0u);
  ASSERT_TRUE(RestoreStorage(copy_, data_).ok());
  EXPECT_TRUE(Has(data_, "first"));
  EXPECT_FALSE(Has(data_, "second"));
}

TEST_F(BackupTest, WhatIsNoGoodCopyIsRefusedAndChangesNothing) {
  ASSERT_TRUE(BackUpStorage(data_, copy_).ok());
  const auto refused = [&](const std::string& file) {
    const absl::Status status = RestoreStorage(file, data_);
    EXPECT_FALSE(status.ok());
    EXPECT_TRUE(Has(data_, "first"));
    EXPECT_EQ(Count("quantlab.db.re"), 0);
    return status;
  };
  EXPECT_TRUE(absl::IsNotFound(refused(temp_ / "none")));
  const std::string damaged = temp_ / "damaged.db";
  fs::copy_file(copy_, damaged);
  {
    std::fstream file(damaged, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(8192 * 3);
    file << std::string(8192, '\x55');
  }
  EXPECT_TRUE(absl::IsDataLoss(refused(damaged)));
  const std::string text = temp_ / "text.db";
  std::ofstream(text) << "this is no database, although it is long enough for the header of one";
  EXPECT_TRUE(absl::IsDataLoss(refused(text)));
  const std::string empty = temp_ / "empty.db";
  std::ofstream(empty).flush();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused(empty)));
  const std::string other = temp_ / "other.db";
  SQLite::Database(other, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec("CREATE TABLE t (x)");
  EXPECT_TRUE(absl::IsFailedPrecondition(refused(other)));
  SQLite::Database(copy_, SQLite::OPEN_READWRITE).exec("PRAGMA user_version = 1000");
  EXPECT_EQ(ReasonOf(refused(copy_)), "DATABASE_TOO_NEW");
}

TEST_F(BackupTest, AFolderInUseIsNotRestoredInto) {
  ASSERT_TRUE(BackUpStorage(data_, copy_).ok());
  const auto storage = *OpenStorage(data_);
  EXPECT_EQ(ReasonOf(RestoreStorage(copy_, data_)), "DATA_FOLDER_IN_USE");
}

TEST_F(BackupTest, AnInterruptedRestoreIsNamedAndEndedByTheNext) {
  ASSERT_TRUE(BackUpStorage(data_, copy_).ok());
  fs::copy_file(copy_, data_ + "/quantlab.db.restoring");
  fs::remove(data_ + "/quantlab.db");
  const auto opened = OpenStorage(data_);
  EXPECT_TRUE(absl::IsFailedPrecondition(opened.status()));
  EXPECT_THAT(std::string(opened.status().message()), HasSubstr("--restore"));
  ASSERT_TRUE(RestoreStorage(copy_, data_).ok());
  EXPECT_TRUE(Has(data_, "first"));
}

// Whatever moment: the folder opens with the old content or the restored, or says that the restore is to be
// run again.
TEST_F(BackupTest, KilledAtAnyMomentARestoreLosesNeither) {
  ASSERT_TRUE(BackUpStorage(data_, copy_).ok());
  Create(**OpenStorage(data_), "second");
  for (int round = 0; round < 30; ++round) {
    const pid_t child = fork();
    if (child == 0) _exit(RestoreStorage(copy_, data_).ok() ? 0 : 1);
    usleep(static_cast<useconds_t>(round) * 700);
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    const absl::Status opened = OpenStorage(data_).status();
    if (!opened.ok()) {
      EXPECT_THAT(std::string(opened.message()), HasSubstr("interrupted")) << opened;
      ASSERT_TRUE(RestoreStorage(copy_, data_).ok());
    }
    EXPECT_TRUE(Has(data_, "first")) << round;
  }
}

}  // namespace
}  // namespace quantlab
