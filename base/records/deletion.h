// Deletion of experiments and of files that nothing refers to, and what the stored files belong to.
// Implemented by storage/, used by the coordinator's storage service.
//
// An experiment is deleted in three steps, and a process may be killed between and within any of them:
//   1. MarkDeleted, one small transaction: from then on the experiment is gone for users.
//   2. Purge, in bounded transactions: its rows are removed, and the digests of its files are noted.
//   3. The noted files that nothing else refers to leave the store, and the notes are removed.
// The rows of an attempt stay as long as a run of another experiment has its result.
//
// Threads: all implementations are safe.
// Errors:  those of base/records/repositories.h.
#ifndef QUANTLAB_BASE_RECORDS_DELETION_H_
#define QUANTLAB_BASE_RECORDS_DELETION_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace quantlab {

enum class ArtifactKind {
  kModel,   // "model/…" of a result
  kInput,   // uploaded before the experiment was submitted
  kResult,  // everything else that runs wrote
};

// An experiment refers to a stored file.
struct ArtifactUse {
  std::string sha256;
  int64_t experiment = 0;  // the database's key of it; see ListNames
  ArtifactKind kind = ArtifactKind::kModel;
};

// What retention rules apply to, in the order in which it goes when space is needed.
enum class RetentionKind {
  kAttempts,      // files of attempts that are no run's result and that no reuse key leads to
  kFailedModels,  // models of experiments that failed or were cancelled
  kModels,        // models of all experiments
  kExperiments,   // experiments with everything
};
inline constexpr RetentionKind kAllRetentionKinds[] = {RetentionKind::kAttempts, RetentionKind::kFailedModels,
                                                       RetentionKind::kModels, RetentionKind::kExperiments};

struct ExperimentName {
  int64_t experiment = 0;
  std::string id;
  int64_t log_entries = 0;  // in its change log
};

class DeletionRepository {
 public:
  virtual ~DeletionRepository() = default;

  // Errors: NOT_FOUND; FAILED_PRECONDITION it is active.
  virtual absl::Status MarkDeleted(const std::string& experiment_id, absl::Time now) = 0;

  // Removes about `limit` rows of deleted experiments that no other experiment needs. True: more are left.
  virtual absl::StatusOr<bool> Purge(int64_t limit) = 0;

  // Up to `limit` digests of files of which a name was removed.
  virtual absl::StatusOr<std::vector<std::string>> ListDropped(int64_t limit) = 0;
  virtual absl::Status ForgetDropped(const std::vector<std::string>& digests) = 0;

  // Those of `digests` that something stored refers to.
  virtual absl::StatusOr<std::set<std::string>> Referenced(const std::vector<std::string>& digests) = 0;

  // Calls `visit` for each file that an experiment refers to, by its own attempts, by results that it took
  // over or by its inputs; in the order of their digests, then of the experiments.
  virtual absl::Status VisitUses(const std::function<void(const ArtifactUse&)>& visit) = 0;
  // Of all experiments that are not deleted, newest first.
  virtual absl::StatusOr<std::vector<ExperimentName>> ListNames() = 0;

  // Up to `limit` attempts with files of the kind, those that ended first, where every experiment that has
  // their result ended before `before`: the database's keys. Not for kExperiments.
  virtual absl::StatusOr<std::vector<int64_t>> ListReleasable(RetentionKind kind, absl::Time before,
                                                              int64_t limit) = 0;
  // Gives up these files where that still holds. The attempts refer to them no longer, and reuse keys that
  // lead to the attempts are removed with them.
  virtual absl::Status ReleaseFiles(RetentionKind kind, absl::Time before,
                                    const std::vector<int64_t>& attempts, absl::Time now) = 0;
  // Up to `limit` experiments that ended before `before`, the oldest first.
  virtual absl::StatusOr<std::vector<std::string>> ListEndedBefore(absl::Time before, int64_t limit) = 0;

  // When the oldest attempt that is running now was started.
  virtual absl::StatusOr<std::optional<absl::Time>> OldestRunningStart() = 0;
  // Of the database, with its log and the space that deleted rows left free.
  virtual absl::StatusOr<int64_t> DatabaseBytes() = 0;
};

// The artifact store's files, as opposed to their contents.
class ArtifactFiles {
 public:
  virtual ~ArtifactFiles() = default;

  struct File {
    std::string name;  // the digest; of other files in the folders of the store, their names
    int64_t size = 0;
    absl::Time last_used;  // when it was stored, or within an hour of when a client last asked for it
  };
  virtual absl::StatusOr<std::vector<File>> ListStored() = 0;
  // Uploads that have not ended, and files that were set aside as damaged.
  virtual absl::StatusOr<std::vector<File>> ListPartial() = 0;
  virtual absl::StatusOr<std::vector<File>> ListDamaged() = 0;

  // Takes a file out of the store; its bytes are freed by the next FreeRemoved. Fast. Returns its size; 0
  // where there is none. Whoever reads it reads on.
  virtual absl::StatusOr<int64_t> Remove(const std::string& sha256) = 0;
  virtual absl::Status FreeRemoved() = 0;

  // Deletes uploads that nobody has continued since `before`. Returns them.
  virtual absl::StatusOr<std::vector<File>> DeletePartial(absl::Time before) = 0;
};

}  // namespace quantlab

#endif  // QUANTLAB_BASE_RECORDS_DELETION_H_
