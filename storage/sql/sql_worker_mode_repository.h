// WorkerModeRepository over a SQL database of any dialect. See base/records/worker_modes.h for the contract.
#ifndef QUANTLAB_STORAGE_SQL_SQL_WORKER_MODE_REPOSITORY_H_
#define QUANTLAB_STORAGE_SQL_SQL_WORKER_MODE_REPOSITORY_H_

#include <vector>

#include "base/records/worker_modes.h"
#include "storage/sql/database.h"

namespace quantlab {

// Ownership: borrows the database, which outlives it.
class SqlWorkerModeRepository : public WorkerModeRepository {
 public:
  explicit SqlWorkerModeRepository(Database& database) : database_(database) {}

  absl::Status SetWorkerMode(const WorkerModeRecord& record) override;
  absl::StatusOr<std::vector<WorkerModeRecord>> ListWorkerModes() override;

 private:
  Database& database_;
};

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_SQL_SQL_WORKER_MODE_REPOSITORY_H_
