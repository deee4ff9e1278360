// Reuse of results: finds the attempt that already has the result of a run's inputs.
#ifndef QUANTLAB_SERVER_CORE_REUSE_H_
#define QUANTLAB_SERVER_CORE_REUSE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/records/repositories.h"
#include "server/core/sync.h"

namespace quantlab {

// The models that `run` reads: of each run that it depends on and that has succeeded. `runs`: all of the
// experiment.
absl::StatusOr<std::vector<AssignmentInput>> CollectInputs(EventRepository& events,
                                                           const std::vector<RunRecord>& runs,
                                                           const RunRecord& run);

// Errors: FAILED_PRECONDITION, with the reason ARTIFACT_MISSING, for one that is not in the store whole.
absl::Status CheckArtifacts(ArtifactStore& store, const std::vector<Artifact>& artifacts);

// Borrows the repositories. Threads: safe.
class ReuseIndex {
 public:
  ReuseIndex(StateRepository& state, EventRepository& events, ArtifactStore& artifacts)
      : state_(state), events_(events), artifacts_(artifacts) {}

  // Digest of everything that determines the result of `run` on a worker with this fingerprint and runner.
  // Empty where a result must not be reused: measurements, and workers without a fingerprint.
  absl::StatusOr<std::string> Key(const std::vector<RunRecord>& runs, const RunRecord& run,
                                  const std::string& fingerprint, const std::string& runner_sha256) const;

  // The attempt whose result has this key, if all its artifacts are in the store.
  absl::StatusOr<std::optional<AttemptKey>> Find(const std::string& key) const;

 private:
  StateRepository& state_;
  EventRepository& events_;
  ArtifactStore& artifacts_;
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CORE_REUSE_H_
