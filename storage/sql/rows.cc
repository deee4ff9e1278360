#include "storage/sql/rows.h"

#include "absl/strings/str_cat.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/message_json.h"
#include "base/messages/messages.h"
#include "base/records/error_reason.h"
#include "base/status_macros.h"

namespace quantlab {
namespace {

absl::Status UnknownName(absl::string_view what, const std::string& name) {
  return WithReason(absl::DataLossError(absl::StrCat("the database has '", name, "' as a ", what,
                                                     "; restore quantlab.db from a backup")),
                    "DATABASE_DAMAGED");
}

}  // namespace

absl::StatusOr<int64_t> ExperimentKey(Connection& connection, const std::string& id) {
  Query query(connection, "SELECT key FROM experiments WHERE id = ? AND delete_time IS NULL");
  if (!query.Bind(id).Step())
    return MessageStatus(absl::StatusCode::kNotFound, messages::kNoSuchExperiment(id));
  return query.Int(0);
}

absl::StatusOr<RunKeys> FindRun(Connection& connection, const std::string& id) {
  Query query(connection, "SELECT key, experiment FROM runs WHERE id = ?");
  if (!query.Bind(id).Step()) return absl::NotFoundError(absl::StrCat("there is no run ", id));
  return RunKeys{query.Int(0), query.Int(1)};
}

absl::StatusOr<AttemptRow> FindAttempt(Connection& connection, const AttemptKey& key) {
  Query query(connection,
              "SELECT attempts.key, runs.key, runs.experiment, attempts.state, attempts.last_event "
              "FROM attempts JOIN runs ON runs.key = attempts.run WHERE runs.id = ? AND number = ?");
  if (!query.Bind(key.run_id).Bind(key.number).Step()) {
    return absl::NotFoundError(absl::StrCat("there is no attempt ", key.number, " of run ", key.run_id));
  }
  AttemptRow row{query.Int(0), {query.Int(1), query.Int(2)}, RunState::kRunning, query.Int(4)};
  QL_ASSIGN_OR_RETURN(row.state, ReadRunState(query.Text(3)));
  return row;
}

absl::StatusOr<RunState> ReadRunState(const std::string& name) {
  const auto state = ParseRunState(name);
  if (!state) return UnknownName("run state", name);
  return *state;
}

absl::StatusOr<ExperimentState> ReadExperimentState(const std::string& name) {
  const auto state = ParseExperimentState(name);
  if (!state) return UnknownName("experiment state", name);
  return *state;
}

Message ReadMessage(const std::string& column) {
  return MessageFromJson(column).value_or(Message());
}

ChangeLog::ChangeLog(Connection& connection, int64_t experiment)
    : connection_(connection), experiment_(experiment) {
  Query query(connection_, "SELECT sequence FROM experiments WHERE key = ?");
  if (query.Bind(experiment).Step()) sequence_ = query.Int(0);
}

void ChangeLog::Append(const ChangeRow& row) {
  Query(connection_,
        "INSERT INTO changes (experiment, sequence, time, kind, run, attempt, event, severity, content, "
        "message, coded_message) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .Bind(experiment_)
      .Bind(++sequence_)
      .Bind(row.time)
      .Bind(static_cast<int>(row.kind))
      .Bind(row.run)
      .Bind(row.attempt)
      .Bind(row.event)
      .Bind(row.severity)
      .Bind(row.content)
      .Bind(row.message)
      .Bind(MessageToJson(row.coded_message))
      .Execute();
}

void ChangeLog::Finish() {
  Query(connection_, "UPDATE experiments SET sequence = ? WHERE key = ?")
      .Bind(sequence_)
      .Bind(experiment_)
      .Execute();
}

}  // namespace quantlab
