// DeletionRepository over a SQL database of any dialect. See base/records/deletion.h for the contract.
#ifndef QUANTLAB_STORAGE_SQL_SQL_DELETION_REPOSITORY_H_
#define QUANTLAB_STORAGE_SQL_SQL_DELETION_REPOSITORY_H_

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/records/deletion.h"
#include "storage/sql/database.h"

namespace quantlab {

// Ownership: borrows the database, which outlives it. `measure` returns the bytes of the database's files.
class SqlDeletionRepository : public DeletionRepository {
 public:
  using Measure = std::function<absl::StatusOr<int64_t>()>;
  SqlDeletionRepository(Database& database, Measure measure)
      : database_(database), measure_(std::move(measure)) {}

  absl::Status MarkDeleted(const std::string& experiment_id, absl::Time now) override;
  absl::StatusOr<bool> Purge(int64_t limit) override;
  absl::StatusOr<std::vector<std::string>> ListDropped(int64_t limit) override;
  absl::Status ForgetDropped(const std::vector<std::string>& digests) override;
  absl::StatusOr<std::set<std::string>> Referenced(const std::vector<std::string>& digests) override;
  absl::Status VisitUses(const std::function<void(const ArtifactUse&)>& visit) override;
  absl::StatusOr<std::vector<ExperimentName>> ListNames() override;
  absl::StatusOr<std::vector<int64_t>> ListReleasable(RetentionKind kind, absl::Time before,
                                                      int64_t limit) override;
  absl::Status ReleaseFiles(RetentionKind kind, absl::Time before, const std::vector<int64_t>& attempts,
                            absl::Time now) override;
  absl::StatusOr<std::vector<std::string>> ListEndedBefore(absl::Time before, int64_t limit) override;
  absl::StatusOr<std::optional<absl::Time>> OldestRunningStart() override;
  absl::StatusOr<int64_t> DatabaseBytes() override { return measure_(); }

 private:
  Database& database_;
  const Measure measure_;
};

// Notes what the runs' configurations refer to. For the transaction that creates the experiment. Throws
// SqlError.
void InsertInputs(Connection& connection, int64_t experiment, const std::vector<std::string>& configs);

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_SQL_SQL_DELETION_REPOSITORY_H_
