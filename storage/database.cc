#include "storage/database.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status_macros.h"

namespace quantlab {
namespace {

constexpr size_t kMaxBatch = 256;
constexpr size_t kMaxIdleReaders = 16;
constexpr int kPageBytes = 8192;

// PRAGMA quick_check: every page is whole and every row has its types.
absl::Status CheckIntegrity(Connection& connection) {
  Query query(connection, "PRAGMA quick_check(1)");
  if (!query.Step() || query.Text(0) == "ok") return absl::OkStatus();
  // The same words, remedy and code as for damage that is met later.
  return StatusFromSqlite(SQLite::Exception(query.Text(0), SQLITE_CORRUPT), "checking quantlab.db");
}

void SetUp(Connection& connection, const DatabaseOptions& options) {
  // Before the first table is made; later it changes nothing.
  connection.Execute(absl::StrCat("PRAGMA page_size = ", kPageBytes));
  connection.Execute("PRAGMA journal_mode = WAL");
  connection.Execute("PRAGMA synchronous = FULL");
  // What a burst left of the log is given back at the next checkpoint.
  connection.Execute("PRAGMA journal_size_limit = 67108864");
  if (options.max_bytes > 0) {
    connection.Execute(absl::StrCat("PRAGMA max_page_count = ", options.max_bytes / kPageBytes));
  }
}

absl::StatusOr<std::unique_ptr<Connection>> OpenWriter(const std::string& path,
                                                       const DatabaseOptions& options,
                                                       const std::vector<Migration>& migrations) {
  struct stat stat;
  const bool check = ::stat(path.c_str(), &stat) == 0 && stat.st_size <= options.check_up_to_bytes;
  std::unique_ptr<Connection> writer;
  QL_RETURN_IF_ERROR(Guard(absl::StrCat("opening ", path), [&]() -> absl::Status {
    writer = std::make_unique<Connection>(path, Connection::Options{false, options.busy_timeout});
    SetUp(*writer, options);
    return check ? CheckIntegrity(*writer) : absl::OkStatus();
  }));
  QL_RETURN_IF_ERROR(Annotate(Migrate(*writer, migrations, options.clock->Now()), path));
  return writer;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& path,
                                                         const DatabaseOptions& options,
                                                         const std::vector<Migration>& migrations) {
  QL_ASSIGN_OR_RETURN(std::unique_ptr<Connection> writer, OpenWriter(path, options, migrations));
  // The file's own name must survive a power cut, too.
  QL_RETURN_IF_ERROR(SyncDirectory(DirectoryOf(path)));
  return std::unique_ptr<Database>(new Database(path, options, std::move(writer)));
}

Database::Database(std::string path, DatabaseOptions options, std::unique_ptr<Connection> writer)
    : path_(std::move(path)), options_(std::move(options)), writer_(std::move(writer)) {}

absl::Status Database::Write(absl::string_view what, const Operation& operation) {
  Pending mine{what, &operation, absl::OkStatus()};
  std::vector<Pending*> batch;
  {
    MutexLock lock(mutex_);
    waiting_.push_back(&mine);
    while (!mine.done && leading_) turn_.Wait(mutex_);
    if (mine.done) return mine.result;
    leading_ = true;
    batch = TakeBatch();
  }
  // Those that wait are served in order, so the first turns of this leader may be for others.
  while (true) {
    CommitBatch(batch);
    MutexLock lock(mutex_);
    for (Pending* pending : batch) pending->done = true;
    if (mine.done) {
      leading_ = false;
      turn_.NotifyAll();
      return mine.result;
    }
    batch = TakeBatch();
    turn_.NotifyAll();
  }
}

std::vector<Database::Pending*> Database::TakeBatch() {
  std::vector<Pending*> batch;
  while (!waiting_.empty() && batch.size() < kMaxBatch) {
    batch.push_back(waiting_.front());
    waiting_.pop_front();
  }
  return batch;
}

absl::Status Database::RunBatch(const std::vector<Pending*>& batch, bool* any) {
  writer_->Execute("BEGIN IMMEDIATE");
  for (Pending* pending : batch) {
    writer_->Execute("SAVEPOINT one");
    pending->result = Guard(pending->what, [&] { return (*pending->operation)(*writer_); });
    // After a grave error (full disk) SQLite may have rolled everything back by itself.
    if (!writer_->InTransaction()) return pending->result;
    if (!pending->result.ok()) writer_->Execute("ROLLBACK TO one");
    writer_->Execute("RELEASE one");
    *any |= pending->result.ok();
  }
  writer_->Execute(*any ? "COMMIT" : "ROLLBACK");
  return absl::OkStatus();
}

void Database::CommitBatch(const std::vector<Pending*>& batch) {
  const absl::Duration start = options_.clock->Monotonic();
  bool any = false;
  absl::Status status = Guard("committing", [&] { return RunBatch(batch, &any); });
  if (!status.ok()) {
    // Nothing of the batch is stored: those that had gone well must hear so, too.
    for (Pending* pending : batch) {
      if (pending->result.ok()) pending->result = status;
    }
    if (writer_->InTransaction()) {
      Guard("rolling back", [&] {
        writer_->Execute("ROLLBACK");
        return absl::OkStatus();
      }).IgnoreError();
    }
    return;
  }
  if (any && options_.observe_commit) {
    options_.observe_commit(options_.clock->Monotonic() - start, static_cast<int>(batch.size()));
  }
}

Database::ReadLease::ReadLease(Database& database) : database_(database) {
  {
    MutexLock lock(database_.mutex_);
    if (!database_.idle_readers_.empty()) {
      connection_ = std::move(database_.idle_readers_.back());
      database_.idle_readers_.pop_back();
    }
  }
  if (!connection_) {
    connection_ = std::make_unique<Connection>(database_.path_,
                                               Connection::Options{true, database_.options_.busy_timeout});
  }
  connection_->Execute("BEGIN");
}

Database::ReadLease::~ReadLease() {
  const absl::Status ended = Guard("ending a read", [&] {
    if (connection_->InTransaction()) connection_->Execute("COMMIT");
    return absl::OkStatus();
  });
  // A connection that cannot even end a read is not used again.
  if (!ended.ok()) return;
  MutexLock lock(database_.mutex_);
  if (database_.idle_readers_.size() < kMaxIdleReaders) {
    database_.idle_readers_.push_back(std::move(connection_));
  }
}

}  // namespace quantlab
