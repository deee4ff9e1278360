#include "storage/sql/sql_deletion_repository.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/messages/storage.h"
#include "base/records/error_reason.h"
#include "base/status_macros.h"
#include "storage/sql/artifact_names.h"
#include "storage/sql/rows.h"

namespace quantlab {
namespace {

constexpr size_t kDigestLength = 64;

bool IsHexDigit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

// Every maximal sequence of hex digits that is as long as a SHA-256. One that is none refers to a file that
// is not there, which does no harm; a field that this missed would lose a file.
void FindDigests(absl::string_view text, std::set<std::string>* digests) {
  size_t start = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && IsHexDigit(text[i])) continue;
    if (i - start == kDigestLength) digests->emplace(text.substr(start, kDigestLength));
    start = i + 1;
  }
}

// ---- marking ---------------------------------------------------------------------------------------------

// Keys that lead to a result of a deleted experiment which no other experiment has: nobody could find out
// what such a result belongs to, and its files are about to leave.
void ForgetUnusedReuseKeys(Connection& connection) {
  Query(connection,
        "DELETE FROM reusable WHERE attempt IN (SELECT attempts.key FROM experiments "
        "JOIN runs ON runs.experiment = experiments.key JOIN attempts ON attempts.run = runs.key "
        "WHERE experiments.delete_time IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM runs AS others WHERE others.result = attempts.key))")
      .Execute();
}

void DropInputs(Connection& connection, int64_t experiment) {
  Query(connection,
        "INSERT INTO dropped (sha256) SELECT sha256 FROM inputs WHERE experiment = ? ON CONFLICT DO NOTHING")
      .Bind(experiment)
      .Execute();
  Query(connection, "DELETE FROM inputs WHERE experiment = ?").Bind(experiment).Execute();
  Query(connection, "DELETE FROM source_files WHERE experiment = ?").Bind(experiment).Execute();
}

absl::Status Mark(Connection& connection, const std::string& id, absl::Time now) {
  QL_ASSIGN_OR_RETURN(const int64_t experiment, ExperimentKey(connection, id));
  Query state(connection, "SELECT state FROM experiments WHERE key = ?");
  if (state.Bind(experiment).Step() && state.Text(0) == ExperimentStateName(ExperimentState::kActive)) {
    return WithReason(MessageStatus(absl::StatusCode::kFailedPrecondition, messages::kDeleteActive(id)),
                      "EXPERIMENT_ACTIVE");
  }
  // The request id is free again, and the name of the experiment is not found any more.
  Query(connection, "UPDATE experiments SET delete_time = ?, request_id = NULL WHERE key = ?")
      .Bind(now)
      .Bind(experiment)
      .Execute();
  // Its runs hold no results: not their own, and not those of others, which may now be free to go.
  Query(connection,
        "UPDATE runs SET state = 'CANCELLED', result = NULL WHERE experiment = ? AND state = 'SUCCEEDED'")
      .Bind(experiment)
      .Execute();
  ForgetUnusedReuseKeys(connection);
  DropInputs(connection, experiment);
  return absl::OkStatus();
}

// ---- purging ---------------------------------------------------------------------------------------------

// Removes rows until a budget is used up.
class Purger {
 public:
  Purger(Connection& connection, int64_t budget) : connection_(connection), budget_(budget) {}

  // True: there may be more.
  bool Run() {
    while (budget_ > 0) {
      const std::optional<int64_t> attempt = UnusedAttempt();
      if (!attempt) break;
      if (RemoveEvents(*attempt)) RemoveAttempt(*attempt);
    }
    while (budget_ > 0) {
      const std::optional<int64_t> run = EmptyRun();
      if (!run) break;
      RemoveRun(*run);
    }
    while (budget_ > 0) {
      const std::optional<int64_t> experiment = EmptyExperiment();
      if (!experiment) return false;
      RemoveExperiment(*experiment);
    }
    return true;
  }

 private:
  static std::optional<int64_t> First(Query& query) {
    if (!query.Step()) return std::nullopt;
    return query.Int(0);
  }

  // Deleted experiments' runs have no results, so one that has this attempt's is another's.
  std::optional<int64_t> UnusedAttempt() {
    Query query(connection_,
                "SELECT attempts.key FROM experiments JOIN runs ON runs.experiment = experiments.key "
                "JOIN attempts ON attempts.run = runs.key WHERE experiments.delete_time IS NOT NULL "
                "AND NOT EXISTS (SELECT 1 FROM runs AS others WHERE others.result = attempts.key) LIMIT 1");
    return First(query);
  }

  std::optional<int64_t> EmptyRun() {
    Query query(connection_,
                "SELECT runs.key FROM experiments JOIN runs ON runs.experiment = experiments.key "
                "WHERE experiments.delete_time IS NOT NULL "
                "AND NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.run = runs.key) LIMIT 1");
    return First(query);
  }

  std::optional<int64_t> EmptyExperiment() {
    Query query(connection_,
                "SELECT key FROM experiments WHERE delete_time IS NOT NULL "
                "AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.experiment = experiments.key) LIMIT 1");
    return First(query);
  }

  // False where the budget ended before the attempt's events did.
  bool RemoveEvents(int64_t attempt) {
    Query last(connection_, "SELECT event FROM changes WHERE attempt = ?1 ORDER BY event LIMIT 1 OFFSET ?2");
    const bool more = last.Bind(attempt).Bind(budget_).Step();
    const int removed = Query(connection_, "DELETE FROM changes WHERE attempt = ?1 AND event < ?2")
                            .Bind(attempt)
                            .Bind(more ? last.Int(0) : std::numeric_limits<int64_t>::max())
                            .Execute();
    budget_ -= removed;
    return !more;
  }

  void RemoveAttempt(int64_t attempt) {
    Query(
        connection_,
        "INSERT INTO dropped (sha256) SELECT sha256 FROM artifacts WHERE attempt = ? ON CONFLICT DO NOTHING")
        .Bind(attempt)
        .Execute();
    budget_ -= Query(connection_, "DELETE FROM artifacts WHERE attempt = ?").Bind(attempt).Execute();
    Query(connection_, "DELETE FROM reusable WHERE attempt = ?").Bind(attempt).Execute();
    budget_ -= Query(connection_, "DELETE FROM attempts WHERE key = ?").Bind(attempt).Execute();
  }

  void RemoveRun(int64_t run) {
    budget_ -= Query(connection_, "DELETE FROM changes WHERE run = ?").Bind(run).Execute();
    Query(connection_, "DELETE FROM needs WHERE run = ?1 OR needed = ?1").Bind(run).Execute();
    budget_ -= Query(connection_, "DELETE FROM runs WHERE key = ?").Bind(run).Execute();
  }

  // What is left of its log are its own states.
  void RemoveExperiment(int64_t experiment) {
    budget_ -= Query(connection_, "DELETE FROM changes WHERE experiment = ?").Bind(experiment).Execute();
    budget_ -= Query(connection_, "DELETE FROM experiments WHERE key = ?").Bind(experiment).Execute();
  }

  Connection& connection_;
  int64_t budget_;
};

// ---- retention -------------------------------------------------------------------------------------------

// Attempts that are no result. Those of active experiments too: the run goes on without them. Checkpoints are
// of runs that have not ended, which need them.
#define QL_UNUSED_ATTEMPTS                                                                     \
  "SELECT attempts.key FROM attempts WHERE attempts.end_time <= ?1 "                           \
  "AND EXISTS (SELECT 1 FROM artifacts WHERE attempt = attempts.key AND removed_time IS NULL " \
  "AND NOT " QL_IS_CHECKPOINT                                                                  \
  ") "                                                                                         \
  "AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.result = attempts.key) "                      \
  "AND NOT EXISTS (SELECT 1 FROM reusable WHERE reusable.attempt = attempts.key) "

// Attempts that are results, only of experiments that ended before ?1; with ?2, none of which succeeded.
#define QL_OLD_RESULTS                                                                               \
  "SELECT attempts.key FROM attempts WHERE attempts.end_time <= ?1 "                                 \
  "AND EXISTS (SELECT 1 FROM artifacts WHERE attempt = attempts.key AND removed_time IS NULL "       \
  "AND " QL_IS_MODEL                                                                                 \
  ") "                                                                                               \
  "AND EXISTS (SELECT 1 FROM runs WHERE runs.result = attempts.key) "                                \
  "AND NOT EXISTS (SELECT 1 FROM runs JOIN experiments ON experiments.key = runs.experiment "        \
  "WHERE runs.result = attempts.key AND (experiments.end_time IS NULL OR experiments.end_time > ?1 " \
  "OR (?2 = 1 AND experiments.state = 'SUCCEEDED'))) "

#define QL_FIRST "ORDER BY attempts.end_time LIMIT ?3"
#define QL_THIS "AND attempts.key = ?3"

// `limit_or_key` is what the end of the statement takes.
std::vector<int64_t> FindAttempts(Connection& connection, const char* sql, RetentionKind kind,
                                  absl::Time before, int64_t limit_or_key) {
  Query query(connection, sql);
  query.Bind(before).Bind(kind == RetentionKind::kFailedModels).Bind(limit_or_key);
  std::vector<int64_t> attempts;
  while (query.Step()) attempts.push_back(query.Int(0));
  return attempts;
}

bool IsReleasable(Connection& connection, RetentionKind kind, absl::Time before, int64_t attempt) {
  const char* sql = kind == RetentionKind::kAttempts ? QL_UNUSED_ATTEMPTS QL_THIS : QL_OLD_RESULTS QL_THIS;
  return !FindAttempts(connection, sql, kind, before, attempt).empty();
}

void ReleaseAttempt(Connection& connection, int64_t attempt, bool all_files, absl::Time now) {
  Query(
      connection,
      "INSERT INTO dropped (sha256) SELECT sha256 FROM artifacts WHERE attempt = ?1 AND removed_time IS NULL "
      "AND (?2 = 1 OR " QL_IS_MODEL ") AND NOT " QL_IS_CHECKPOINT " ON CONFLICT DO NOTHING")
      .Bind(attempt)
      .Bind(all_files)
      .Execute();
  Query(connection,
        "UPDATE artifacts SET removed_time = ?3 WHERE attempt = ?1 AND removed_time IS NULL "
        "AND (?2 = 1 OR " QL_IS_MODEL ") AND NOT " QL_IS_CHECKPOINT)
      .Bind(attempt)
      .Bind(all_files)
      .Bind(now)
      .Execute();
  Query(connection, "DELETE FROM reusable WHERE attempt = ?").Bind(attempt).Execute();
}

bool IsReferenced(Connection& connection, const std::string& digest) {
  Query query(connection,
              "SELECT EXISTS (SELECT 1 FROM artifacts WHERE sha256 = ?1 AND removed_time IS NULL) OR "
              "EXISTS (SELECT 1 FROM inputs WHERE sha256 = ?1)");
  return query.Bind(digest).Step() && query.Bool(0);
}

bool IsAnythingDeleted(Connection& connection) {
  Query query(connection, "SELECT 1 FROM experiments WHERE delete_time IS NOT NULL LIMIT 1");
  return query.Step();
}

}  // namespace

void InsertInputs(Connection& connection, int64_t experiment, const std::vector<std::string>& configs) {
  std::set<std::string> digests;
  for (const std::string& config : configs) FindDigests(config, &digests);
  for (const std::string& digest : digests) {
    Query(connection, "INSERT INTO inputs (experiment, sha256) VALUES (?, ?)")
        .Bind(experiment)
        .Bind(digest)
        .Execute();
  }
}

absl::Status SqlDeletionRepository::MarkDeleted(const std::string& experiment_id, absl::Time now) {
  return database_.Write(absl::StrCat("deleting experiment ", experiment_id),
                         [&](Connection& connection) { return Mark(connection, experiment_id, now); });
}

absl::StatusOr<bool> SqlDeletionRepository::Purge(int64_t limit) {
  QL_ASSIGN_OR_RETURN(const bool any, database_.Read("looking for deleted experiments",
                                                     [](Connection& connection) -> absl::StatusOr<bool> {
                                                       return IsAnythingDeleted(connection);
                                                     }));
  if (!any) return false;
  bool more = false;
  QL_RETURN_IF_ERROR(database_.Write("removing rows of deleted experiments", [&](Connection& connection) {
    more = Purger(connection, limit).Run();
    return absl::OkStatus();
  }));
  return more;
}

absl::StatusOr<std::vector<std::string>> SqlDeletionRepository::ListDropped(int64_t limit) {
  using Result = absl::StatusOr<std::vector<std::string>>;
  return database_.Read("listing files to remove", [&](Connection& connection) -> Result {
    std::vector<std::string> digests;
    Query query(connection, "SELECT sha256 FROM dropped ORDER BY sha256 LIMIT ?");
    query.Bind(limit);
    while (query.Step()) digests.push_back(query.Text(0));
    return digests;
  });
}

absl::Status SqlDeletionRepository::ForgetDropped(const std::vector<std::string>& digests) {
  return database_.Write("noting removed files", [&](Connection& connection) {
    for (const std::string& digest : digests)
      Query(connection, "DELETE FROM dropped WHERE sha256 = ?").Bind(digest).Execute();
    return absl::OkStatus();
  });
}

absl::StatusOr<std::set<std::string>> SqlDeletionRepository::Referenced(
    const std::vector<std::string>& digests) {
  using Result = absl::StatusOr<std::set<std::string>>;
  return database_.Read("looking for references to files", [&](Connection& connection) -> Result {
    std::set<std::string> referenced;
    for (const std::string& digest : digests) {
      if (IsReferenced(connection, digest)) referenced.insert(digest);
    }
    return referenced;
  });
}

absl::Status SqlDeletionRepository::VisitUses(const std::function<void(const ArtifactUse&)>& visit) {
  return database_.Read("listing what files belong to", [&](Connection& connection) {
    Query query(connection,
                "SELECT uses.sha256, uses.experiment, min(uses.kind) FROM ("
                "SELECT sha256, runs.experiment AS experiment, "
                "CASE WHEN " QL_IS_MODEL
                " THEN 0 ELSE 2 END AS kind "
                "FROM artifacts JOIN attempts ON attempts.key = artifacts.attempt "
                "JOIN runs ON runs.key = attempts.run WHERE removed_time IS NULL "
                "UNION ALL SELECT sha256, runs.experiment, "
                "CASE WHEN " QL_IS_MODEL
                " THEN 0 ELSE 2 END "
                "FROM runs JOIN artifacts ON artifacts.attempt = runs.result WHERE removed_time IS NULL "
                "UNION ALL SELECT sha256, experiment, 1 FROM inputs) AS uses "
                "JOIN experiments ON experiments.key = uses.experiment "
                "WHERE experiments.delete_time IS NULL "
                "GROUP BY uses.sha256, uses.experiment ORDER BY uses.sha256, uses.experiment");
    while (query.Step()) {
      const int64_t kind = query.Int(2);
      visit({query.Text(0), query.Int(1),
             kind == 0   ? ArtifactKind::kModel
             : kind == 1 ? ArtifactKind::kInput
                         : ArtifactKind::kResult});
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<ExperimentName>> SqlDeletionRepository::ListNames() {
  using Result = absl::StatusOr<std::vector<ExperimentName>>;
  return database_.Read("listing experiments", [&](Connection& connection) -> Result {
    std::vector<ExperimentName> names;
    Query query(connection,
                "SELECT key, id, sequence FROM experiments WHERE delete_time IS NULL ORDER BY key DESC");
    while (query.Step()) names.push_back({query.Int(0), query.Text(1), query.Int(2)});
    return names;
  });
}

absl::StatusOr<std::vector<int64_t>> SqlDeletionRepository::ListReleasable(RetentionKind kind,
                                                                           absl::Time before, int64_t limit) {
  using Result = absl::StatusOr<std::vector<int64_t>>;
  return database_.Read("looking for old files", [&](Connection& connection) -> Result {
    const char* sql =
        kind == RetentionKind::kAttempts ? QL_UNUSED_ATTEMPTS QL_FIRST : QL_OLD_RESULTS QL_FIRST;
    return FindAttempts(connection, sql, kind, before, limit);
  });
}

absl::Status SqlDeletionRepository::ReleaseFiles(RetentionKind kind, absl::Time before,
                                                 const std::vector<int64_t>& attempts, absl::Time now) {
  return database_.Write("giving up old files", [&](Connection& connection) {
    for (const int64_t attempt : attempts) {
      if (!IsReleasable(connection, kind, before, attempt)) continue;
      ReleaseAttempt(connection, attempt, kind == RetentionKind::kAttempts, now);
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<std::string>> SqlDeletionRepository::ListEndedBefore(absl::Time before,
                                                                                int64_t limit) {
  using Result = absl::StatusOr<std::vector<std::string>>;
  return database_.Read("looking for old experiments", [&](Connection& connection) -> Result {
    std::vector<std::string> ids;
    Query query(
        connection,
        "SELECT id FROM experiments WHERE delete_time IS NULL AND state <> 'ACTIVE' AND end_time <= ? "
        "ORDER BY end_time LIMIT ?");
    query.Bind(before).Bind(limit);
    while (query.Step()) ids.push_back(query.Text(0));
    return ids;
  });
}

absl::StatusOr<std::optional<absl::Time>> SqlDeletionRepository::OldestRunningStart() {
  using Result = absl::StatusOr<std::optional<absl::Time>>;
  return database_.Read("looking for running attempts", [&](Connection& connection) -> Result {
    Query query(connection, "SELECT min(start_time) FROM attempts WHERE state = 'RUNNING'");
    if (!query.Step()) return std::nullopt;
    return query.OptionalTime(0);
  });
}

}  // namespace quantlab
