#include "storage/sql/sql_state_repository.h"

#include <bit>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/message_json.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "storage/sql/page_token.h"
#include "storage/sql/rows.h"
#include "storage/sql/sql_deletion_repository.h"
#include "storage/sql/state_commit.h"

namespace quantlab {
namespace {

// --- experiments --------------------------------------------------------------------------------------

// The columns that ReadExperiment takes; each query adds its own FROM … WHERE.
#define QL_EXPERIMENT_COLUMNS                                                                     \
  "SELECT key, id, name, coalesce(request_id, ''), submitter, report_language, priority, reuse, " \
  "state, create_time, end_time, request_digest FROM experiments "

absl::StatusOr<ExperimentRecord> ReadExperiment(const Query& row) {
  ExperimentRecord out;
  out.id = row.Text(1);
  out.name = row.Text(2);
  out.request_id = row.Text(3);
  out.submitter = row.Text(4);
  out.report_language = row.Text(5);
  out.priority = static_cast<int>(row.Int(6));
  out.reuse = row.Bool(7);
  QL_ASSIGN_OR_RETURN(out.state, ReadExperimentState(row.Text(8)));
  out.create_time = row.Time(9);
  out.end_time = row.OptionalTime(10);
  out.request_digest = row.Text(11);
  return out;
}

std::vector<SourceFile> ReadFiles(Connection& connection, int64_t experiment) {
  std::vector<SourceFile> files;
  Query query(connection, "SELECT name, content FROM source_files WHERE experiment = ? ORDER BY position");
  query.Bind(experiment);
  while (query.Step()) files.push_back({query.Text(0), query.Text(1)});
  return files;
}

int64_t InsertExperiment(Connection& connection, const ExperimentRecord& experiment, ExperimentState state) {
  const bool ended = state != ExperimentState::kActive;
  std::optional<std::string> request_id;
  if (!experiment.request_id.empty()) request_id = experiment.request_id;
  Query insert(
      connection,
      "INSERT INTO experiments (id, name, request_id, submitter, report_language, priority, reuse, state, "
      "create_time, end_time, request_digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING key");
  insert.Bind(experiment.id)
      .Bind(experiment.name)
      .Bind(request_id)
      .Bind(experiment.submitter)
      .Bind(experiment.report_language)
      .Bind(experiment.priority)
      .Bind(experiment.reuse)
      .Bind(ExperimentStateName(state))
      .Bind(experiment.create_time)
      .Bind(ended ? std::optional(experiment.end_time.value_or(experiment.create_time)) : std::nullopt)
      .Bind(experiment.request_digest);
  const int64_t key = insert.InsertedKey();
  int64_t position = 0;
  for (const SourceFile& file : experiment.files) {
    Query(connection, "INSERT INTO source_files (experiment, position, name, content) VALUES (?, ?, ?, ?)")
        .Bind(key)
        .Bind(position++)
        .Bind(file.name)
        .Bind(file.content)
        .Execute();
  }
  return key;
}

// --- runs ---------------------------------------------------------------------------------------------

#define QL_RUN_COLUMNS                                                                                            \
  "SELECT runs.key, runs.id, experiments.id, runs.name, runs.config, runs.kind, runs.method, "                    \
  "runs.method_version, runs.device, runs.seed, runs.input_key, runs.folder, runs.time_limit, runs.state, "       \
  "runs.message, runs.attempts, runs.crashes, runs.interruptions, runs.reused, runs.cancel_requested, "           \
  "runs.create_time, runs.queue_time, runs.start_time, runs.end_time, result_run.id, "                            \
  "result_attempt.number, runs.coded_message, runs.requirements FROM runs JOIN experiments ON experiments.key = " \
  "runs.experiment "                                                                                              \
  "LEFT JOIN attempts AS result_attempt ON result_attempt.key = runs.result "                                     \
  "LEFT JOIN runs AS result_run ON result_run.key = result_attempt.run "

RunKind ReadKind(const std::string& name) {
  for (const RunKind kind : {RunKind::kBaseline, RunKind::kQuantization}) {
    if (name == RunKindName(kind)) return kind;
  }
  return RunKind::kComparison;  // the table allows no other
}

// By run, of an experiment or of one of its runs.
using Needs = std::map<int64_t, std::vector<RunDependency>>;

Needs CollectNeeds(Query& query) {
  Needs needs;
  while (query.Step()) needs[query.Int(0)].push_back({query.Text(1), query.Bool(2)});
  return needs;
}

absl::StatusOr<RunRecord> ReadRun(const Query& row, const Needs& needs) {
  RunRecord out;
  out.id = row.Text(1);
  out.experiment_id = row.Text(2);
  out.name = row.Text(3);
  out.config_json = row.Text(4);
  out.kind = ReadKind(row.Text(5));
  out.method = row.Text(6);
  out.method_version = static_cast<int>(row.Int(7));
  out.device = row.Text(8);
  out.seed = std::bit_cast<uint64_t>(row.Int(9));
  out.input_key = row.Text(10);
  out.folder = row.Text(11);
  out.time_limit = absl::Nanoseconds(row.Int(12));
  QL_ASSIGN_OR_RETURN(out.state, ReadRunState(row.Text(13)));
  out.message = row.Text(14);
  out.attempts = row.Int(15);
  out.crashes = static_cast<int>(row.Int(16));
  out.interruptions = static_cast<int>(row.Int(17));
  out.reused = row.Bool(18);
  out.cancel_requested = row.Bool(19);
  out.create_time = row.Time(20);
  out.queue_time = row.OptionalTime(21);
  out.start_time = row.OptionalTime(22);
  out.end_time = row.OptionalTime(23);
  if (!row.IsNull(24)) out.result = AttemptKey{row.Text(24), row.Int(25)};
  out.coded_message = ReadMessage(row.Text(26));
  QL_RETURN_IF_ERROR(DecodeRequirements(row.Text(27), &out.requirements));
  const auto own = needs.find(row.Int(0));
  if (own != needs.end()) out.needs = own->second;
  return out;
}

// Appends the runs of an experiment, in the order of creation. Their keys follow each other, so that a walk
// over the keys reads the table from one end to the other; by the index it would jump, and then sort all
// configurations.
absl::Status ReadRuns(Connection& connection, int64_t experiment, std::vector<RunRecord>* runs) {
  Query bounds(connection, "SELECT min(key), max(key) FROM runs WHERE experiment = ?");
  if (!bounds.Bind(experiment).Step() || bounds.IsNull(0)) return absl::OkStatus();
  Query needed(connection,
               "SELECT needs.run, runs.name, must_succeed FROM needs JOIN runs ON runs.key = needed "
               "WHERE needs.run BETWEEN ? AND ? ORDER BY needs.run, position");
  const Needs needs = CollectNeeds(needed.Bind(bounds.Int(0)).Bind(bounds.Int(1)));
  Query query(connection,
              QL_RUN_COLUMNS "WHERE runs.key BETWEEN ? AND ? AND +runs.experiment = ? ORDER BY runs.key");
  query.Bind(bounds.Int(0)).Bind(bounds.Int(1)).Bind(experiment);
  while (query.Step()) {
    QL_ASSIGN_OR_RETURN(RunRecord run, ReadRun(query, needs));
    runs->push_back(std::move(run));
  }
  return absl::OkStatus();
}

// Nanoseconds, of any length.
int64_t NanosFromDuration(absl::Duration duration) {
  return absl::ToInt64Nanoseconds(duration);  // saturates
}

absl::StatusOr<int64_t> InsertRun(Connection& connection, int64_t experiment, const RunRecord& run) {
  std::optional<int64_t> result;
  if (run.result) {
    QL_ASSIGN_OR_RETURN(const AttemptRow row, FindAttempt(connection, *run.result));
    result = row.key;
  }
  std::optional<absl::Time> end = run.end_time;
  if (IsEnded(run.state) && !end) end = run.create_time;
  std::optional<absl::Time> queued = run.queue_time;
  if (run.state == RunState::kQueued && !queued) queued = run.create_time;
  Query insert(
      connection,
      "INSERT INTO runs (experiment, id, name, config, kind, method, method_version, device, seed, "
      "input_key, folder, time_limit, state, message, crashes, interruptions, result, reused, "
      "create_time, queue_time, end_time, coded_message, requirements) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING key");
  insert.Bind(experiment)
      .Bind(run.id)
      .Bind(run.name)
      .Bind(run.config_json)
      .Bind(RunKindName(run.kind))
      .Bind(run.method)
      .Bind(run.method_version)
      .Bind(run.device)
      .Bind(std::bit_cast<int64_t>(run.seed))
      .Bind(run.input_key)
      .Bind(run.folder)
      .Bind(NanosFromDuration(run.time_limit))
      .Bind(RunStateName(run.state))
      .Bind(run.message)
      .Bind(run.crashes)
      .Bind(run.interruptions)
      .Bind(result)
      .Bind(run.reused)
      .Bind(run.create_time)
      .Bind(queued)
      .Bind(end)
      .Bind(MessageToJson(run.coded_message))
      .Bind(EncodeRequirements(run.requirements));
  return insert.InsertedKey();
}

absl::Status InsertRuns(Connection& connection, int64_t experiment, const std::vector<RunRecord>& runs) {
  std::map<std::string, int64_t> keys;
  ChangeLog log(connection, experiment);
  for (const RunRecord& run : runs) {
    QL_ASSIGN_OR_RETURN(keys[run.name], InsertRun(connection, experiment, run));
    ChangeRow entry;
    entry.time = run.create_time;
    entry.run = keys[run.name];
    entry.content = std::string(RunStateName(run.state));
    entry.message = run.message;
    entry.coded_message = run.coded_message;
    log.Append(entry);
  }
  log.Finish();
  for (const RunRecord& run : runs) {
    int64_t position = 0;
    for (const RunDependency& need : run.needs) {
      Query(connection, "INSERT INTO needs (run, position, needed, must_succeed) VALUES (?, ?, ?, ?)")
          .Bind(keys[run.name])
          .Bind(position++)
          .Bind(keys[need.run])
          .Bind(need.must_succeed)
          .Execute();
    }
  }
  return absl::OkStatus();
}

// Checks that the tables would make too, with better messages.
absl::Status CheckNewRuns(const ExperimentRecord& experiment, const std::vector<RunRecord>& runs) {
  if (experiment.id.empty() || experiment.id.find('/') != std::string::npos || experiment.id.size() > 256) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", experiment.id, "' cannot be an experiment's id: 1 to 256 bytes without '/'"));
  }
  if (runs.empty()) return absl::InvalidArgumentError("an experiment needs at least one run");
  std::set<std::string> names;
  for (const RunRecord& run : runs) names.insert(run.name);
  if (names.size() != runs.size()) return absl::InvalidArgumentError("two runs have the same name");
  for (const RunRecord& run : runs) {
    if (run.name.empty() || run.id != MakeRunId(experiment.id, run.name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("run '", run.name, "' of ", experiment.id, " has the id '", run.id, "'"));
    }
    if (run.state == RunState::kRunning || (run.state == RunState::kSucceeded) != run.result.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat("run ", run.id, " cannot begin as ",
                                                     std::string(RunStateName(run.state)),
                                                     run.result ? " with a result" : " without a result"));
    }
    for (const RunDependency& need : run.needs) {
      if (names.count(need.run) == 0 || need.run == run.name) {
        return absl::InvalidArgumentError(
            absl::StrCat("run ", run.id, " needs '", need.run, "', which is no other run of its experiment"));
      }
    }
  }
  return absl::OkStatus();
}

// --- attempts -----------------------------------------------------------------------------------------

#define QL_ATTEMPT_COLUMNS                                                                  \
  "SELECT runs.id, number, worker_id, worker_hostname, worker_fingerprint, runner_sha256, " \
  "attempts.state, attempts.message, attempts.start_time, attempts.end_time, last_event, "  \
  "attempts.coded_message FROM attempts "                                                   \
  "JOIN runs ON runs.key = attempts.run "

absl::StatusOr<AttemptRecord> ReadAttempt(const Query& row) {
  AttemptRecord out;
  out.key = {row.Text(0), row.Int(1)};
  out.worker_id = row.Text(2);
  out.worker_hostname = row.Text(3);
  out.worker_fingerprint = row.Text(4);
  out.runner_sha256 = row.Text(5);
  QL_ASSIGN_OR_RETURN(out.state, ReadRunState(row.Text(6)));
  out.message = row.Text(7);
  out.start_time = row.Time(8);
  out.end_time = row.OptionalTime(9);
  out.last_event = row.Int(10);
  out.coded_message = ReadMessage(row.Text(11));
  return out;
}

}  // namespace

absl::StatusOr<StateRepository::Created> SqlStateRepository::CreateExperiment(
    const ExperimentRecord& experiment, const std::vector<RunRecord>& runs) {
  QL_RETURN_IF_ERROR(CheckNewRuns(experiment, runs));
  std::vector<RunState> states;
  for (const RunRecord& run : runs) states.push_back(run.state);
  Created created{experiment.id, true};
  const absl::Status status =
      database_.Write(absl::StrCat("creating experiment ", experiment.id), [&](Connection& connection) {
        Query known(connection, "SELECT id FROM experiments WHERE request_id = ?");
        if (!experiment.request_id.empty() && known.Bind(experiment.request_id).Step()) {
          created = {known.Text(0), false};
          return absl::OkStatus();
        }
        // Also of one that was deleted and still has a result that another uses.
        Query taken(connection, "SELECT 1 FROM experiments WHERE id = ?");
        if (taken.Bind(experiment.id).Step()) {
          return absl::AlreadyExistsError(absl::StrCat("there is an experiment ", experiment.id, " already"));
        }
        const int64_t key = InsertExperiment(connection, experiment, DeriveExperimentState(states));
        std::vector<std::string> configs;
        for (const RunRecord& run : runs) configs.push_back(run.config_json);
        InsertInputs(connection, key, configs);
        return InsertRuns(connection, key, runs);
      });
  if (!status.ok()) return status;
  return created;
}

absl::Status SqlStateRepository::Commit(const StateChange& change) {
  return database_.Write("committing a change of state",
                         [&change](Connection& connection) { return ApplyStateChange(connection, change); });
}

absl::StatusOr<ExperimentRecord> SqlStateRepository::GetExperiment(const std::string& id) {
  return database_.Read(
      absl::StrCat("reading experiment ", id),
      [&](Connection& connection) -> absl::StatusOr<ExperimentRecord> {
        Query query(connection, QL_EXPERIMENT_COLUMNS "WHERE id = ? AND delete_time IS NULL");
        if (!query.Bind(id).Step()) {
          return MessageStatus(absl::StatusCode::kNotFound, messages::kNoSuchExperiment(id));
        }
        QL_ASSIGN_OR_RETURN(ExperimentRecord experiment, ReadExperiment(query));
        experiment.files = ReadFiles(connection, query.Int(0));
        return experiment;
      });
}

absl::StatusOr<std::optional<ExperimentRecord>> SqlStateRepository::FindExperimentByRequest(
    const std::string& request_id) {
  using Found = absl::StatusOr<std::optional<ExperimentRecord>>;
  return database_.Read("looking for a request", [&](Connection& connection) -> Found {
    Query query(connection, QL_EXPERIMENT_COLUMNS "WHERE request_id = ?");
    if (!query.Bind(request_id).Step()) return std::nullopt;
    QL_ASSIGN_OR_RETURN(ExperimentRecord experiment, ReadExperiment(query));
    experiment.files = ReadFiles(connection, query.Int(0));
    return std::optional(std::move(experiment));
  });
}

absl::StatusOr<Page<ExperimentRecord>> SqlStateRepository::ListExperiments(const ExperimentFilter& filter,
                                                                           int page_size,
                                                                           const std::string& page_token) {
  const std::string state(filter.state ? ExperimentStateName(*filter.state) : "");
  const std::string list = absl::StrCat("experiments\n", state, "\n", filter.name);
  QL_RETURN_IF_ERROR(CheckPageSize(page_size));
  QL_ASSIGN_OR_RETURN(const int64_t before,
                      ParsePageToken(list, page_token, std::numeric_limits<int64_t>::max()));
  using Result = absl::StatusOr<Page<ExperimentRecord>>;
  return database_.Read("listing experiments", [&](Connection& connection) -> Result {
    Query query(
        connection, QL_EXPERIMENT_COLUMNS
        "WHERE delete_time IS NULL AND key < ?1 AND (?2 = '' OR state = ?2) AND (?3 = '' OR name = ?3) "
        "ORDER BY key DESC LIMIT ?4");
    query.Bind(before).Bind(state).Bind(filter.name).Bind(page_size + 1);
    Page<ExperimentRecord> page;
    int64_t last = 0;
    while (query.Step()) {
      if (static_cast<int>(page.items.size()) == page_size) {
        page.next_page_token = MakePageToken(list, last);
        break;
      }
      last = query.Int(0);
      QL_ASSIGN_OR_RETURN(ExperimentRecord experiment, ReadExperiment(query));
      page.items.push_back(std::move(experiment));
    }
    return page;
  });
}

absl::StatusOr<RunRecord> SqlStateRepository::GetRun(const std::string& run_id) {
  return database_.Read(
      absl::StrCat("reading run ", run_id), [&](Connection& connection) -> absl::StatusOr<RunRecord> {
        Query query(connection, QL_RUN_COLUMNS "WHERE runs.id = ? AND experiments.delete_time IS NULL");
        if (!query.Bind(run_id).Step()) {
          return absl::NotFoundError(absl::StrCat("there is no run ", run_id));
        }
        Query needed(connection,
                     "SELECT needs.run, runs.name, must_succeed FROM needs JOIN runs ON runs.key = needed "
                     "WHERE needs.run = ? ORDER BY position");
        return ReadRun(query, CollectNeeds(needed.Bind(query.Int(0))));
      });
}

absl::StatusOr<std::vector<RunRecord>> SqlStateRepository::ListRuns(const std::string& experiment_id) {
  using Result = absl::StatusOr<std::vector<RunRecord>>;
  return database_.Read(absl::StrCat("listing the runs of ", experiment_id),
                        [&](Connection& connection) -> Result {
                          QL_ASSIGN_OR_RETURN(const int64_t key, ExperimentKey(connection, experiment_id));
                          std::vector<RunRecord> runs;
                          QL_RETURN_IF_ERROR(ReadRuns(connection, key, &runs));
                          return runs;
                        });
}

absl::StatusOr<std::vector<RunRecord>> SqlStateRepository::ListActiveRuns() {
  using Result = absl::StatusOr<std::vector<RunRecord>>;
  return database_.Read("listing active runs", [&](Connection& connection) -> Result {
    std::vector<RunRecord> runs;
    Query active(connection, "SELECT key FROM experiments WHERE state = 'ACTIVE' ORDER BY key");
    while (active.Step()) QL_RETURN_IF_ERROR(ReadRuns(connection, active.Int(0), &runs));
    return runs;
  });
}

absl::StatusOr<std::vector<AttemptRecord>> SqlStateRepository::ListAttempts(const std::string& run_id) {
  using Result = absl::StatusOr<std::vector<AttemptRecord>>;
  return database_.Read(
      absl::StrCat("listing the attempts of ", run_id), [&](Connection& connection) -> Result {
        QL_ASSIGN_OR_RETURN(const RunKeys keys, FindRun(connection, run_id));
        Query query(connection, QL_ATTEMPT_COLUMNS "WHERE attempts.run = ? ORDER BY number");
        query.Bind(keys.run);
        std::vector<AttemptRecord> attempts;
        while (query.Step()) {
          QL_ASSIGN_OR_RETURN(AttemptRecord attempt, ReadAttempt(query));
          attempts.push_back(std::move(attempt));
        }
        return attempts;
      });
}

absl::StatusOr<AttemptRecord> SqlStateRepository::GetAttempt(const AttemptKey& key) {
  return database_.Read(
      absl::StrCat("reading an attempt of ", key.run_id),
      [&](Connection& connection) -> absl::StatusOr<AttemptRecord> {
        Query query(connection, QL_ATTEMPT_COLUMNS "WHERE runs.id = ? AND number = ?");
        if (query.Bind(key.run_id).Bind(key.number).Step()) return ReadAttempt(query);
        return absl::NotFoundError(absl::StrCat("there is no attempt ", key.number, " of run ", key.run_id));
      });
}

absl::StatusOr<std::optional<AttemptKey>> SqlStateRepository::FindReusable(const std::string& key) {
  using Found = absl::StatusOr<std::optional<AttemptKey>>;
  return database_.Read("looking for a reusable result", [&](Connection& connection) -> Found {
    Query query(connection,
                "SELECT runs.id, number FROM reusable JOIN attempts ON attempts.key = reusable.attempt "
                "JOIN runs ON runs.key = attempts.run WHERE reuse_key = ?");
    if (!query.Bind(key).Step()) return std::nullopt;
    return std::optional(AttemptKey{query.Text(0), query.Int(1)});
  });
}

absl::Status SqlStateRepository::SaveWorker(const WorkerRecord& worker) {
  if (worker.id.empty()) return absl::InvalidArgumentError("a worker needs an id");
  const std::string record = EncodeWorker(worker);
  return database_.Write(absl::StrCat("saving worker ", worker.id), [&](Connection& connection) {
    Query(connection,
          "INSERT INTO workers (id, record, last_seen) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
          "record = excluded.record, last_seen = excluded.last_seen")
        .Bind(worker.id)
        .Bind(record)
        .Bind(worker.last_seen)
        .Execute();
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<WorkerRecord>> SqlStateRepository::ListWorkers() {
  using Result = absl::StatusOr<std::vector<WorkerRecord>>;
  return database_.Read("listing workers", [&](Connection& connection) -> Result {
    std::vector<WorkerRecord> workers;
    Query query(connection, "SELECT id, record, last_seen FROM workers ORDER BY id");
    while (query.Step()) {
      WorkerRecord worker;
      worker.id = query.Text(0);
      QL_RETURN_IF_ERROR(DecodeWorker(query.Text(1), &worker));
      worker.last_seen = query.Time(2);
      workers.push_back(std::move(worker));
    }
    return workers;
  });
}

}  // namespace quantlab
