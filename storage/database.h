// The database of one data folder: one writer, any number of readers.
//
// Writes share transactions: while one is being synced to disk, the next ones gather, and the first of
// them to get the turn runs them all in one transaction, each behind a savepoint. A call returns when its
// transaction is durable (WAL, synchronous = FULL), and one that fails changes nothing.
#ifndef QUANTLAB_STORAGE_DATABASE_H_
#define QUANTLAB_STORAGE_DATABASE_H_

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "storage/migrations.h"
#include "storage/sqlite_connection.h"

namespace quantlab {

struct DatabaseOptions {
  absl::Duration busy_timeout = absl::Seconds(10);
  // RESOURCE_EXHAUSTED when the file would grow beyond it; 0: no limit of its own.
  int64_t max_bytes = 0;
  // A damaged file is noticed at once rather than when the damaged page is read. Reads the whole file, so
  // larger ones are left to be noticed later.
  int64_t check_up_to_bytes = int64_t{256} << 20;
  // Told of each commit, by the thread that did it: how long it took, and how many calls shared it.
  std::function<void(absl::Duration, int)> observe_commit;
  const Clock* clock = &Clock::Real();
};

// Threads: safe.
class Database {
 public:
  // Opens or creates the file and brings it to the last of `migrations`.
  // Errors: see Migrate; DATA_LOSS a damaged file; RESOURCE_EXHAUSTED the disk is full.
  static absl::StatusOr<std::unique_ptr<Database>> Open(
      const std::string& path, const DatabaseOptions& options,
      const std::vector<Migration>& migrations = AllMigrations());

  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Runs `operation` in a transaction and returns when it is durable. `operation` may throw SQLite's
  // exceptions; it runs on the thread of another caller, perhaps, and while that holds no lock.
  using Operation = std::function<absl::Status(Connection&)>;
  absl::Status Write(absl::string_view what, const Operation& operation);

  // Runs `body(Connection&)`, which returns a Status or StatusOr, on one state of the database.
  template <typename Body>
  auto Read(absl::string_view what, Body&& body) -> decltype(body(std::declval<Connection&>())) {
    return Guard(what, [&]() -> decltype(body(std::declval<Connection&>())) {
      ReadLease lease(*this);
      return body(lease.connection());
    });
  }

 private:
  // A waiting call of Write.
  struct Pending {
    absl::string_view what;
    const Operation* operation;
    absl::Status result;
    bool done = false;
  };

  // A reader's connection inside a transaction, given back at the end.
  class ReadLease {
   public:
    explicit ReadLease(Database& database);
    ~ReadLease();
    Connection& connection() { return *connection_; }

   private:
    Database& database_;
    std::unique_ptr<Connection> connection_;
  };

  Database(std::string path, DatabaseOptions options, std::unique_ptr<Connection> writer);

  std::vector<Pending*> TakeBatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Runs and commits a batch and fills in the results. Only the leader calls it.
  void CommitBatch(const std::vector<Pending*>& batch);
  absl::Status RunBatch(const std::vector<Pending*>& batch, bool* any);

  // Constant after construction.
  const std::string path_;
  const DatabaseOptions options_;

  // The leader's alone.
  const std::unique_ptr<Connection> writer_;

  Mutex mutex_;
  CondVar turn_;
  std::deque<Pending*> waiting_ ABSL_GUARDED_BY(mutex_);
  bool leading_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::unique_ptr<Connection>> idle_readers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_DATABASE_H_
