#include "storage/sql/sql_event_repository.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/records/checkpoint_names.h"
#include "base/records/error_reason.h"
#include "base/status_macros.h"
#include "storage/sql/checkpoint_rows.h"
#include "storage/sql/event_codec.h"
#include "storage/sql/page_token.h"
#include "storage/sql/rows.h"

namespace quantlab {
namespace {

std::string Describe(const AttemptKey& key) {
  return absl::StrCat("attempt ", key.number, " of run ", key.run_id);
}

// --- appending ----------------------------------------------------------------------------------------

// Only a running attempt may report events, and without gaps.
absl::Status CheckAppend(const AttemptKey& key, const AttemptRow& row, const std::vector<Event>& events) {
  if (row.state != RunState::kRunning) {
    return WithReason(
        absl::AbortedError(absl::StrCat(Describe(key), " is ", std::string(RunStateName(row.state)),
                                        ", no longer running; what is sent for it changes nothing")),
        "ATTEMPT_FENCED");
  }
  int64_t expected = events.empty() ? 0 : events.front().number;
  if (!events.empty() && (expected < 1 || expected > row.last_event + 1)) {
    return absl::OutOfRangeError(
        absl::StrCat(Describe(key), " sent event ", expected, ", but the next one is ", row.last_event + 1));
  }
  for (const Event& event : events) {
    if (event.number != expected++) {
      return absl::OutOfRangeError(
          absl::StrCat(Describe(key), " sent event ", event.number, " where ", expected - 1, " belongs"));
    }
  }
  return absl::OkStatus();
}

// Keeps an attempt's last progress in its row, so that it need not be searched for.
void SaveProgress(Connection& connection, int64_t attempt, const std::vector<Event>& events, int64_t after) {
  Query before(connection, "SELECT progress, phase_start FROM attempts WHERE key = ?");
  std::string content, phase;
  absl::Time time, phase_start;
  if (before.Bind(attempt).Step() && !before.IsNull(0)) {
    content = before.Text(0);
    phase_start = before.Time(1);
    const auto known = DecodeEvent(ChangeKind::kProgress, content, 0);
    if (known.ok()) phase = std::get<Progress>(*known).phase;
  }
  bool changed = false;
  for (const Event& event : events) {
    const auto* progress = std::get_if<Progress>(&event.kind);
    if (progress == nullptr || event.number <= after) continue;
    if (content.empty() || progress->phase != phase) phase_start = event.time;
    phase = progress->phase;
    content = EncodeEvent(event.kind);
    time = event.time;
    changed = true;
  }
  if (!changed) return;
  Query(connection, "UPDATE attempts SET progress = ?, progress_time = ?, phase_start = ? WHERE key = ?")
      .Bind(content)
      .Bind(time)
      .Bind(phase_start)
      .Bind(attempt)
      .Execute();
}

absl::StatusOr<int64_t> Append(Connection& connection, const AttemptKey& key,
                               const std::vector<Event>& events) {
  QL_ASSIGN_OR_RETURN(const AttemptRow row, FindAttempt(connection, key));
  QL_RETURN_IF_ERROR(CheckAppend(key, row, events));
  if (events.empty() || events.back().number <= row.last_event) return row.last_event;
  ChangeLog log(connection, row.run.experiment);
  for (const Event& event : events) {
    if (event.number <= row.last_event) continue;
    ChangeRow entry;
    entry.time = event.time;
    entry.kind = KindOf(event.kind);
    entry.run = row.run.run;
    entry.attempt = row.key;
    entry.event = event.number;
    entry.severity = SeverityOf(event.kind);
    entry.content = EncodeEvent(event.kind);
    if (const auto* line = std::get_if<LogLine>(&event.kind)) entry.coded_message = line->coded_message;
    log.Append(entry);
    const auto* const artifact = std::get_if<Artifact>(&event.kind);
    if (artifact != nullptr && IsCheckpointName(artifact->name)) {
      StoreCheckpoint(connection, row.run.run, row.key, *artifact);
    }
  }
  log.Finish();
  SaveProgress(connection, row.key, events, row.last_event);
  Query(connection, "UPDATE attempts SET last_event = ? WHERE key = ?")
      .Bind(events.back().number)
      .Bind(row.key)
      .Execute();
  return events.back().number;
}

// --- reading ------------------------------------------------------------------------------------------

// Columns: sequence, time, kind, run id, attempt number, event, severity, content, message, coded message.
#define QL_CHANGE_COLUMNS                                                                             \
  "SELECT sequence, changes.time, changes.kind, runs.id, attempts.number, event, severity, content, " \
  "changes.message, changes.coded_message FROM changes LEFT JOIN runs ON runs.key = changes.run "     \
  "LEFT JOIN attempts ON attempts.key = changes.attempt "

absl::StatusOr<Event> ReadEvent(const Query& row) {
  Event event;
  event.number = row.Int(5);
  event.time = row.Time(1);
  QL_ASSIGN_OR_RETURN(event.kind, DecodeEvent(static_cast<ChangeKind>(row.Int(2)), row.Text(7), row.Int(6)));
  // Other kinds have it in their content.
  if (auto* line = std::get_if<LogLine>(&event.kind)) line->coded_message = ReadMessage(row.Text(9));
  return event;
}

absl::StatusOr<Change> ReadChange(const Query& row) {
  Change change;
  change.sequence = row.Int(0);
  change.time = row.Time(1);
  if (!row.IsNull(3)) change.run_id = row.Text(3);
  const auto kind = static_cast<ChangeKind>(row.Int(2));
  if (kind == ChangeKind::kExperimentState) {
    QL_ASSIGN_OR_RETURN(change.experiment_state, ReadExperimentState(row.Text(7)));
  } else if (kind == ChangeKind::kRunState) {
    QL_ASSIGN_OR_RETURN(change.run_state, ReadRunState(row.Text(7)));
    change.message = row.Text(8);
    change.coded_message = ReadMessage(row.Text(9));
  } else {
    change.attempt = row.Int(4);
    QL_ASSIGN_OR_RETURN(change.event, ReadEvent(row));
  }
  return change;
}

absl::StatusOr<Page<LogEntry>> ReadLogs(Connection& connection, const LogFilter& filter, int page_size,
                                        int64_t after, const std::string& list) {
  QL_ASSIGN_OR_RETURN(const int64_t experiment, ExperimentKey(connection, filter.experiment_id));
  std::optional<int64_t> run;
  if (!filter.run.empty()) {
    QL_ASSIGN_OR_RETURN(const RunKeys keys, FindRun(connection, MakeRunId(filter.experiment_id, filter.run)));
    run = keys.run;
  }
  // `kind = 4` is a literal, so that the partial index over log lines is used.
  Query query(connection, QL_CHANGE_COLUMNS
              "WHERE changes.experiment = ?1 AND sequence > ?2 AND changes.kind = 4 AND severity >= ?3 "
              "AND changes.run = coalesce(?4, changes.run) AND (?5 = -1 OR attempts.number = "
              "CASE ?5 WHEN 0 THEN runs.attempts ELSE ?5 END) ORDER BY sequence LIMIT ?6");
  query.Bind(experiment).Bind(after).Bind(static_cast<int>(filter.min_severity)).Bind(run);
  query.Bind(filter.attempt).Bind(page_size + 1);
  Page<LogEntry> page;
  int64_t bytes = 0;
  while (query.Step()) {
    if (static_cast<int>(page.items.size()) == page_size || bytes >= kMaxPageBytes) {
      page.next_page_token = MakePageToken(list, page.items.back().sequence);
      break;
    }
    page.items.push_back({query.Int(0),
                          query.Time(1),
                          {query.Text(3), query.Int(4)},
                          {static_cast<Severity>(query.Int(6)), query.Text(7), ReadMessage(query.Text(9))}});
    bytes += static_cast<int64_t>(page.items.back().line.message.size());
  }
  return page;
}

}  // namespace

absl::StatusOr<int64_t> SqlEventRepository::AppendEvents(const AttemptKey& attempt,
                                                         const std::vector<Event>& events) {
  int64_t durable = 0;
  QL_RETURN_IF_ERROR(database_.Write(absl::StrCat("storing events of ", Describe(attempt)),
                                     [&](Connection& connection) -> absl::Status {
                                       QL_ASSIGN_OR_RETURN(durable, Append(connection, attempt, events));
                                       return absl::OkStatus();
                                     }));
  return durable;
}

absl::StatusOr<std::vector<Change>> SqlEventRepository::ReadChanges(const std::string& experiment_id,
                                                                    int64_t after_sequence, int limit,
                                                                    int64_t max_bytes) {
  if (limit < 1) return absl::InvalidArgumentError(absl::StrCat("limit is ", limit, "; at least 1"));
  using Result = absl::StatusOr<std::vector<Change>>;
  return database_.Read(
      absl::StrCat("reading changes of ", experiment_id), [&](Connection& connection) -> Result {
        QL_ASSIGN_OR_RETURN(const int64_t experiment, ExperimentKey(connection, experiment_id));
        Query query(connection, QL_CHANGE_COLUMNS
                    "WHERE changes.experiment = ? AND sequence > ? ORDER BY sequence LIMIT ?");
        query.Bind(experiment).Bind(after_sequence).Bind(limit);
        std::vector<Change> changes;
        for (int64_t bytes = 0; bytes < max_bytes && query.Step();) {
          bytes += static_cast<int64_t>(query.Text(7).size() + query.Text(8).size());
          QL_ASSIGN_OR_RETURN(Change change, ReadChange(query));
          changes.push_back(std::move(change));
        }
        return changes;
      });
}

absl::StatusOr<Page<LogEntry>> SqlEventRepository::ListLogs(const LogFilter& filter, int page_size,
                                                            const std::string& page_token) {
  const std::string list = absl::StrCat("logs\n", filter.experiment_id, "\n", filter.run, "\n",
                                        filter.attempt, "\n", static_cast<int>(filter.min_severity));
  QL_RETURN_IF_ERROR(CheckPageSize(page_size));
  QL_ASSIGN_OR_RETURN(const int64_t after, ParsePageToken(list, page_token, 0));
  return database_.Read(absl::StrCat("listing logs of ", filter.experiment_id), [&](Connection& connection) {
    return ReadLogs(connection, filter, page_size, after, list);
  });
}

absl::StatusOr<std::vector<Event>> SqlEventRepository::ListResultEvents(const AttemptKey& attempt) {
  using Result = absl::StatusOr<std::vector<Event>>;
  return database_.Read(
      absl::StrCat("reading results of ", Describe(attempt)), [&](Connection& connection) -> Result {
        QL_ASSIGN_OR_RETURN(const AttemptRow row, FindAttempt(connection, attempt));
        Query query(connection, QL_CHANGE_COLUMNS
                    "WHERE changes.attempt = ? AND changes.kind NOT IN (2, 4) ORDER BY event");
        query.Bind(row.key);
        std::vector<Event> events;
        while (query.Step()) {
          QL_ASSIGN_OR_RETURN(Event event, ReadEvent(query));
          events.push_back(std::move(event));
        }
        return events;
      });
}

absl::StatusOr<std::optional<EventRepository::LatestProgress>> SqlEventRepository::GetProgress(
    const AttemptKey& attempt) {
  using Result = absl::StatusOr<std::optional<LatestProgress>>;
  return database_.Read(
      absl::StrCat("reading progress of ", Describe(attempt)), [&](Connection& connection) -> Result {
        QL_ASSIGN_OR_RETURN(const AttemptRow row, FindAttempt(connection, attempt));
        Query query(connection,
                    "SELECT progress, progress_time, phase_start FROM attempts "
                    "WHERE key = ? AND progress IS NOT NULL");
        if (!query.Bind(row.key).Step()) return std::nullopt;
        QL_ASSIGN_OR_RETURN(EventKind kind, DecodeEvent(ChangeKind::kProgress, query.Text(0), 0));
        return std::optional(
            LatestProgress{std::get<Progress>(std::move(kind)), query.Time(1), query.Time(2)});
      });
}

absl::StatusOr<std::vector<Artifact>> SqlEventRepository::ListArtifacts(const AttemptKey& attempt) {
  using Result = absl::StatusOr<std::vector<Artifact>>;
  return database_.Read(
      absl::StrCat("listing artifacts of ", Describe(attempt)), [&](Connection& connection) -> Result {
        QL_ASSIGN_OR_RETURN(const AttemptRow row, FindAttempt(connection, attempt));
        Query query(connection, "SELECT name, sha256, size FROM artifacts WHERE attempt = ? ORDER BY name");
        query.Bind(row.key);
        std::vector<Artifact> artifacts;
        while (query.Step()) {
          artifacts.push_back({query.Text(0), query.Text(1), query.Int(2)});
        }
        return artifacts;
      });
}

}  // namespace quantlab
