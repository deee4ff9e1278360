// EventRepository over a SQL database of any dialect. See base/records/repositories.h for the contract.
#ifndef QUANTLAB_STORAGE_SQL_SQL_EVENT_REPOSITORY_H_
#define QUANTLAB_STORAGE_SQL_SQL_EVENT_REPOSITORY_H_

#include <optional>
#include <string>
#include <vector>

#include "base/records/repositories.h"
#include "storage/sql/database.h"

namespace quantlab {

// Ownership: borrows the database, which outlives it.
class SqlEventRepository : public EventRepository {
 public:
  explicit SqlEventRepository(Database& database) : database_(database) {}

  absl::StatusOr<int64_t> AppendEvents(const AttemptKey& attempt, const std::vector<Event>& events) override;
  absl::StatusOr<std::vector<Change>> ReadChanges(const std::string& experiment_id, int64_t after_sequence,
                                                  int limit, int64_t max_bytes) override;
  absl::StatusOr<Page<LogEntry>> ListLogs(const LogFilter& filter, int page_size,
                                          const std::string& page_token) override;
  absl::StatusOr<std::vector<Event>> ListResultEvents(const AttemptKey& attempt) override;
  absl::StatusOr<std::optional<LatestProgress>> GetProgress(const AttemptKey& attempt) override;
  absl::StatusOr<std::vector<Artifact>> ListArtifacts(const AttemptKey& attempt) override;

 private:
  Database& database_;
};

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_SQL_SQL_EVENT_REPOSITORY_H_
