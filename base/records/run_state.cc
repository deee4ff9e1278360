#include "base/records/run_state.h"

#include <algorithm>

namespace quantlab {
namespace {

constexpr absl::string_view kNames[] = {"",          "PENDING",   "QUEUED",    "RUNNING",
                                        "SUCCEEDED", "FAILED",    "CRASHED",   "LOST",
                                        "TIMED_OUT", "CANCELLED", "PREEMPTED", "SKIPPED"};
constexpr absl::string_view kExperimentNames[] = {"", "ACTIVE", "SUCCEEDED", "FAILED", "CANCELLED"};

}  // namespace

const std::vector<RunState>& AllRunStates() {
  using enum RunState;
  static const auto* const states =
      new std::vector<RunState>{kPending, kQueued,   kRunning,   kSucceeded, kFailed, kCrashed,
                                kLost,    kTimedOut, kCancelled, kPreempted, kSkipped};
  return *states;
}

bool IsEnded(RunState state) {
  return state >= RunState::kSucceeded;
}

bool CanTransition(RunState from, RunState to) {
  using enum RunState;
  switch (from) {
    case kPending:
      return to == kQueued || to == kCancelled || to == kSkipped;
    case kQueued:
      return to == kRunning || to == kSucceeded || to == kCancelled || to == kSkipped;
    case kRunning:
      return to == kQueued || (IsEnded(to) && to != kSkipped);
    default:
      return to == kPending;  // a retry by the user
  }
}

absl::string_view RunStateName(RunState state) {
  return kNames[static_cast<int>(state)];
}

std::optional<RunState> ParseRunState(absl::string_view name) {
  for (RunState state : AllRunStates()) {
    if (RunStateName(state) == name) return state;
  }
  return std::nullopt;
}

absl::string_view ExperimentStateName(ExperimentState state) {
  return kExperimentNames[static_cast<int>(state)];
}

std::optional<ExperimentState> ParseExperimentState(absl::string_view name) {
  for (int i = 1; i <= 4; ++i) {
    if (kExperimentNames[i] == name) return static_cast<ExperimentState>(i);
  }
  return std::nullopt;
}

ExperimentState DeriveExperimentState(const std::vector<RunState>& runs) {
  using enum RunState;
  const auto any = [&runs](auto predicate) { return std::any_of(runs.begin(), runs.end(), predicate); };
  if (any([](RunState s) { return !IsEnded(s); })) return ExperimentState::kActive;
  if (any([](RunState s) { return s != kSucceeded && s != kCancelled && s != kSkipped; })) {
    return ExperimentState::kFailed;
  }
  if (any([](RunState s) { return s == kCancelled; })) return ExperimentState::kCancelled;
  if (any([](RunState s) { return s == kSkipped; })) return ExperimentState::kFailed;
  return ExperimentState::kSucceeded;
}

}  // namespace quantlab
