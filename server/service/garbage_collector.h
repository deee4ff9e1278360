// Deletes experiments and what nothing refers to, and says what the space is used for.
//
// A file is removed from the store under the coordinator's lock, after asking the database again whether
// something refers to it. A result is recorded, and an experiment submitted, under the same lock and after a
// check that its files are there, so that neither can come to refer to a file that is being removed.
#ifndef QUANTLAB_SERVER_SERVICE_GARBAGE_COLLECTOR_H_
#define QUANTLAB_SERVER_SERVICE_GARBAGE_COLLECTOR_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/records/deletion.h"
#include "server/core/coordinator.h"
#include "server/service/retention.h"

namespace quantlab {

struct StoredFiles {
  int64_t files = 0;
  int64_t bytes = 0;

  void Add(int64_t size) {
    ++files;
    bytes += size;
  }
  void Add(const StoredFiles& other) {
    files += other.files;
    bytes += other.bytes;
  }
};

struct ExperimentStorage {
  std::string id;
  std::map<ArtifactKind, StoredFiles> own;
  StoredFiles shared;
  int64_t log_entries = 0;

  int64_t own_bytes() const {
    int64_t bytes = 0;
    for (const auto& [kind, files] : own) bytes += files.bytes;
    return bytes;
  }
};

struct StorageUsage {
  std::vector<ExperimentStorage> experiments;  // most bytes first
  StoredFiles artifacts, shared, unreferenced, partial, damaged;
  int64_t database_bytes = 0;
};

struct Collected {
  StoredFiles unreferenced, partial, recent;
};

// Borrows everything. Threads: safe.
class GarbageCollector {
 public:
  static constexpr absl::Duration kStandardAge = absl::Hours(24);

  GarbageCollector(Coordinator* coordinator, DeletionRepository* deletion, ArtifactFiles* files,
                   const Clock* clock)
      : coordinator_(coordinator), deletion_(deletion), files_(files), clock_(clock) {}

  // `experiment_id`: only this one in `experiments`; empty: all. Errors: NOT_FOUND.
  absl::StatusOr<StorageUsage> Usage(const std::string& experiment_id);

  // Returns what left the store. Once the experiment is marked, an error delays the rest until
  // FinishDeletions. Errors: NOT_FOUND; FAILED_PRECONDITION it is active.
  absl::StatusOr<StoredFiles> Delete(const std::string& experiment_id);

  // Goes on with deletions that were interrupted.
  absl::StatusOr<StoredFiles> FinishDeletions();

  // Removes files that nothing refers to and that were last used `age` ago or earlier, and before the oldest
  // attempt that is running now was started: its worker may have been told that they are in the store.
  absl::StatusOr<Collected> Collect(absl::Duration age, bool dry_run);

  // Removes what is older than the policy keeps; then, while the store has more than its quota, what would go
  // next by the policy's order, the oldest first, down to a day old.
  absl::StatusOr<StoredFiles> ApplyRetention(const RetentionPolicy& policy);

 private:
  // Removes up to `most` attempts' files (or one experiment), the oldest, that ended before `before`. None:
  // there is nothing left of it.
  absl::StatusOr<std::optional<StoredFiles>> RemoveSome(RetentionKind kind, absl::Time before, int64_t most);
  absl::Status PurgeRows();
  absl::StatusOr<StoredFiles> RemoveDropped();
  // Those of `digests` that nothing refers to.
  absl::StatusOr<StoredFiles> RemoveUnreferenced(const std::vector<std::string>& digests);
  absl::StatusOr<absl::Time> Oldest(absl::Duration age);
  absl::StatusOr<std::vector<ArtifactFiles::File>> ListUnreferenced();

  Coordinator* const coordinator_;
  DeletionRepository* const deletion_;
  ArtifactFiles* const files_;
  const Clock* const clock_;
  Mutex mutex_;  // held to remove what was deleted; not to list the store or to free large files
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_GARBAGE_COLLECTOR_H_
