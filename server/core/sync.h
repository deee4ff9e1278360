// Requests and answers of Sync, as types shared by the coordinator and its service.
#ifndef QUANTLAB_SERVER_CORE_SYNC_H_
#define QUANTLAB_SERVER_CORE_SYNC_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/messages/message.h"
#include "base/records/records.h"

namespace quantlab {

// A model that a run reads: the result of a run that it depends on.
struct AssignmentInput {
  RunRecord run;
  std::vector<Artifact> files;  // below "model/" of its result, with names relative to that
};

// The state of a run's training that an earlier attempt saved.
struct RunCheckpoint {
  Artifact file;
  int64_t attempt = 0;  // that saved it
  int64_t step = 0;     // after which it was saved
};

struct Assignment {
  AttemptKey attempt;
  RunRecord run;
  std::vector<AssignmentInput> inputs;
  std::optional<RunCheckpoint> checkpoint = {};
};

struct SyncCall {
  WorkerRecord worker;
  std::optional<AttemptKey> attempt;  // the one that it executes
  bool wants_run = false;
  absl::Duration max_wait;
};

struct SyncAnswer {
  std::optional<Assignment> assignment;
  bool cancel = false;
  Message cancel_reason;
  bool fenced = false;
  absl::Duration next_sync;
  absl::Duration lease_term;
};

using SyncDone = std::function<void(absl::StatusOr<SyncAnswer>)>;

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CORE_SYNC_H_
