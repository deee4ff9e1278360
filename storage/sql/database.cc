#include "storage/sql/database.h"

#include <new>
#include <utility>

#include "absl/strings/str_cat.h"

namespace quantlab {
namespace {

constexpr size_t kMaxBatch = 256;
constexpr size_t kMaxIdleReaders = 16;

// An exception would leave this transaction half done and every other call waiting.
absl::Status Perform(const Database::Operation& operation, Connection& connection) {
  try {
    return operation(connection);
  } catch (const SqlError&) {
    throw;
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("there is no memory for this write");
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("a fault of the program: ", error.what()));
  }
}

}  // namespace

Database::Database(std::unique_ptr<Connection> writer, OpenReader open_reader, DatabaseOptions options)
    : open_reader_(std::move(open_reader)), options_(std::move(options)), writer_(std::move(writer)) {}

absl::Status Database::Write(absl::string_view what, const Operation& operation) {
  if (Group* group = GroupOfThisThread()) return WriteInGroup(*group, what, operation);
  Pending mine{what, &operation, absl::OkStatus()};
  std::vector<Pending*> batch;
  {
    MutexLock lock(mutex_);
    waiting_.push_back(&mine);
    while (!mine.done && (leading_ || group_waits_)) turn_.Wait(mutex_);
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

absl::Status Database::RunOne(Pending& pending) {
  writer_->Execute("SAVEPOINT one");
  pending.result = Guard(pending.what, [&] { return Perform(*pending.operation, *writer_); });
  // After a severe error (full disk) the database may have rolled everything back by itself.
  if (!writer_->InTransaction()) return pending.result;
  if (!pending.result.ok()) writer_->Execute("ROLLBACK TO SAVEPOINT one");
  writer_->Execute("RELEASE SAVEPOINT one");
  return absl::OkStatus();
}

absl::Status Database::RunAndCommit(const std::vector<Pending*>& batch, bool& any) {
  for (Pending* pending : batch) {
    QL_RETURN_IF_ERROR(RunOne(*pending));
    any |= pending->result.ok();
  }
  writer_->Execute(any ? "COMMIT" : "ROLLBACK");
  return absl::OkStatus();
}

// Nothing of the batch is stored, so calls that had succeeded fail too; and the error of another may come
// from what is not stored.
void Database::Abandon(const std::vector<Pending*>& batch, const absl::Status& status) {
  for (Pending* pending : batch) pending->result = status;
  if (!writer_->InTransaction()) return;
  Guard("rolling back", [&] {
    writer_->Execute("ROLLBACK");
    return absl::OkStatus();
  }).IgnoreError();
}

void Database::CommitBatch(const std::vector<Pending*>& batch) {
  const absl::Duration start = options_.clock->Monotonic();
  bool any = false;
  const absl::Status status = Guard("committing", [&] {
    writer_->BeginWrite();
    return RunAndCommit(batch, any);
  });
  if (!status.ok()) return Abandon(batch, status);
  if (any && options_.observe_commit) {
    options_.observe_commit(options_.clock->Monotonic() - start, static_cast<int>(batch.size()));
  }
}

// ---- groups ------------------------------------------------------------------------------------------

absl::Status Database::Together(const std::function<void()>& body) {
  Group group{std::this_thread::get_id()};
  {
    MutexLock lock(mutex_);
    while (group_ != nullptr) turn_.Wait(mutex_);
    group_ = &group;
  }
  try {
    body();
  } catch (...) {
    group.broken = absl::AbortedError("the writes were not completed");
    EndGroup(group).IgnoreError();
    throw;
  }
  return EndGroup(group);
}

Database::Group* Database::GroupOfThisThread() {
  MutexLock lock(mutex_);
  return group_ != nullptr && group_->thread == std::this_thread::get_id() ? group_ : nullptr;
}

Connection* Database::GroupConnection() {
  Group* const group = GroupOfThisThread();
  if (group == nullptr || !group->open) return nullptr;
  CheckGroup(*group);
  if (!group->broken.ok()) throw SqlError(group->broken);
  return writer_.get();
}

// A read can end a transaction too.
void Database::CheckGroup(Group& group) {
  if (!group.broken.ok() || writer_->InTransaction()) return;
  group.broken = absl::UnavailableError("the database rolled the transaction back; try again");
}

absl::Status Database::OpenGroup(Group& group) {
  {
    MutexLock lock(mutex_);
    group_waits_ = true;
    while (leading_) turn_.Wait(mutex_);
    group_waits_ = false;
    leading_ = true;
  }
  group.start = options_.clock->Monotonic();
  const absl::Status begun = Guard("beginning a transaction", [&] {
    writer_->BeginWrite();
    return absl::OkStatus();
  });
  group.open = begun.ok();
  if (begun.ok()) return begun;
  MutexLock lock(mutex_);
  leading_ = false;
  turn_.NotifyAll();
  return begun;
}

absl::Status Database::WriteInGroup(Group& group, absl::string_view what, const Operation& operation) {
  if (group.open) CheckGroup(group);
  QL_RETURN_IF_ERROR(group.broken);
  if (!group.open) QL_RETURN_IF_ERROR(OpenGroup(group));
  Pending mine{what, &operation, absl::OkStatus()};
  group.broken = Guard(what, [&] { return RunOne(mine); });
  QL_RETURN_IF_ERROR(group.broken);
  ++group.writes;
  group.any |= mine.result.ok();
  return mine.result;
}

absl::Status Database::CommitGroup(Group& group) {
  CheckGroup(group);
  std::vector<Pending*> others;
  if (group.broken.ok()) {
    MutexLock lock(mutex_);
    others = TakeBatch();
  }
  const absl::Status status =
      group.broken.ok() ? Guard("committing", [&] { return RunAndCommit(others, group.any); }) : group.broken;
  if (!status.ok()) {
    Abandon(others, status);
  } else if (group.any && options_.observe_commit) {
    options_.observe_commit(options_.clock->Monotonic() - group.start,
                            group.writes + static_cast<int>(others.size()));
  }
  MutexLock lock(mutex_);
  for (Pending* pending : others) pending->done = true;
  leading_ = false;
  return status;
}

absl::Status Database::EndGroup(Group& group) {
  const absl::Status status = group.open ? CommitGroup(group) : group.broken;
  MutexLock lock(mutex_);
  group_ = nullptr;
  turn_.NotifyAll();
  return status;
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
