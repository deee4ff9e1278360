// The checkpoints of runs: the state of a training that one attempt saved and the next one continues from.
#ifndef QUANTLAB_SERVER_CORE_CHECKPOINTS_H_
#define QUANTLAB_SERVER_CORE_CHECKPOINTS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/records/repositories.h"
#include "server/core/sync.h"

namespace quantlab {

// The newest checkpoint of the run's attempts up to `last_attempt` whose file is in the store whole.
absl::StatusOr<std::optional<RunCheckpoint>> FindCheckpoint(EventRepository& events, ArtifactStore& artifacts,
                                                            const std::string& run_id, int64_t last_attempt);

// Whether this attempt of the run saved a state beyond those of the attempts before it.
absl::StatusOr<bool> Advanced(EventRepository& events, ArtifactStore& artifacts, const AttemptKey& attempt);

// Whether the steps of `run`'s training may have been computed by workers with different fingerprints or
// runners. Its result is then not that of an undisturbed run anywhere, and must not be reused.
absl::StatusOr<bool> MayBeMixed(StateRepository& state, EventRepository& events, const RunRecord& run);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CORE_CHECKPOINTS_H_
