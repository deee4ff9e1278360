// The database's schema: numbered, forward-only migrations, storage/sqlite/migrations/NNNN_name.sql, built
// into the program. A released file never changes; a later migration changes what it made.
#ifndef QUANTLAB_STORAGE_SQLITE_MIGRATIONS_H_
#define QUANTLAB_STORAGE_SQLITE_MIGRATIONS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace quantlab {

class Connection;

struct Migration {
  int version = 0;  // 1, 2, 3, …
  std::string name;
  std::string sql;
};

// In order of version, without gaps. Made by the build from storage/sqlite/migrations/.
const std::vector<Migration>& AllMigrations();

// Brings the database to the last of `migrations`, each in a transaction of its own, and notes each with
// its checksum. `connection` is the only one that is open.
// Errors: FAILED_PRECONDITION the database is newer than the program, another program's, or was made by
// other migrations of the same number; DATA_LOSS it is damaged.
absl::Status Migrate(Connection& connection, const std::vector<Migration>& migrations, absl::Time now);

// Whether the database is of this program and of a version up to the last of `migrations`, without changing
// it. Errors: FAILED_PRECONDITION as of Migrate, or it has no tables.
absl::Status CheckMigrated(Connection& connection, const std::vector<Migration>& migrations);

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_SQLITE_MIGRATIONS_H_
