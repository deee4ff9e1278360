#include "storage/sqlite_connection.h"

#include <limits>
#include <sqlite3.h>

#include "absl/strings/str_cat.h"
#include "base/error_reason.h"

namespace quantlab {
namespace {

absl::Status DiskFull(const std::string& message) {
  return WithReason(absl::ResourceExhaustedError(absl::StrCat(
                        message, "; free some space on the data folder's file system and try again")),
                    "DISK_FULL");
}

absl::Status Damaged(const std::string& message) {
  return WithReason(
      absl::DataLossError(absl::StrCat(
          message,
          ": the database is damaged. Stop the coordinator, keep a copy of the data folder, and restore "
          "quantlab.db from a backup or salvage it with: sqlite3 quantlab.db .recover | sqlite3 new.db")),
      "DATABASE_DAMAGED");
}

}  // namespace

absl::Status StatusFromSqlite(const SQLite::Exception& error, absl::string_view what) {
  const std::string message = absl::StrCat(what, ": ", error.what());
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

int64_t NanosFromTime(absl::Time time) {
  return absl::ToUnixNanos(time);  // saturates
}

absl::Time TimeFromNanos(int64_t nanos) {
  if (nanos == std::numeric_limits<int64_t>::max()) return absl::InfiniteFuture();
  if (nanos == std::numeric_limits<int64_t>::min()) return absl::InfinitePast();
  return absl::FromUnixNanos(nanos);
}

Query::Query(Connection& connection, const char* sql) : statement_(connection.Prepared(sql)) {}

Query::~Query() {
  // What reset reports is the error that Step has thrown already.
  statement_.tryReset();
}

Query& Query::Bind(int64_t value) {
  statement_.bind(++bound_, value);
  return *this;
}

Query& Query::Bind(const std::string& value) {
  statement_.bind(++bound_, value);
  return *this;
}

Query& Query::BindNull() {
  statement_.bind(++bound_);
  return *this;
}

bool Query::Step() {
  return statement_.executeStep();
}

int Query::Execute() {
  return statement_.exec();
}

bool Query::IsNull(int column) const {
  return statement_.isColumnNull(column);
}

int64_t Query::Int(int column) const {
  return statement_.getColumn(column).getInt64();
}

std::string Query::Text(int column) const {
  return statement_.getColumn(column).getString();
}

std::optional<absl::Time> Query::OptionalTime(int column) const {
  if (IsNull(column)) return std::nullopt;
  return Time(column);
}

Connection::Connection(const std::string& path, const Options& options)
    : database_(path,
                (options.read_only ? SQLite::OPEN_READONLY : SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE) |
                    SQLite::OPEN_NOMUTEX,
                static_cast<int>(absl::ToInt64Milliseconds(options.busy_timeout))) {
  Execute("PRAGMA foreign_keys = ON");
  // Nothing in a database file, damaged or planted, may run code.
  Execute("PRAGMA trusted_schema = OFF");
}

bool Connection::InTransaction() const {
  return sqlite3_get_autocommit(database_.getHandle()) == 0;
}

SQLite::Statement& Connection::Prepared(const char* sql) {
  auto& statement = statements_[sql];
  if (!statement) statement = std::make_unique<SQLite::Statement>(database_, sql);
  return *statement;
}

}  // namespace quantlab
