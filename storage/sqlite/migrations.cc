#include "storage/sqlite/migrations.h"

#include "absl/strings/str_cat.h"
#include "base/records/error_reason.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "storage/sql/connection.h"

namespace quantlab {
namespace {

// "QLAB": distinguishes our databases from others.
constexpr int64_t kApplicationId = 0x514C4142;

int64_t Pragma(Connection& connection, const char* sql) {
  Query query(connection, sql);
  return query.Step() ? query.Int(0) : 0;
}

absl::Status CheckItIsOurs(Connection& connection, int64_t version) {
  const int64_t id = Pragma(connection, "PRAGMA application_id");
  if (id == kApplicationId) return absl::OkStatus();
  const bool empty = Pragma(connection, "SELECT count(*) FROM sqlite_schema") == 0;
  if (id == 0 && version == 0 && empty) return absl::OkStatus();  // new
  return absl::FailedPreconditionError(
      "the data folder's quantlab.db belongs to another program; choose another data folder");
}

absl::Status CheckApplied(Connection& connection, const std::vector<Migration>& migrations) {
  Query query(connection, "SELECT version, name, sha256 FROM schema_migrations ORDER BY version");
  size_t i = 0;
  for (; query.Step(); ++i) {
    const Migration& known = migrations[i];
    if (query.Int(0) == known.version && query.Text(2) == Sha256Hex(known.sql)) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("the database was made by another form of migration ", query.Int(0), " (", query.Text(1),
                     ") than this program has; use the program that made it, or a released one"));
  }
  return absl::OkStatus();
}

absl::Status Apply(Connection& connection, const Migration& migration, absl::Time now) {
  connection.BeginWrite();
  if (migration.version == 1) {
    connection.Execute(absl::StrCat("PRAGMA application_id = ", kApplicationId));
    connection.Execute(
        "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, "
        "sha256 TEXT NOT NULL, applied_time INTEGER NOT NULL) STRICT");
  }
  connection.Execute(migration.sql);
  Query(connection, "INSERT INTO schema_migrations VALUES (?, ?, ?, ?)")
      .Bind(migration.version)
      .Bind(migration.name)
      .Bind(Sha256Hex(migration.sql))
      .Bind(now)
      .Execute();
  connection.Execute(absl::StrCat("PRAGMA user_version = ", migration.version));
  if (Query broken(connection, "PRAGMA foreign_key_check"); broken.Step()) {
    return absl::DataLossError(absl::StrCat("migration ", migration.version, " would leave a row of ",
                                            broken.Text(0),
                                            " that points nowhere; the database was left as it was"));
  }
  connection.Execute("COMMIT");
  return absl::OkStatus();
}

absl::Status ApplyOrRollBack(Connection& connection, const Migration& migration, absl::Time now) {
  const absl::Status status = Guard(absl::StrCat("migration ", migration.version, " (", migration.name, ")"),
                                    [&] { return Apply(connection, migration, now); });
  if (!status.ok() && connection.InTransaction()) {
    Guard("rolling back a migration", [&] {
      connection.Execute("ROLLBACK");
      return absl::OkStatus();
    }).IgnoreError();
  }
  return status;
}

// The version, which this program knows; 0: an empty database.
absl::StatusOr<int64_t> ReadVersion(Connection& connection, const std::vector<Migration>& migrations) {
  return Guard("reading the database's version", [&]() -> absl::StatusOr<int64_t> {
    const int64_t version = Pragma(connection, "PRAGMA user_version");
    QL_RETURN_IF_ERROR(CheckItIsOurs(connection, version));
    if (version > static_cast<int64_t>(migrations.size())) {
      return WithReason(absl::FailedPreconditionError(absl::StrCat(
                            "the database has version ", version, ", and this program knows versions up to ",
                            migrations.size(), ": it was used by a newer quant-coordinator; use that one")),
                        "DATABASE_TOO_NEW");
    }
    if (version > 0) QL_RETURN_IF_ERROR(CheckApplied(connection, migrations));
    return version;
  });
}

}  // namespace

absl::Status CheckMigrated(Connection& connection, const std::vector<Migration>& migrations) {
  QL_ASSIGN_OR_RETURN(const int64_t version, ReadVersion(connection, migrations));
  if (version > 0) return absl::OkStatus();
  return absl::FailedPreconditionError("it is an empty database");
}

absl::Status Migrate(Connection& connection, const std::vector<Migration>& migrations, absl::Time now) {
  QL_ASSIGN_OR_RETURN(const int64_t version, ReadVersion(connection, migrations));
  for (size_t i = static_cast<size_t>(version); i < migrations.size(); ++i) {
    QL_RETURN_IF_ERROR(ApplyOrRollBack(connection, migrations[i], now));
  }
  return absl::OkStatus();
}

}  // namespace quantlab
