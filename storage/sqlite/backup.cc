#include "storage/sqlite/backup.h"

#include <cerrno>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <SQLiteCpp/Backup.h>
#include <SQLiteCpp/Database.h>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/records/error_reason.h"
#include "base/status_macros.h"
#include "platform/files.h"
#include "platform/unique_fd.h"
#include "storage/sqlite/migrations.h"
#include "storage/sqlite/sqlite_connection.h"

namespace quantlab {
namespace {

constexpr absl::Duration kBusyTimeout = absl::Seconds(10);

bool Exists(const std::string& path) {
  return access(path.c_str(), F_OK) == 0;
}

absl::Status SyncFile(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid() || fsync(file.get()) != 0) return FileError(errno, "sync", path);
  return absl::OkStatus();
}

absl::Status Move(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return FileError(errno, "move", from);
}

// In one step, which reads one state of the database; in several, each write of others would begin it anew.
absl::Status Copy(const std::string& from, const std::string& to, absl::Duration patience) {
  try {
    SQLite::Database source(from, SQLite::OPEN_READONLY,
                            static_cast<int>(absl::ToInt64Milliseconds(patience)));
    SQLite::Database target(to, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    const int result = SQLite::Backup(target, source).executeStep(-1);
    // The library throws on all other errors, and takes these for a step to be repeated.
    if (result != SQLITE_DONE) {
      return absl::UnavailableError(absl::StrCat("copying ", from, ": another program keeps it locked (",
                                                 sqlite3_errstr(result),
                                                 "); end that program or wait, and try again"));
    }
    // A copy is one file: a log would be made beside it by whoever reads it.
    target.exec("PRAGMA journal_mode = DELETE");
  } catch (const SQLite::Exception& error) {
    return Annotate(StatusFromSqlite(error), absl::StrCat("copying ", from));
  }
  return absl::OkStatus();
}

std::string Restoring(const std::string& database) {
  return database + ".restoring";
}

}  // namespace

absl::Status BackUpSqlite(const std::string& from, const std::string& to, absl::Duration patience) {
  // Only for this user, from its first byte on.
  const UniqueFd made(open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!made.valid() && errno == EEXIST)
    return absl::AlreadyExistsError(absl::StrCat(to, " exists; name another file, or remove it"));
  if (!made.valid()) return FileError(errno, "create", to);
  absl::Status status = Copy(from, to, patience);
  if (status.ok()) status = SyncFile(to);
  if (status.ok()) return SyncDirectory(DirectoryOf(to));
  unlink(to.c_str());
  return status;
}

absl::Status CheckBackup(const std::string& file) {
  if (!Exists(file)) return FileError(errno, "read", file);
  return Annotate(Guard("checking",
                        [&]() -> absl::Status {
                          const auto connection = SqliteConnection::Open(file, {true, kBusyTimeout});
                          Query check(*connection, "PRAGMA integrity_check(1)");
                          if (check.Step() && check.Text(0) != "ok") {
                            return WithReason(
                                absl::DataLossError(absl::StrCat("the file is damaged (", check.Text(0),
                                                                 "); use another backup")),
                                "DATABASE_DAMAGED");
                          }
                          return CheckMigrated(*connection, AllMigrations());
                        }),
                  file);
}

absl::Status RestoreSqlite(const std::string& file, const std::string& database, absl::Time now) {
  QL_RETURN_IF_ERROR(CheckBackup(file));
  const std::string part = database + ".restoring-part";
  unlink(part.c_str());
  QL_RETURN_IF_ERROR(BackUpSqlite(file, part));
  QL_RETURN_IF_ERROR(Move(part, Restoring(database)));
  QL_RETURN_IF_ERROR(SyncDirectory(DirectoryOf(database)));
  // The log belongs to the old database alone: beside the new one it would be applied to it.
  const std::string replaced =
      absl::StrCat(database, ".replaced-", absl::FormatTime("%Y%m%dT%H%M%E3SZ", now, absl::UTCTimeZone()));
  for (const char* suffix : {"", "-wal", "-shm"})
    QL_RETURN_IF_ERROR(Move(database + suffix, replaced + suffix));
  QL_RETURN_IF_ERROR(SyncDirectory(DirectoryOf(database)));
  QL_RETURN_IF_ERROR(Move(Restoring(database), database));
  return SyncDirectory(DirectoryOf(database));
}

absl::Status CheckNotRestoring(const std::string& database) {
  if (!Exists(Restoring(database))) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("a restore of ", database,
                   " was interrupted: run it again (quant-coordinator --restore FILE), or "
                   "move ",
                   Restoring(database), " to ", database));
}

}  // namespace quantlab
