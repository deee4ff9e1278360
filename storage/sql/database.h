// A database with one writer and any number of readers, of any dialect.
//
// Writes share transactions (group commit): while one is being synced to disk, the next ones queue, and the
// first of them runs them all in one transaction, each behind a savepoint. A call returns when its
// transaction is durable (WAL, synchronous = FULL), and one that fails changes nothing. A thread can also
// make several writes in one transaction (Together), which the waiting calls of others join at its end.
#ifndef QUANTLAB_STORAGE_SQL_DATABASE_H_
#define QUANTLAB_STORAGE_SQL_DATABASE_H_

#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/records/write_groups.h"
#include "storage/sql/connection.h"

namespace quantlab {

struct DatabaseOptions {
  // Called after each commit that changed something by the committing thread, with its duration and the
  // number of calls in it.
  std::function<void(absl::Duration, int)> observe_commit;
  const Clock* clock = &Clock::Real();
};

// Threads: safe.
class Database : public WriteGroups {
 public:
  // Opens another connection for reading; throws SqlError.
  using OpenReader = std::function<std::unique_ptr<Connection>()>;

  // `writer` has the schema that the repositories expect.
  Database(std::unique_ptr<Connection> writer, OpenReader open_reader, DatabaseOptions options);

  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Runs `operation` in a transaction and returns when it is durable. `operation` may throw SqlError, and
  // what else it throws is an error, too; it may run on the thread of another caller, which holds no lock of
  // this object.
  using Operation = std::function<absl::Status(Connection&)>;
  absl::Status Write(absl::string_view what, const Operation& operation);

  // See base/records/write_groups.h. Within `body`, Write returns before its changes are durable.
  absl::Status Together(const std::function<void()>& body) override;

  // Runs `body(Connection&)`, which returns a Status or StatusOr, on one state of the database: within
  // Together on the state that includes this thread's own writes.
  template <typename Body>
  auto Read(absl::string_view what, Body&& body) -> decltype(body(std::declval<Connection&>())) {
    return Guard(what, [&]() -> decltype(body(std::declval<Connection&>())) {
      if (Connection* own = GroupConnection()) return body(*own);
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

  // One call of Together. Only its thread uses the fields.
  struct Group {
    std::thread::id thread;
    bool open = false;          // its transaction is, and its thread is the leader
    bool any = false;           // a write succeeded
    int writes = 0;             // all of them
    absl::Duration start = {};  // of the transaction
    absl::Status broken = {};   // why nothing of it can be committed any more
  };

  // A reader's connection inside a transaction, returned at the end.
  class ReadLease {
   public:
    explicit ReadLease(Database& database);
    ~ReadLease();
    Connection& connection() { return *connection_; }

   private:
    Database& database_;
    std::unique_ptr<Connection> connection_;
  };

  std::vector<Pending*> TakeBatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Only the leader calls these.
  //
  // Runs and commits a batch and fills in the results.
  void CommitBatch(const std::vector<Pending*>& batch);
  // In the open transaction; not OK where that was rolled back. RunOne may throw SqlError.
  absl::Status RunOne(Pending& pending);
  // RunOne for each, which sets `any` where one succeeded, then COMMIT; ROLLBACK without any. May throw
  // SqlError.
  absl::Status RunAndCommit(const std::vector<Pending*>& batch, bool& any);
  // After a failed transaction: ends it, and gives its error to all of its calls.
  void Abandon(const std::vector<Pending*>& batch, const absl::Status& status);

  // nullptr where this thread has none.
  Group* GroupOfThisThread() ABSL_LOCKS_EXCLUDED(mutex_);
  // The writer, where this thread has an open transaction on it. Throws SqlError where that was rolled back.
  Connection* GroupConnection();
  absl::Status WriteInGroup(Group& group, absl::string_view what, const Operation& operation);
  absl::Status OpenGroup(Group& group);
  void CheckGroup(Group& group);
  absl::Status CommitGroup(Group& group);
  absl::Status EndGroup(Group& group);

  // Constant after construction.
  const OpenReader open_reader_;
  const DatabaseOptions options_;

  // Used only by the leader.
  const std::unique_ptr<Connection> writer_;

  Mutex mutex_;
  CondVar turn_;
  std::deque<Pending*> waiting_ ABSL_GUARDED_BY(mutex_);
  bool leading_ ABSL_GUARDED_BY(mutex_) = false;
  // A group leads next: the waiting writes join it at its end, whereas it would lose its turn to each of
  // them.
  bool group_waits_ ABSL_GUARDED_BY(mutex_) = false;
  Group* group_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::vector<std::unique_ptr<Connection>> idle_readers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_SQL_DATABASE_H_
