// Copies of the database: made while it is used, and put back.
#ifndef QUANTLAB_STORAGE_SQLITE_BACKUP_H_
#define QUANTLAB_STORAGE_SQLITE_BACKUP_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace quantlab {

// Copies the database as it is at one moment to a new file, whole and synced, while others go on using it.
// Holds up nobody but the truncation of the write-ahead log. Errors: ALREADY_EXISTS there is a file `to`;
// RESOURCE_EXHAUSTED the disk is full; UNAVAILABLE another program has kept the database locked for
// `patience`; DATA_LOSS.
absl::Status BackUpSqlite(const std::string& from, const std::string& to,
                          absl::Duration patience = absl::Seconds(10));

// Checks all of a copy: every page, that it is a database of this program, and that its version is not newer.
// Errors: NOT_FOUND; FAILED_PRECONDITION another program's, or a newer version's; DATA_LOSS it is damaged.
absl::Status CheckBackup(const std::string& file);

// Replaces the database by a copy of `file`, which is checked first. The one that was there stays as
// "<database>.replaced-<time>". Nobody may have the database open.
// Killed at any moment it leaves the old database, or a state that CheckNotRestoring names; calling it again
// ends that.
absl::Status RestoreSqlite(const std::string& file, const std::string& database, absl::Time now);

// FAILED_PRECONDITION where RestoreSqlite was interrupted between taking the old database away and putting
// the new one in its place.
absl::Status CheckNotRestoring(const std::string& database);

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_SQLITE_BACKUP_H_
