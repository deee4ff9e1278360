#include "server/core/checkpoints.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/records/checkpoint_names.h"
#include "base/status_macros.h"

namespace quantlab {
namespace {

// Those of one attempt, newest first.
absl::StatusOr<std::vector<RunCheckpoint>> ListCheckpoints(EventRepository& events,
                                                           const AttemptKey& attempt) {
  QL_ASSIGN_OR_RETURN(std::vector<Artifact> artifacts, events.ListArtifacts(attempt));
  std::sort(artifacts.begin(), artifacts.end(),
            [](const Artifact& a, const Artifact& b) { return a.name > b.name; });
  std::vector<RunCheckpoint> found;
  for (Artifact& artifact : artifacts) {
    if (!IsCheckpointName(artifact.name)) continue;
    const int64_t step = CheckpointStep(artifact.name);
    found.push_back({std::move(artifact), attempt.number, step});
  }
  return found;
}

absl::StatusOr<bool> AnyCheckpoint(EventRepository& events, const RunRecord& run) {
  for (int64_t attempt = run.attempts; attempt > 0; --attempt) {
    QL_ASSIGN_OR_RETURN(const std::vector<RunCheckpoint> found, ListCheckpoints(events, {run.id, attempt}));
    if (!found.empty()) return true;
  }
  return false;
}

// The newest of one attempt whose file is in the store whole.
absl::StatusOr<std::optional<RunCheckpoint>> FindCheckpointOf(EventRepository& events,
                                                              ArtifactStore& artifacts,
                                                              const AttemptKey& attempt) {
  QL_ASSIGN_OR_RETURN(std::vector<RunCheckpoint> checkpoints, ListCheckpoints(events, attempt));
  for (RunCheckpoint& checkpoint : checkpoints) {
    QL_ASSIGN_OR_RETURN(const ArtifactStore::Stat stat, artifacts.GetStat(checkpoint.file.sha256));
    if (stat.present && stat.size == checkpoint.file.size) return std::move(checkpoint);
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<std::optional<RunCheckpoint>> FindCheckpoint(EventRepository& events, ArtifactStore& artifacts,
                                                            const std::string& run_id, int64_t last_attempt) {
  for (int64_t attempt = last_attempt; attempt > 0; --attempt) {
    QL_ASSIGN_OR_RETURN(std::optional<RunCheckpoint> found,
                        FindCheckpointOf(events, artifacts, {run_id, attempt}));
    if (found) return found;
  }
  return std::nullopt;
}

absl::StatusOr<bool> Advanced(EventRepository& events, ArtifactStore& artifacts, const AttemptKey& attempt) {
  QL_ASSIGN_OR_RETURN(const std::optional<RunCheckpoint> newest,
                      FindCheckpointOf(events, artifacts, attempt));
  if (!newest) return false;
  QL_ASSIGN_OR_RETURN(const std::optional<RunCheckpoint> before,
                      FindCheckpoint(events, artifacts, attempt.run_id, attempt.number - 1));
  return !before || newest->step > before->step;
}

absl::StatusOr<bool> MayBeMixed(StateRepository& state, EventRepository& events, const RunRecord& run) {
  if (run.attempts < 2) return false;
  QL_ASSIGN_OR_RETURN(const bool saved, AnyCheckpoint(events, run));
  if (!saved) return false;
  QL_ASSIGN_OR_RETURN(const std::vector<AttemptRecord> attempts, state.ListAttempts(run.id));
  return std::any_of(attempts.begin(), attempts.end(), [&](const AttemptRecord& attempt) {
    return attempt.worker_fingerprint != attempts.front().worker_fingerprint ||
           attempt.runner_sha256 != attempts.front().runner_sha256;
  });
}

}  // namespace quantlab
