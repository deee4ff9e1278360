// StateRepository over a SQL database of any dialect. See base/records/repositories.h for the contract.
#ifndef QUANTLAB_STORAGE_SQL_SQL_STATE_REPOSITORY_H_
#define QUANTLAB_STORAGE_SQL_SQL_STATE_REPOSITORY_H_

#include <optional>
#include <string>
#include <vector>

#include "base/records/repositories.h"
#include "storage/sql/database.h"

namespace quantlab {

// Ownership: borrows the database, which outlives it.
class SqlStateRepository : public StateRepository {
 public:
  explicit SqlStateRepository(Database& database) : database_(database) {}

  absl::StatusOr<Created> CreateExperiment(const ExperimentRecord& experiment,
                                           const std::vector<RunRecord>& runs) override;
  absl::Status Commit(const StateChange& change) override;
  absl::StatusOr<ExperimentRecord> GetExperiment(const std::string& id) override;
  absl::StatusOr<std::optional<ExperimentRecord>> FindExperimentByRequest(
      const std::string& request_id) override;
  absl::StatusOr<Page<ExperimentRecord>> ListExperiments(const ExperimentFilter& filter, int page_size,
                                                         const std::string& page_token) override;
  absl::StatusOr<RunRecord> GetRun(const std::string& run_id) override;
  absl::StatusOr<std::vector<RunRecord>> ListRuns(const std::string& experiment_id) override;
  absl::StatusOr<std::vector<RunRecord>> ListActiveRuns() override;
  absl::StatusOr<std::vector<AttemptRecord>> ListAttempts(const std::string& run_id) override;
  absl::StatusOr<AttemptRecord> GetAttempt(const AttemptKey& key) override;
  absl::StatusOr<std::optional<AttemptKey>> FindReusable(const std::string& key) override;
  absl::Status SaveWorker(const WorkerRecord& worker) override;
  absl::StatusOr<std::vector<WorkerRecord>> ListWorkers() override;

 private:
  Database& database_;
};

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_SQL_SQL_STATE_REPOSITORY_H_
