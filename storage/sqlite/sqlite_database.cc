#include "storage/sqlite/sqlite_database.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "storage/sqlite/sqlite_connection.h"

namespace quantlab {
namespace {

constexpr int kPageBytes = 8192;

// PRAGMA quick_check: every page is whole and every row has its types.
absl::Status CheckIntegrity(Connection& connection) {
  Query query(connection, "PRAGMA quick_check(1)");
  if (!query.Step() || query.Text(0) == "ok") return absl::OkStatus();
  // The same message, remedy and code as for damage that is detected later.
  return Annotate(StatusFromSqlite(SQLite::Exception(query.Text(0), SQLITE_CORRUPT)), "checking quantlab.db");
}

void SetUp(Connection& connection, const SqliteOptions& options) {
  // Before the first table is made; later it changes nothing.
  connection.Execute(absl::StrCat("PRAGMA page_size = ", kPageBytes));
  connection.Execute("PRAGMA journal_mode = WAL");
  connection.Execute("PRAGMA synchronous = FULL");
  // The next checkpoint truncates a log that a burst of writes has grown.
  connection.Execute("PRAGMA journal_size_limit = 67108864");
  if (options.max_bytes > 0) {
    connection.Execute(absl::StrCat("PRAGMA max_page_count = ", options.max_bytes / kPageBytes));
  }
}

absl::StatusOr<std::unique_ptr<Connection>> OpenWriter(const std::string& path, const SqliteOptions& options,
                                                       const std::vector<Migration>& migrations) {
  struct stat stat;
  const bool check = ::stat(path.c_str(), &stat) == 0 && stat.st_size <= options.check_up_to_bytes;
  std::unique_ptr<Connection> writer;
  QL_RETURN_IF_ERROR(Guard(absl::StrCat("opening ", path), [&]() -> absl::Status {
    writer = SqliteConnection::Open(path, {false, options.busy_timeout, options.observe_checkpoint});
    SetUp(*writer, options);
    return check ? CheckIntegrity(*writer) : absl::OkStatus();
  }));
  QL_RETURN_IF_ERROR(Annotate(Migrate(*writer, migrations, options.database.clock->Now()), path));
  return writer;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> OpenSqliteDatabase(const std::string& path,
                                                             const SqliteOptions& options,
                                                             const std::vector<Migration>& migrations) {
  QL_ASSIGN_OR_RETURN(std::unique_ptr<Connection> writer, OpenWriter(path, options, migrations));
  // The file's directory entry must survive a power failure, too.
  QL_RETURN_IF_ERROR(SyncDirectory(DirectoryOf(path)));
  auto open_reader = [path, timeout = options.busy_timeout] {
    return SqliteConnection::Open(path, {true, timeout});
  };
  return std::make_unique<Database>(std::move(writer), std::move(open_reader), options.database);
}

}  // namespace quantlab
