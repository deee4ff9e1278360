#include "storage/sql/database.h"

#include <utility>

namespace quantlab {
namespace {

constexpr size_t kMaxBatch = 256;
constexpr size_t kMaxIdleReaders = 16;

}  // namespace

Database::Database(std::unique_ptr<Connection> writer, OpenReader open_reader, DatabaseOptions options)
    : open_reader_(std::move(open_reader)), options_(std::move(options)), writer_(std::move(writer)) {}

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
  // Waiting calls are served in order, so the first batches of this leader may be for others.
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
  writer_->BeginWrite();
  for (Pending* pending : batch) {
    writer_->Execute("SAVEPOINT one");
    pending->result = Guard(pending->what, [&] { return (*pending->operation)(*writer_); });
    // After a severe error (full disk) the database may have rolled everything back by itself.
    if (!writer_->InTransaction()) return pending->result;
    if (!pending->result.ok()) writer_->Execute("ROLLBACK TO SAVEPOINT one");
    writer_->Execute("RELEASE SAVEPOINT one");
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
    // Nothing of the batch is stored: calls that had succeeded fail too.
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
  if (!connection_) connection_ = database_.open_reader_();
  connection_->BeginRead();
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
