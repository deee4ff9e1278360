// The states of a run and of an attempt, and the table of allowed transitions.
//
//   PENDING ──needs met──▶ QUEUED ──lease──▶ RUNNING ──▶ SUCCEEDED
//      │                    │  ▲               │  └─────▶ FAILED, TIMED_OUT, CANCELLED
//      │                    │  └──try again────┤
//      │                    │                  └────────▶ CRASHED, LOST, PREEMPTED (retries used up)
//      │                    ├──reused──▶ SUCCEEDED
//      └────────┬───────────┘
//               └──▶ CANCELLED, SKIPPED
//
// A retry by the user leads from any end back to PENDING; from SUCCEEDED only where artifacts of the result
// are no longer in the store.
#ifndef QUANTLAB_BASE_RECORDS_RUN_STATE_H_
#define QUANTLAB_BASE_RECORDS_RUN_STATE_H_

#include <optional>
#include <vector>

#include "absl/strings/string_view.h"

namespace quantlab {

enum class RunState {
  kPending = 1,
  kQueued,
  kRunning,
  kSucceeded,
  kFailed,
  kCrashed,
  kLost,
  kTimedOut,
  kCancelled,
  kPreempted,
  kSkipped,
};

const std::vector<RunState>& AllRunStates();

bool IsEnded(RunState state);

// Whether a run may go from one state to the other.
bool CanTransition(RunState from, RunState to);

// "SUCCEEDED": as in storage, JSON and messages.
absl::string_view RunStateName(RunState state);
std::optional<RunState> ParseRunState(absl::string_view name);

enum class ExperimentState { kActive = 1, kSucceeded, kFailed, kCancelled };

absl::string_view ExperimentStateName(ExperimentState state);
std::optional<ExperimentState> ParseExperimentState(absl::string_view name);

// The state of an experiment whose runs are in these states.
ExperimentState DeriveExperimentState(const std::vector<RunState>& runs);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_RECORDS_RUN_STATE_H_
