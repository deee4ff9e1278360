#include "storage/sqlite/sqlite_connection.h"

#include <sqlite3.h>

#include <SQLiteCpp/Statement.h>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/records/error_reason.h"

namespace quantlab {
namespace {

constexpr int kCheckpointPages = 1000;  // SQLite's own threshold

absl::Status DiskFull(const std::string& message) {
  return WithReason(absl::ResourceExhaustedError(absl::StrCat(
                        message, "; free some space on the data folder's file system and try again")),
                    "DISK_FULL");
}

absl::Status Damaged(const std::string& message) {
  return WithReason(
      absl::DataLossError(absl::StrCat(
          message,
          ": the database is damaged. Stop the coordinator, keep a copy of the data folder, and restore a backup "
          "(quant-coordinator --data-dir DIR --restore FILE), or salvage quantlab.db with: sqlite3 quantlab.db "
          ".recover | sqlite3 new.db")),
      "DATABASE_DAMAGED");
}

// The one border at which SQLite's exceptions stop.
template <typename Body>
auto Translate(Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const SQLite::Exception& error) {
    throw SqlError(StatusFromSqlite(error));
  }
}

class SqliteStatement : public Statement {
 public:
  SqliteStatement(SQLite::Database& database, const char* sql) : statement_(database, sql) {}

  void BindInt(int parameter, int64_t value) override {
    Translate([&] { statement_.bind(parameter, value); });
  }
  void BindText(int parameter, const std::string& value) override {
    Translate([&] { statement_.bind(parameter, value); });
  }
  void BindNull(int parameter) override {
    Translate([&] { statement_.bind(parameter); });
  }
  bool Step() override {
    return Translate([&] { return statement_.executeStep(); });
  }
  int Execute() override {
    return Translate([&] { return statement_.exec(); });
  }
  // Reset reports the error that Step has already thrown.
  void Reset() noexcept override { statement_.tryReset(); }

  bool IsNull(int column) const override {
    return Translate([&] { return statement_.isColumnNull(column); });
  }
  int64_t Int(int column) const override {
    return Translate([&] { return statement_.getColumn(column).getInt64(); });
  }
  std::string Text(int column) const override {
    return Translate([&] { return statement_.getColumn(column).getString(); });
  }

 private:
  // SQLiteCpp reads columns by functions that are not const.
  mutable SQLite::Statement statement_;
};

}  // namespace

absl::Status StatusFromSqlite(const SQLite::Exception& error) {
  const std::string message = error.what();
  const int code = error.getErrorCode() & 0xff;  // without the extended part
  // The shared-memory index cannot grow, or a write fell short: full disks too.
  const int extended = error.getExtendedErrorCode();
  if (code == SQLITE_FULL || extended == SQLITE_IOERR_SHMSIZE) return DiskFull(message);
  switch (code) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return WithReason(
          absl::UnavailableError(absl::StrCat(message, "; another program holds the database, try again")),
          "DATABASE_BUSY");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Damaged(message);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
      return absl::FailedPreconditionError(
          absl::StrCat(message, "; check the permissions of the data folder and the files in it"));
    case SQLITE_NOMEM:
      return absl::ResourceExhaustedError(absl::StrCat(message, "; out of memory"));
    case SQLITE_TOOBIG:
      return absl::InvalidArgumentError(message);
    case SQLITE_IOERR:
      return absl::UnavailableError(
          absl::StrCat(message, "; the disk may be failing: look at the kernel's log (dmesg)"));
    default:
      return absl::InternalError(message);
  }
}

SqliteConnection::SqliteConnection(const std::string& path, const Options& options)
    : observe_checkpoint_(options.observe_checkpoint),
      database_(path,
                (options.read_only ? SQLite::OPEN_READONLY : SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE) |
                    SQLite::OPEN_NOMUTEX,
                static_cast<int>(absl::ToInt64Milliseconds(options.busy_timeout))) {
  Execute("PRAGMA foreign_keys = ON");
  // A database file, damaged or crafted, must not run code.
  Execute("PRAGMA trusted_schema = OFF");
  if (observe_checkpoint_) sqlite3_wal_hook(database_.getHandle(), OnWalCommit, this);
}

// Takes the place of SQLite's automatic checkpoint, and does the same as it. A checkpoint that fails, because
// a reader is in its way, is tried again after the next commit.
int SqliteConnection::OnWalCommit(void* self, sqlite3* database, const char* name, int pages) {
  if (pages < kCheckpointPages) return SQLITE_OK;
  const absl::Duration start = Clock::Real().Monotonic();
  if (sqlite3_wal_checkpoint_v2(database, name, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr) == SQLITE_OK) {
    static_cast<SqliteConnection*>(self)->observe_checkpoint_(Clock::Real().Monotonic() - start);
  }
  return SQLITE_OK;
}

SqliteConnection::~SqliteConnection() = default;

std::unique_ptr<SqliteConnection> SqliteConnection::Open(const std::string& path, const Options& options) {
  return Translate([&] { return std::unique_ptr<SqliteConnection>(new SqliteConnection(path, options)); });
}

Statement& SqliteConnection::Prepare(const char* sql) {
  auto& statement = statements_[sql];
  if (!statement) statement = Translate([&] { return std::make_unique<SqliteStatement>(database_, sql); });
  return *statement;
}

void SqliteConnection::Execute(const std::string& sql) {
  Translate([&] { return database_.exec(sql); });
}

bool SqliteConnection::InTransaction() const {
  return sqlite3_get_autocommit(database_.getHandle()) == 0;
}

}  // namespace quantlab
