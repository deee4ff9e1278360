// Opens the SQLite database of a data folder.
#ifndef QUANTLAB_STORAGE_SQLITE_SQLITE_DATABASE_H_
#define QUANTLAB_STORAGE_SQLITE_SQLITE_DATABASE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "storage/sql/database.h"
#include "storage/sqlite/migrations.h"

namespace quantlab {

struct SqliteOptions {
  absl::Duration busy_timeout = absl::Seconds(10);
  // RESOURCE_EXHAUSTED when the file would grow beyond it; 0: no limit of its own.
  int64_t max_bytes = 0;
  // A damaged file is detected when it is opened rather than when the damaged page is read. Reads the whole
  // file, so larger ones are not checked.
  int64_t check_up_to_bytes = int64_t{256} << 20;
  // Called after each checkpoint of the write-ahead log with its duration.
  std::function<void(absl::Duration)> observe_checkpoint;
  DatabaseOptions database;
};

// Opens or creates the file and brings it to the last of `migrations`. Commits are durable when they return
// (WAL, synchronous = FULL).
// Errors: see Migrate; DATA_LOSS a damaged file; RESOURCE_EXHAUSTED the disk is full.
absl::StatusOr<std::unique_ptr<Database>> OpenSqliteDatabase(
    const std::string& path, const SqliteOptions& options,
    const std::vector<Migration>& migrations = AllMigrations());

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_SQLITE_SQLITE_DATABASE_H_
