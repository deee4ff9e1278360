#include "storage/sql/state_commit.h"

#include <map>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/messages/message_json.h"
#include "base/records/checkpoint_names.h"
#include "base/records/error_reason.h"
#include "base/records/run_state.h"
#include "base/status_macros.h"
#include "storage/sql/checkpoint_rows.h"
#include "storage/sql/rows.h"

namespace quantlab {
namespace {

std::string Name(RunState state) {
  return std::string(RunStateName(state));
}

absl::Status Fenced(const AttemptKey& key, RunState state) {
  return WithReason(
      absl::AbortedError(absl::StrCat("attempt ", key.number, " of run ", key.run_id, " is ", Name(state),
                                      ", no longer running; what is sent for "
                                      "it changes nothing")),
      "ATTEMPT_FENCED");
}

// Applies one StateChange to the tables.
class Commit {
 public:
  Commit(Connection& connection, const StateChange& change) : connection_(connection), change_(change) {}

  absl::Status Apply() {
    if (change_.end_attempt) QL_RETURN_IF_ERROR(EndAttempt(*change_.end_attempt));
    for (const RunTransition& transition : change_.runs) QL_RETURN_IF_ERROR(Transition(transition));
    if (change_.start_attempt) QL_RETURN_IF_ERROR(StartAttempt(*change_.start_attempt));
    for (const CancelRequest& request : change_.cancel_requests) QL_RETURN_IF_ERROR(Cancel(request));
    if (change_.remember) QL_RETURN_IF_ERROR(Remember(*change_.remember));
    QL_RETURN_IF_ERROR(CheckRunsHaveTheirAttempts());
    for (auto& [experiment, log] : logs_) {
      QL_RETURN_IF_ERROR(DeriveState(experiment, log));
      log.Finish();
    }
    return absl::OkStatus();
  }

 private:
  absl::Status EndAttempt(const AttemptEnd& end) {
    if (!IsEnded(end.outcome) || end.outcome == RunState::kSkipped) {
      return absl::InvalidArgumentError(absl::StrCat("an attempt cannot end as ", Name(end.outcome)));
    }
    QL_ASSIGN_OR_RETURN(const AttemptRow row, FindAttempt(connection_, end.key));
    if (row.state != RunState::kRunning) return Fenced(end.key, row.state);
    if (row.last_event < end.last_event) {
      return WithReason(absl::FailedPreconditionError(absl::StrCat(
                            "attempt ", end.key.number, " of run ", end.key.run_id, " has events up to ",
                            row.last_event, ", not yet ", end.last_event, "; send the missing ones first")),
                        "EVENTS_MISSING");
    }
    Query(connection_,
          "UPDATE attempts SET state = ?, message = ?, coded_message = ?, end_time = ? WHERE key = ?")
        .Bind(Name(end.outcome))
        .Bind(end.message)
        .Bind(MessageToJson(end.coded_message))
        .Bind(end.time)
        .Bind(row.key)
        .Execute();
    touched_.insert(row.run.run);
    return AddArtifacts(row.key, end);
  }

  absl::Status AddArtifacts(int64_t attempt, const AttemptEnd& end) {
    std::set<std::string> names;
    for (const Artifact& artifact : end.artifacts) {
      if (!names.insert(artifact.name).second) {
        return absl::InvalidArgumentError(absl::StrCat("artifact ", artifact.name, " is named twice"));
      }
      if (IsCheckpointName(artifact.name)) continue;  // stored with its event
      if (artifact.name.empty() || artifact.sha256.size() != 64 || artifact.size < 0) {
        return absl::InvalidArgumentError(
            absl::StrCat("artifact '", artifact.name, "' has no name, no digest or a negative size"));
      }
      Query(connection_, "INSERT INTO artifacts (attempt, name, sha256, size) VALUES (?, ?, ?, ?)")
          .Bind(attempt)
          .Bind(artifact.name)
          .Bind(artifact.sha256)
          .Bind(artifact.size)
          .Execute();
    }
    return absl::OkStatus();
  }

  absl::Status Transition(const RunTransition& transition) {
    if (!CanTransition(transition.from, transition.to)) {
      return absl::FailedPreconditionError(absl::StrCat("a run cannot go from ", Name(transition.from),
                                                        " to ", Name(transition.to), " (", transition.run_id,
                                                        ")"));
    }
    if ((transition.to == RunState::kSucceeded) != transition.result.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("run ", transition.run_id, ": a result comes with SUCCEEDED, and only with it"));
    }
    QL_ASSIGN_OR_RETURN(const RunKeys keys, FindRun(connection_, transition.run_id));
    std::optional<int64_t> result;
    if (transition.result) {
      QL_ASSIGN_OR_RETURN(const AttemptRow row, FindAttempt(connection_, *transition.result));
      result = row.key;
    }
    if (UpdateRun(transition, keys.run, result) == 0) return UnexpectedState(transition, keys.run);
    touched_.insert(keys.run);
    if (IsEnded(transition.to)) DropCheckpoints(connection_, keys.run, /*kept=*/0);
    ChangeRow entry;
    entry.time = change_.time;
    entry.kind = ChangeKind::kRunState;
    entry.run = keys.run;
    entry.content = Name(transition.to);
    entry.message = transition.message;
    entry.coded_message = transition.coded_message;
    LogOf(keys.experiment).Append(entry);
    return absl::OkStatus();
  }

  int UpdateRun(const RunTransition& transition, int64_t run, std::optional<int64_t> result) {
    const std::optional<absl::Time> now = change_.time, none;
    const bool queued = transition.to == RunState::kQueued;
    const bool running = transition.to == RunState::kRunning;
    return Query(connection_,
                 "UPDATE runs SET state = ?, message = ?, coded_message = ?, result = ?, reused = ?, crashes "
                 "= ?, "
                 "interruptions = ?, cancel_requested = 0, queue_time = coalesce(?, queue_time), "
                 "start_time = coalesce(start_time, ?), end_time = ? WHERE key = ? AND state = ?")
        .Bind(Name(transition.to))
        .Bind(transition.message)
        .Bind(MessageToJson(transition.coded_message))
        .Bind(result)
        .Bind(transition.reused)
        .Bind(transition.crashes)
        .Bind(transition.interruptions)
        .Bind(queued ? now : none)
        .Bind(running ? now : none)
        .Bind(IsEnded(transition.to) ? now : none)
        .Bind(run)
        .Bind(Name(transition.from))
        .Execute();
  }

  absl::Status UnexpectedState(const RunTransition& transition, int64_t run) {
    Query query(connection_, "SELECT state FROM runs WHERE key = ?");
    const std::string state = query.Bind(run).Step() ? query.Text(0) : "";
    return absl::AbortedError(absl::StrCat("run ", transition.run_id, " is ", state, ", not ",
                                           Name(transition.from), "; read it again and decide anew"));
  }

  absl::Status StartAttempt(const AttemptRecord& attempt) {
    QL_ASSIGN_OR_RETURN(const RunKeys keys, FindRun(connection_, attempt.key.run_id));
    const int counted = Query(connection_, "UPDATE runs SET attempts = ? WHERE key = ? AND attempts = ?")
                            .Bind(attempt.key.number)
                            .Bind(keys.run)
                            .Bind(attempt.key.number - 1)
                            .Execute();
    if (counted == 0) {
      return absl::AbortedError(absl::StrCat("attempt ", attempt.key.number, " of run ", attempt.key.run_id,
                                             " is not the next one; read the run again and decide anew"));
    }
    Query(connection_,
          "INSERT INTO attempts (run, number, worker_id, worker_hostname, worker_fingerprint, "
          "runner_sha256, state, message, coded_message, start_time) VALUES (?, ?, ?, ?, ?, ?, 'RUNNING', ?, "
          "?, ?)")
        .Bind(keys.run)
        .Bind(attempt.key.number)
        .Bind(attempt.worker_id)
        .Bind(attempt.worker_hostname)
        .Bind(attempt.worker_fingerprint)
        .Bind(attempt.runner_sha256)
        .Bind(attempt.message)
        .Bind(MessageToJson(attempt.coded_message))
        .Bind(attempt.start_time)
        .Execute();
    touched_.insert(keys.run);
    return absl::OkStatus();
  }

  absl::Status Cancel(const CancelRequest& request) {
    QL_ASSIGN_OR_RETURN(const RunKeys keys, FindRun(connection_, request.run_id));
    const int changed = Query(connection_,
                              "UPDATE runs SET cancel_requested = 1, message = ?, coded_message = ? "
                              "WHERE key = ? AND state = 'RUNNING'")
                            .Bind(request.message)
                            .Bind(MessageToJson(request.coded_message))
                            .Bind(keys.run)
                            .Execute();
    if (changed == 0) {
      return absl::AbortedError(
          absl::StrCat("run ", request.run_id, " is not running; read it again and decide anew"));
    }
    return absl::OkStatus();
  }

  absl::Status Remember(const ReuseEntry& entry) {
    if (entry.key.empty()) return absl::InvalidArgumentError("a reuse entry needs a key");
    QL_ASSIGN_OR_RETURN(const AttemptRow row, FindAttempt(connection_, entry.attempt));
    Query(
        connection_,
        "INSERT INTO reusable (reuse_key, attempt) VALUES (?, ?) ON CONFLICT (reuse_key) DO UPDATE SET attempt = excluded.attempt")
        .Bind(entry.key)
        .Bind(row.key)
        .Execute();
    return absl::OkStatus();
  }

  // A run leaves the queue only together with its attempt, and RUNNING only with the attempt's end.
  absl::Status CheckRunsHaveTheirAttempts() {
    for (const int64_t run : touched_) {
      Query query(connection_,
                  "SELECT id, state, EXISTS (SELECT 1 FROM attempts WHERE run = runs.key AND "
                  "attempts.state = 'RUNNING') FROM runs WHERE key = ?");
      if (!query.Bind(run).Step() || (query.Text(1) == "RUNNING") == query.Bool(2)) continue;
      return absl::FailedPreconditionError(
          absl::StrCat("run ", query.Text(0), " would be ", query.Text(1),
                       query.Bool(2) ? " with a running attempt" : " without a running attempt"));
    }
    return absl::OkStatus();
  }

  ChangeLog& LogOf(int64_t experiment) {
    return logs_.try_emplace(experiment, connection_, experiment).first->second;
  }

  // As DeriveExperimentState. While a run has not ended, which is nearly always, one row tells; reading every
  // run at each change made an experiment of many runs slow.
  absl::StatusOr<ExperimentState> StateOf(int64_t experiment) {
    Query open(
        connection_,
        "SELECT 1 FROM runs WHERE experiment = ? AND state IN ('PENDING', 'QUEUED', 'RUNNING') LIMIT 1");
    if (open.Bind(experiment).Step()) return ExperimentState::kActive;
    std::vector<RunState> states;
    Query runs(connection_, "SELECT DISTINCT state FROM runs WHERE experiment = ?");
    runs.Bind(experiment);
    while (runs.Step()) {
      QL_ASSIGN_OR_RETURN(const RunState state, ReadRunState(runs.Text(0)));
      states.push_back(state);
    }
    return DeriveExperimentState(states);
  }

  absl::Status DeriveState(int64_t experiment, ChangeLog& log) {
    QL_ASSIGN_OR_RETURN(const ExperimentState derived, StateOf(experiment));
    const std::string name(ExperimentStateName(derived));
    std::optional<absl::Time> end;
    if (derived != ExperimentState::kActive) end = change_.time;
    const int changed = Query(connection_,
                              "UPDATE experiments SET state = ?1, end_time = ?2 "
                              "WHERE key = ?3 AND state <> ?1")
                            .Bind(name)
                            .Bind(end)
                            .Bind(experiment)
                            .Execute();
    if (changed == 0) return absl::OkStatus();
    ChangeRow entry;
    entry.time = change_.time;
    entry.kind = ChangeKind::kExperimentState;
    entry.content = name;
    log.Append(entry);
    return absl::OkStatus();
  }

  Connection& connection_;
  const StateChange& change_;
  std::map<int64_t, ChangeLog> logs_;  // by experiment
  std::set<int64_t> touched_;          // runs whose state or attempts changed
};

}  // namespace

absl::Status ApplyStateChange(Connection& connection, const StateChange& change) {
  return Commit(connection, change).Apply();
}

}  // namespace quantlab
