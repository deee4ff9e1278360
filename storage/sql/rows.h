// Queries that both repositories use. Everything here runs inside Guard() and may throw.
#ifndef QUANTLAB_STORAGE_SQL_ROWS_H_
#define QUANTLAB_STORAGE_SQL_ROWS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/records/records.h"
#include "storage/sql/connection.h"
#include "storage/sql/event_codec.h"

namespace quantlab {

// NOT_FOUND where there is none of that id.
absl::StatusOr<int64_t> ExperimentKey(Connection& connection, const std::string& id);

struct RunKeys {
  int64_t run = 0;
  int64_t experiment = 0;
};
absl::StatusOr<RunKeys> FindRun(Connection& connection, const std::string& id);

// The columns of an attempt's row that changes need.
struct AttemptRow {
  int64_t key = 0;
  RunKeys run;
  RunState state = RunState::kRunning;
  int64_t last_event = 0;
};
absl::StatusOr<AttemptRow> FindAttempt(Connection& connection, const AttemptKey& key);

// A name in the database that the program does not know: DATA_LOSS.
absl::StatusOr<RunState> ReadRunState(const std::string& name);
absl::StatusOr<ExperimentState> ReadExperimentState(const std::string& name);

// The content of a column coded_message. No message where this version cannot read it: the text beside it
// is shown instead.
Message ReadMessage(const std::string& column);

// One entry of an experiment's change log, as a row.
struct ChangeRow {
  absl::Time time;
  ChangeKind kind = ChangeKind::kRunState;
  std::optional<int64_t> run, attempt, event, severity;
  std::string content;
  std::string message;
  Message coded_message;
};

// Adds entries to one experiment's log, with its next sequence numbers.
class ChangeLog {
 public:
  ChangeLog(Connection& connection, int64_t experiment);

  void Append(const ChangeRow& row);
  // Writes the last sequence number back; call it once, last.
  void Finish();

 private:
  Connection& connection_;
  const int64_t experiment_;
  int64_t sequence_ = 0;
};

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_SQL_ROWS_H_
