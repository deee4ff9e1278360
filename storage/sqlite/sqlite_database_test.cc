#include "storage/sqlite/sqlite_database.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <new>
#include <set>
#include <sys/resource.h>
#include <thread>

#include <SQLiteCpp/Database.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/records/error_reason.h"
#include "base/testing/temp_folder.h"
#include "storage/storage.h"

namespace quantlab {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

#define QL_EXPECT_CODE(expr, code_name) EXPECT_EQ((expr).code(), absl::StatusCode::code_name)

class DatabaseTest : public ::testing::Test {
 protected:
  absl::Status Open(const std::vector<Migration>& migrations = AllMigrations()) {
    database_.reset();
    auto opened = OpenSqliteDatabase(path_, options_, migrations);
    if (opened.ok()) database_ = *std::move(opened);
    return opened.status();
  }

  // As another program would, past our own code.
  void Raw(const std::string& sql) {
    SQLite::Database(path_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec(sql);
  }

  absl::Status Insert(const std::string& id) {
    return database_->Write("inserting", [id](Connection& connection) {
      Query(connection, "INSERT INTO workers (id, record, last_seen) VALUES (?, '{}', 0)").Bind(id).Execute();
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

  // Overwrites bytes of the file.
  void Spoil(int64_t offset, size_t size) {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(offset);
    file << std::string(size, '\xA5');
  }

  const TempFolder temp_;
  const std::string& folder_ = temp_.path();
  const std::string path_ = temp_ / "quantlab.db";
  SqliteOptions options_;
  std::unique_ptr<Database> database_;
};

TEST_F(DatabaseTest, OpensWithFullSynchronizationAndForeignKeys) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(database_
                  ->Write("reading settings",
                          [](Connection& connection) {
                            for (const auto& [pragma, value] : {std::pair("PRAGMA journal_mode", "wal"),
                                                                {"PRAGMA synchronous", "2"},
                                                                {"PRAGMA foreign_keys", "1"},
                                                                {"PRAGMA user_version", "8"}}) {
                              Query query(connection, pragma);
                              EXPECT_TRUE(query.Step());
                              EXPECT_EQ(query.Text(0), value) << pragma;
                            }
                            return absl::OkStatus();
                          })
                  .ok());
}

TEST_F(DatabaseTest, CheckpointsAreObservedAndKeepTheLogShort) {
  int checkpoints = 0;
  options_.observe_checkpoint = [&](absl::Duration took) {
    ++checkpoints;
    EXPECT_GE(took, absl::ZeroDuration());
  };
  ASSERT_TRUE(Open().ok());
  const std::string record(1 << 20, 'x');
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(database_
                    ->Write("inserting",
                            [&](Connection& connection) {
                              Query(connection,
                                    "INSERT INTO workers (id, record, last_seen) VALUES (?, ?, 0)")
                                  .Bind(absl::StrCat(i))
                                  .Bind(record)
                                  .Execute();
                              return absl::OkStatus();
                            })
                    .ok());
  }
  EXPECT_GE(checkpoints, 3);
  EXPECT_LT(std::filesystem::file_size(path_ + "-wal"), size_t{16} << 20);
}

TEST_F(DatabaseTest, FailedWriteChangesNothingAndOthersOfItsBatchGoThrough) {
  std::atomic<int> calls = 0;
  options_.database.observe_commit = [&calls](absl::Duration, int shared) { calls += shared; };
  ASSERT_TRUE(Open().ok());
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([this, i] {
      for (int j = 0; j < 10; ++j) {
        const std::string id = absl::StrCat(i, "-", j);
        const bool fails = j % 2 == 1;
        const absl::Status status = database_->Write("inserting", [&](Connection& connection) {
          Query(connection, "INSERT INTO workers (id, record, last_seen) VALUES (?, '{}', 0)")
              .Bind(id)
              .Execute();
          return fails ? absl::AbortedError("no") : absl::OkStatus();
        });
        EXPECT_EQ(status.ok(), !fails) << status;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::set<std::string> ids = Ids();
  EXPECT_EQ(ids.size(), 80u);
  for (const std::string& id : ids) EXPECT_EQ((id.back() - '0') % 2, 0) << id;
  // Batches in which everything failed are not committed at all.
  EXPECT_GE(calls, 80);
  EXPECT_LE(calls, 160);
}

TEST_F(DatabaseTest, WritesOfAGroupShareOneTransactionAndEachHasItsOwnError) {
  int commits = 0, writes = 0;
  options_.database.observe_commit = [&](absl::Duration, int shared) {
    ++commits;
    writes += shared;
  };
  ASSERT_TRUE(Open().ok());
  const absl::Status status = database_->Together([&] {
    EXPECT_TRUE(Insert("a").ok());
    QL_EXPECT_CODE(Insert("a"), kInternal);  // a constraint
    EXPECT_TRUE(Insert("b").ok());
    EXPECT_EQ(Ids(), (std::set<std::string>{"a", "b"})) << "a group reads what it wrote";
    std::thread([this] { EXPECT_TRUE(Ids().empty()) << "nobody else does"; }).join();
  });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Ids(), (std::set<std::string>{"a", "b"}));
  EXPECT_EQ(commits, 1);
  EXPECT_EQ(writes, 3);
}

TEST_F(DatabaseTest, AGroupThatWritesNothingCommitsNothing) {
  int commits = 0;
  options_.database.observe_commit = [&](absl::Duration, int) { ++commits; };
  ASSERT_TRUE(Open().ok());
  EXPECT_TRUE(database_->Together([&] { EXPECT_TRUE(Ids().empty()); }).ok());
  EXPECT_EQ(commits, 0);
  EXPECT_TRUE(Insert("a").ok());
}

TEST_F(DatabaseTest, AGroupThatThrowsStoresNothingAndLetsOthersWrite) {
  ASSERT_TRUE(Open().ok());
  EXPECT_THROW(database_
                   ->Together([&] {
                     EXPECT_TRUE(Insert("a").ok());
                     throw std::bad_alloc();
                   })
                   .IgnoreError(),
               std::bad_alloc);
  EXPECT_TRUE(Insert("b").ok());
  EXPECT_EQ(Ids(), (std::set<std::string>{"b"}));
}

TEST_F(DatabaseTest, AWriteThatThrowsStoresNothingAndLetsOthersWrite) {
  ASSERT_TRUE(Open().ok());
  const auto throwing = [this] {
    return database_->Write("throwing", [](Connection& connection) -> absl::Status {
      Query(connection, "INSERT INTO workers (id, record, last_seen) VALUES ('half', '{}', 0)").Execute();
      throw std::bad_alloc();
    });
  };
  QL_EXPECT_CODE(throwing(), kResourceExhausted);
  const absl::Status group = database_->Together([&] {
    EXPECT_TRUE(Insert("a").ok());
    QL_EXPECT_CODE(throwing(), kResourceExhausted);
    EXPECT_TRUE(Insert("b").ok());
  });
  EXPECT_TRUE(group.ok()) << group;
  EXPECT_EQ(Ids(), (std::set<std::string>{"a", "b"}));
}

TEST_F(DatabaseTest, AGroupInWhichNothingSucceedsIsNoCommit) {
  int commits = 0;
  options_.database.observe_commit = [&](absl::Duration, int) { ++commits; };
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Insert("a").ok());
  EXPECT_TRUE(database_->Together([&] { QL_EXPECT_CODE(Insert("a"), kInternal); }).ok());
  EXPECT_EQ(commits, 1);
}

// Groups hold the coordinator's lock while they wait for the writer.
TEST_F(DatabaseTest, AGroupDoesNotWaitForEveryWriteThatComesMeanwhile) {
  constexpr int kWriters = 16, kGroups = 30;
  std::atomic<int> commits = 0;
  std::atomic<bool> end = false;
  options_.database.observe_commit = [&](absl::Duration, int) {
    ++commits;
    absl::SleepFor(absl::Milliseconds(2));  // as a slow disk
  };
  ASSERT_TRUE(Open().ok());
  std::vector<std::thread> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([&, i] {
      for (int j = 0; !end; ++j) EXPECT_TRUE(Insert(absl::StrCat("write ", i, "-", j)).ok());
    });
  }
  int waited = 0;
  for (int i = 0; i < kGroups; ++i) {
    const absl::Status group = database_->Together([&] {
      const int before = commits;
      EXPECT_TRUE(Insert(absl::StrCat("group ", i)).ok());
      waited += commits - before;
    });
    EXPECT_TRUE(group.ok()) << group;
  }
  end = true;
  for (std::thread& writer : writers) writer.join();
  RecordProperty("waited", waited);
  EXPECT_LE(waited, 2 * kGroups) << "commits of others before the writes of " << kGroups << " groups";
}

TEST_F(DatabaseTest, GroupsAndWritesOfManyThreadsAllGoThrough) {
  ASSERT_TRUE(Open().ok());
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this, i] {
      for (int j = 0; j < 20; ++j) {
        EXPECT_TRUE(Insert(absl::StrCat("write ", i, "-", j)).ok());
        const absl::Status status = database_->Together([&] {
          EXPECT_TRUE(Insert(absl::StrCat("group ", i, "-", j)).ok());
          EXPECT_EQ(Ids().count(absl::StrCat("write ", i, "-", j)), 1u);
          EXPECT_TRUE(Insert(absl::StrCat("second ", i, "-", j)).ok());
        });
        EXPECT_TRUE(status.ok()) << status;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Ids().size(), 480u);
}

TEST_F(DatabaseTest, SqlErrorsAreStatusesAndRollBack) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Insert("a").ok());
  QL_EXPECT_CODE(Insert("a"), kInternal);  // a constraint
  QL_EXPECT_CODE(Insert(""), kInternal);
  ASSERT_TRUE(Insert("b").ok());
  EXPECT_EQ(Ids().size(), 2u);
}

TEST_F(DatabaseTest, ReadersSeeWholeTransactions) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(database_
                  ->Read("reading",
                         [this](Connection& connection) {
                           Query before(connection, "SELECT count(*) FROM workers");
                           EXPECT_TRUE(before.Step());
                           std::thread([this] { EXPECT_TRUE(Insert("a").ok()); }).join();
                           Query after(connection, "SELECT count(*) + 0 FROM workers");
                           EXPECT_TRUE(after.Step());
                           EXPECT_EQ(after.Int(0), before.Int(0));
                           return absl::OkStatus();
                         })
                  .ok());
  EXPECT_EQ(Ids().size(), 1u);
}

TEST_F(DatabaseTest, NewerDatabaseIsRefusedAndLeftAlone) {
  ASSERT_TRUE(Open().ok());
  database_.reset();
  Raw("PRAGMA user_version = 99");
  const absl::Status status = Open();
  QL_EXPECT_CODE(status, kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "DATABASE_TOO_NEW");
  EXPECT_THAT(std::string(status.message()), HasSubstr("version 99"));
}

TEST_F(DatabaseTest, AnotherProgramsDatabaseIsRefused) {
  Raw("CREATE TABLE t (a)");
  QL_EXPECT_CODE(Open(), kFailedPrecondition);
  EXPECT_THAT(std::string(Open().message()), HasSubstr("another program"));
}

TEST_F(DatabaseTest, MigrationsThatWereRewrittenAreNoticed) {
  ASSERT_TRUE(Open().ok());
  std::vector<Migration> rewritten = AllMigrations();
  rewritten[0].sql += "-- changed\n";
  QL_EXPECT_CODE(Open(rewritten), kFailedPrecondition);
  ASSERT_TRUE(Open().ok());
}

TEST_F(DatabaseTest, FurtherMigrationsAreAppliedOnce) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Insert("kept").ok());
  std::vector<Migration> more = AllMigrations();
  more.push_back({static_cast<int>(more.size()) + 1, "more", "CREATE TABLE more (a INTEGER) STRICT;"});
  ASSERT_TRUE(Open(more).ok());
  ASSERT_TRUE(Open(more).ok());
  EXPECT_EQ(Ids().count("kept"), 1u);
  QL_EXPECT_CODE(Open(), kFailedPrecondition);  // now it is newer
}

TEST_F(DatabaseTest, MigrationsThatFailChangeNothing) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Insert("kept").ok());
  const int next = static_cast<int>(AllMigrations().size()) + 1;
  for (const char* sql : {"CREATE TABLE half (a INTEGER) STRICT; DROP TABLE workers; nonsense",
                          "PRAGMA defer_foreign_keys = ON; UPDATE runs SET experiment = 7; "
                          "INSERT INTO source_files VALUES (77, 0, '', '');"}) {
    std::vector<Migration> broken = AllMigrations();
    broken.push_back({next, "broken", sql});
    const absl::Status status = Open(broken);
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("migration ", next)));
    ASSERT_TRUE(Open().ok());
    EXPECT_EQ(Ids().count("kept"), 1u);
  }
}

TEST_F(DatabaseTest, DamagedFilesAreDataLossWithARemedy) {
  ASSERT_TRUE(Open().ok());
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(Insert(absl::StrCat("worker-", i)).ok());
  database_.reset();
  const std::string whole = path_ + ".whole";
  fs::copy_file(path_, whole);
  struct Damage {
    const char* what;
    std::function<void()> inflict;
  };
  const Damage damages[] = {
      {"header", [this] { Spoil(0, 16); }},
      {"schema", [this] { Spoil(100, 2000); }},
      {"middle", [this] { Spoil(static_cast<int64_t>(fs::file_size(path_)) / 2, 8192); }},
      {"cut", [this] { fs::resize_file(path_, fs::file_size(path_) / 2); }},
      {"text", [this] { std::ofstream(path_) << std::string(20'000, 'x'); }},
  };
  for (const Damage& damage : damages) {
    fs::copy_file(whole, path_, fs::copy_options::overwrite_existing);
    damage.inflict();
    const absl::Status status = Open();
    QL_EXPECT_CODE(status, kDataLoss) << damage.what << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(".recover")) << damage.what;
  }
}

TEST_F(DatabaseTest, AFullDiskRefusesWritesAndKeepsWhatWasThere) {
  options_.max_bytes = 400 * 1024;
  ASSERT_TRUE(Open().ok());
  int stored = 0;
  absl::Status status;
  while (status.ok() && stored < 1000) {
    status = Insert(absl::StrCat(stored, std::string(20'000, 'x')));
    stored += status.ok();
  }
  QL_EXPECT_CODE(status, kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "DISK_FULL");
  EXPECT_THAT(std::string(status.message()), HasSubstr("free some space"));
  EXPECT_EQ(Ids().size(), static_cast<size_t>(stored));
  EXPECT_GT(stored, 0);
  // With room again it goes on, without a restart of anything else.
  options_.max_bytes = 0;
  ASSERT_TRUE(Open().ok());
  EXPECT_TRUE(Insert("more").ok());
  EXPECT_EQ(Ids().size(), static_cast<size_t>(stored) + 1);
}

TEST_F(DatabaseTest, WhoeverHoldsTheDatabaseIsWaitedForAndThenNamedBusy) {
  options_.busy_timeout = absl::Milliseconds(20);
  ASSERT_TRUE(Open().ok());
  SQLite::Database other(path_, SQLite::OPEN_READWRITE);
  other.exec("BEGIN IMMEDIATE");
  const absl::Status status = Insert("a");
  QL_EXPECT_CODE(status, kUnavailable);
  EXPECT_EQ(ReasonOf(status), "DATABASE_BUSY");
  EXPECT_TRUE(Ids().empty());  // readers do not wait
  other.exec("ROLLBACK");
  EXPECT_TRUE(Insert("a").ok());
}

TEST_F(DatabaseTest, UnreadableRowsAreDataLossWhenTheyAreMet) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Insert("w").ok());  // its record is "{}", which no worker's is
  database_.reset();
  auto storage = OpenStorage(folder_);
  ASSERT_TRUE(storage.ok()) << storage.status();
  const absl::Status status = (*storage)->states().ListWorkers().status();
  QL_EXPECT_CODE(status, kDataLoss);
  EXPECT_EQ(ReasonOf(status), "DATABASE_DAMAGED");
}

TEST_F(DatabaseTest, AFolderIsUsedByOneCoordinatorAtATime) {
  auto first = OpenStorage(folder_);
  ASSERT_TRUE(first.ok()) << first.status();
  const absl::Status status = OpenStorage(folder_).status();
  QL_EXPECT_CODE(status, kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "DATA_FOLDER_IN_USE");
  EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("process ", getpid())));
  EXPECT_THAT(std::string(status.message()), HasSubstr(folder_));
  first->reset();
  EXPECT_TRUE(OpenStorage(folder_).ok());
}

TEST_F(DatabaseTest, FoldersThatCannotBeMadeAreNamed) {
  std::ofstream(folder_ + "/file") << "x";
  const absl::Status status = OpenStorage(folder_ + "/file/data").status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr(folder_ + "/file"));
}

TEST(TimeTest, TimesKeepTheirNanosecondsAndSaturate) {
  const absl::Time time = absl::FromUnixNanos(1'700'000'000'123'456'789);
  EXPECT_EQ(TimeFromNanos(NanosFromTime(time)), time);
  EXPECT_EQ(TimeFromNanos(NanosFromTime(absl::InfiniteFuture())), absl::InfiniteFuture());
  EXPECT_EQ(TimeFromNanos(NanosFromTime(absl::InfinitePast())), absl::InfinitePast());
}

}  // namespace
}  // namespace quantlab
