#include "server/core/transitions.h"

#include <algorithm>
#include <cassert>

#include "absl/strings/str_cat.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"

namespace quantlab {
namespace {

// Ends after which a run is tried again.
bool IsInterruption(const AttemptEnd& end) {
  return end.outcome == RunState::kLost || end.outcome == RunState::kPreempted || end.worker_fault;
}

// The message of a run after an attempt that was interrupted: a retry, or the end.
Message RetryMessage(const AttemptEnd& end, bool again) {
  const Message why = MessageOr(end.coded_message, end.message);
  const int64_t attempt = end.key.number;
  if (end.worker_fault) {
    return again ? messages::kRunWorkerFaultRetrying(attempt, why) : messages::kRunWorkerFault(attempt, why);
  }
  switch (end.outcome) {
    case RunState::kCrashed:
      return again ? messages::kRunCrashedRetrying(attempt, why) : messages::kRunCrashed(attempt, why);
    case RunState::kLost:
      return again ? messages::kRunLostRetrying(attempt, why)
                   : messages::kRunLost(attempt, kMaxInterruptions, why);
    default:
      return again ? messages::kRunInterruptedRetrying(attempt, why)
                   : messages::kRunInterrupted(attempt, kMaxInterruptions, why);
  }
}

}  // namespace

ExperimentChange::ExperimentChange(const std::vector<RunRecord>& runs, const RunIndex& index, absl::Time now)
    : runs_(runs), index_(index), now_(now) {
  change_.time = now;
}

const RunRecord& ExperimentChange::At(size_t index) const {
  const auto it = changed_.find(index);
  return it == changed_.end() ? runs_[index] : it->second;
}

RunRecord& ExperimentChange::Mutable(size_t index) {
  return changed_.try_emplace(index, runs_[index]).first->second;
}

int ExperimentChange::IndexOfName(const std::string& name) const {
  const std::optional<size_t> index = index_.Find(name);
  return index ? static_cast<int>(*index) : -1;
}

int ExperimentChange::IndexOfId(const std::string& run_id) const {
  return IndexOfName(SplitRunId(run_id).second);
}

bool ExperimentChange::empty() const {
  return change_.runs.empty() && change_.cancel_requests.empty();
}

// Applies the change to the record as storage will.
void ExperimentChange::Move(size_t index, RunState to, const Message& message) {
  RunRecord& run = Mutable(index);
  assert(CanTransition(run.state, to));
  RunTransition transition;
  transition.run_id = run.id;
  transition.from = run.state;
  transition.to = to;
  transition.message = English(message);
  transition.coded_message = message;
  transition.result = to == RunState::kSucceeded ? run.result : std::nullopt;
  transition.reused = run.reused;
  transition.crashes = run.crashes;
  transition.interruptions = run.interruptions;
  change_.runs.push_back(std::move(transition));

  run.state = to;
  run.message = English(message);
  run.coded_message = message;
  run.cancel_requested = false;
  run.end_time = IsEnded(to) ? std::optional<absl::Time>(now_) : std::nullopt;
  if (to == RunState::kQueued) run.queue_time = now_;
  if (to == RunState::kRunning && !run.start_time) run.start_time = now_;
}

bool ExperimentChange::SettleOne(size_t index) {
  const RunRecord& run = At(index);
  if (run.state != RunState::kPending) return false;
  bool ready = true;
  for (const RunDependency& need : run.needs) {
    const int needed = IndexOfName(need.run);
    if (needed < 0) {
      Move(index, RunState::kSkipped, messages::kRunNeedsMissing(need.run));
      return true;
    }
    const RunState state = At(static_cast<size_t>(needed)).state;
    if (need.must_succeed && IsEnded(state) && state != RunState::kSucceeded) {
      Move(index, RunState::kSkipped, messages::kRunNeedsFailed(need.run, RunStateName(state)));
      return true;
    }
    ready = ready && IsEnded(state);
  }
  if (ready) Move(index, RunState::kQueued, {});
  return ready;
}

void ExperimentChange::Settle() {
  // Runs follow their dependencies, so a second pass finds nothing; it is a cheap safeguard.
  bool again = true;
  while (again) {
    again = false;
    for (size_t i = 0; i < runs_.size(); ++i) again = SettleOne(i) || again;
  }
}

absl::Status ExperimentChange::Start(const std::string& run_id, const WorkerRecord& worker) {
  const int index = IndexOfId(run_id);
  if (index < 0 || At(static_cast<size_t>(index)).state != RunState::kQueued) {
    return absl::AbortedError(absl::StrCat("run ", run_id, " is not in the queue"));
  }
  RunRecord& run = Mutable(static_cast<size_t>(index));
  run.attempts += 1;
  AttemptRecord attempt;
  attempt.key = {run_id, run.attempts};
  attempt.worker_id = worker.id;
  attempt.worker_hostname = worker.hostname;
  attempt.worker_fingerprint = worker.fingerprint;
  attempt.runner_sha256 = worker.runner_sha256;
  attempt.state = RunState::kRunning;
  attempt.start_time = now_;
  change_.start_attempt = std::move(attempt);
  Move(static_cast<size_t>(index), RunState::kRunning, {});
  return absl::OkStatus();
}

absl::Status ExperimentChange::Reuse(const std::string& run_id, const AttemptKey& result) {
  const int index = IndexOfId(run_id);
  if (index < 0 || At(static_cast<size_t>(index)).state != RunState::kQueued) {
    return absl::AbortedError(absl::StrCat("run ", run_id, " is not in the queue"));
  }
  RunRecord& run = Mutable(static_cast<size_t>(index));
  run.result = result;
  run.reused = true;
  Move(static_cast<size_t>(index), RunState::kSucceeded, messages::kRunReused(result.run_id, result.number));
  Settle();
  return absl::OkStatus();
}

absl::Status ExperimentChange::Finish(const AttemptEnd& end, bool try_again, bool advanced) {
  const int found = IndexOfId(end.key.run_id);
  const size_t index = static_cast<size_t>(std::max(found, 0));
  if (found < 0 || At(index).state != RunState::kRunning || At(index).attempts != end.key.number) {
    return absl::AbortedError(
        absl::StrCat("attempt ", end.key.number, " of ", end.key.run_id, " does not run"));
  }
  change_.end_attempt = end;
  RunRecord& run = Mutable(index);
  if (end.outcome == RunState::kSucceeded) {
    run.result = end.key;
    run.reused = false;
    Move(index, RunState::kSucceeded, MessageOr(end.coded_message, end.message));
  } else if (run.cancel_requested) {
    Move(index, RunState::kCancelled, MessageOr(run.coded_message, run.message));
  } else if (end.outcome == RunState::kCrashed) {
    run.crashes += 1;
    const bool again = run.crashes <= kMaxCrashRetries;
    Move(index, again ? RunState::kQueued : RunState::kCrashed, RetryMessage(end, again));
  } else if (IsInterruption(end)) {
    run.interruptions = advanced ? 1 : run.interruptions + 1;
    const bool again = try_again && run.interruptions <= kMaxInterruptions;
    Move(index, again ? RunState::kQueued : end.outcome, RetryMessage(end, again));
  } else {
    Move(index, end.outcome, MessageOr(end.coded_message, end.message));
  }
  Settle();
  return absl::OkStatus();
}

void ExperimentChange::Cancel(const std::vector<std::string>& run_ids, const Message& reason) {
  const Message message = messages::kRunCancelled(reason);
  for (const std::string& run_id : run_ids) {
    const int found = IndexOfId(run_id);
    if (found < 0) continue;
    const size_t index = static_cast<size_t>(found);
    const RunState state = At(index).state;
    if (state == RunState::kPending || state == RunState::kQueued) {
      Move(index, RunState::kCancelled, message);
    } else if (state == RunState::kRunning && !At(index).cancel_requested) {
      RunRecord& run = Mutable(index);
      run.cancel_requested = true;
      run.message = English(message);
      run.coded_message = message;
      change_.cancel_requests.push_back({run.id, run.message, message});
    }
  }
  Settle();
}

// Marks a run and, recursively, the unsuccessful runs that it depends on.
void ExperimentChange::CollectRetry(size_t index, const std::set<std::string>& incomplete,
                                    std::vector<bool>& again) const {
  const RunRecord& run = At(index);
  if (again[index] || !IsEnded(run.state)) return;
  if (run.state == RunState::kSucceeded && incomplete.count(run.id) == 0) return;
  again[index] = true;
  for (const RunDependency& need : run.needs) {
    const int needed = IndexOfName(need.run);
    if (needed >= 0 && need.must_succeed) CollectRetry(static_cast<size_t>(needed), incomplete, again);
  }
}

absl::Status ExperimentChange::Retry(const std::vector<std::string>& run_ids,
                                     const std::set<std::string>& incomplete) {
  std::vector<bool> again(runs_.size(), false);
  for (const std::string& run_id : run_ids) {
    const int index = IndexOfId(run_id);
    if (index >= 0) CollectRetry(static_cast<size_t>(index), incomplete, again);
  }
  if (std::find(again.begin(), again.end(), true) == again.end()) {
    return MessageStatus(absl::StatusCode::kFailedPrecondition, run_ids.size() == 1
                                                                    ? messages::kRunNotRetryable(run_ids[0])
                                                                    : messages::kNothingToRetry());
  }
  // The runs that were skipped because of one of them; runs follow their dependencies.
  for (size_t i = 0; i < runs_.size(); ++i) {
    if (At(i).state != RunState::kSkipped) continue;
    for (const RunDependency& need : At(i).needs) {
      const int needed = IndexOfName(need.run);
      if (needed >= 0 && need.must_succeed && again[static_cast<size_t>(needed)]) again[i] = true;
    }
  }
  for (size_t i = 0; i < runs_.size(); ++i) {
    if (!again[i]) continue;
    RunRecord& run = Mutable(i);
    run.crashes = 0;
    run.interruptions = 0;
    run.result = std::nullopt;
    run.reused = false;
    Move(i, RunState::kPending, {});
  }
  Settle();
  return absl::OkStatus();
}

}  // namespace quantlab
