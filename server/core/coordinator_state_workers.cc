// The workers' part of the coordinator's state: Sync, ends of attempts, handing out runs.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/messages/queue.h"
#include "base/status_macros.h"
#include "server/core/attempt_words.h"
#include "server/core/checkpoints.h"
#include "server/core/coordinator_state.h"

namespace quantlab {
namespace {

// A worker with a run calls at least this often, which bounds how long a cancel takes to reach it.
constexpr absl::Duration kBusySync = absl::Seconds(3);
constexpr absl::Duration kIdleSync = absl::Seconds(1);
// A lost assignment is repeated this many times before its attempt counts as lost.
constexpr int kMaxHandOuts = 3;
// One run that cannot be assigned must not block the others; a full disk must not be tried for each.
constexpr size_t kMaxFailures = 3;

}  // namespace

// ---- workers -------------------------------------------------------------------------------------------

void CoordinatorState::SaveWorkers() {
  for (const std::string& id : std::exchange(unsaved_workers_, {})) {
    const absl::Status saved = parts_.state->SaveWorker(workers_.record(id));
    if (saved.ok()) {
      workers_.MarkStored(id);
      outbox_.saved_workers.insert(id);
    } else {
      unsaved_workers_.insert(id);
      parts_.observer->OnBackgroundError(absl::StrCat("storing worker ", id), saved);
    }
  }
}

absl::Duration CoordinatorState::Jittered(absl::Duration around) {
  return around * std::uniform_real_distribution<double>(0.8, 1.0)(random_);
}

SyncAnswer CoordinatorState::MakeAnswer(absl::Duration next_sync) {
  SyncAnswer answer;
  answer.next_sync = Jittered(next_sync);
  answer.lease_term = options_.lease_term;
  return answer;
}

int64_t CoordinatorState::Sync(const SyncCall& call, SyncDone done) {
  int64_t waiting = 0;
  absl::StatusOr<SyncAnswer> answer = AnswerNow(call);
  const bool waits = answer.ok() && !call.attempt && !answer->assignment && call.wants_run &&
                     call.max_wait > absl::ZeroDuration();
  if (waits) {
    const absl::Duration deadline = parts_.clock->Monotonic() + Jittered(call.max_wait);
    waiting = waiting_.Add(call.worker.id, deadline, std::move(done));
    workers_.SetWaiting(call.worker.id, true);
  } else {
    outbox_.answers.push_back({std::move(done), std::move(answer)});
  }
  if (!outbox_.changed.empty()) Dispatch();
  return waiting;
}

// The answer that needs no waiting.
absl::StatusOr<SyncAnswer> CoordinatorState::AnswerNow(const SyncCall& call) {
  if (stopping_) return absl::UnavailableError("the coordinator is shutting down; call again");
  QL_RETURN_IF_ERROR(workers_.CheckIsTheSame(call.worker, leases_.FindByWorker(call.worker.id) != nullptr));
  if (workers_.Contact(call.worker)) unsaved_workers_.insert(call.worker.id);
  // Before a run is given to it; a worker that has one waits for nothing, and Tick stores its record.
  if (!call.attempt) SaveWorkers();
  // A worker has one call at a time: the caller of an earlier one has given up.
  if (auto earlier = waiting_.TakeOf(call.worker.id)) Answer(*std::move(earlier), MakeAnswer(kIdleSync));
  if (call.attempt) return SyncHolding(call);
  SyncAnswer answer = MakeAnswer(call.wants_run ? kIdleSync : kBusySync);
  QL_ASSIGN_OR_RETURN(answer.assignment, RecoverUndelivered(call));
  if (!answer.assignment && call.wants_run) {
    QL_ASSIGN_OR_RETURN(answer.assignment, Assign(call.worker));
  }
  return answer;
}

absl::StatusOr<SyncAnswer> CoordinatorState::SyncHolding(const SyncCall& call) {
  SyncAnswer answer = MakeAnswer(std::min(options_.lease_term / 3, kBusySync));
  Lease* lease = leases_.Find(*call.attempt);
  if (lease == nullptr || lease->attempt.worker_id != call.worker.id) {
    answer.fenced = true;
    return answer;
  }
  leases_.Renew(*call.attempt);
  const auto active = FindActive(SplitRunId(call.attempt->run_id).first);
  const RunRecord* run = active.ok() ? FindRun(**active, call.attempt->run_id) : nullptr;
  if (run != nullptr && run->cancel_requested) {
    answer.cancel = true;
    answer.cancel_reason = MessageOr(run->coded_message, run->message);
  } else if (run != nullptr && lease->over_time) {
    answer.cancel = true;
    answer.cancel_reason = messages::kTimeLimitPassed(run->time_limit);
  }
  return answer;
}

// A worker reports no attempt although it has a lease: the answer with the assignment was lost, or the worker
// lost its state. Where no event has been stored yet, the same attempt is assigned again.
absl::StatusOr<std::optional<Assignment>> CoordinatorState::RecoverUndelivered(const SyncCall& call) {
  Lease* lease = leases_.FindByWorker(call.worker.id);
  if (lease == nullptr) return std::nullopt;
  const AttemptKey key = lease->attempt.key;
  QL_ASSIGN_OR_RETURN(const AttemptRecord stored, parts_.state->GetAttempt(key));
  QL_ASSIGN_OR_RETURN(Active * active, FindActive(SplitRunId(key.run_id).first));
  const RunRecord* run = FindRun(*active, key.run_id);
  const bool untouched = stored.last_event == 0 && lease->handed_out_again < kMaxHandOuts;
  if (run != nullptr && call.wants_run && untouched && !run->cancel_requested) {
    QL_ASSIGN_OR_RETURN(Assignment assignment, MakeAssignment(*active, *run));
    lease->handed_out_again += 1;
    leases_.Renew(key);
    return assignment;
  }
  QL_RETURN_IF_ERROR(
      Lose(key, RunState::kLost, messages::kWorkerReturned(stored.worker_id, stored.worker_hostname)));
  return std::nullopt;
}

absl::StatusOr<std::optional<Assignment>> CoordinatorState::Assign(const WorkerRecord& worker) {
  std::set<std::string> failed;
  absl::Status error;
  while (failed.size() < kMaxFailures) {
    const std::optional<Choice> chosen = Choose(Only(worker), failed);
    if (!chosen) break;
    const std::string& run_id = chosen->run_id;
    auto assignment = Take(active_[SplitRunId(run_id).first], run_id, worker);
    if (!assignment.ok()) {
      parts_.observer->OnBackgroundError(absl::StrCat("handing out ", run_id), assignment.status());
      error = assignment.status();
      failed.insert(run_id);
    } else if (*assignment) {
      return assignment;
    }  // else its result existed already, and the queue has moved on
  }
  if (!error.ok()) return error;
  return std::nullopt;
}

absl::StatusOr<std::optional<Assignment>> CoordinatorState::Take(Active& active, const std::string& run_id,
                                                                 const WorkerRecord& worker) {
  const RunRecord* run = FindRun(active, run_id);
  QL_ASSIGN_OR_RETURN(const bool taken_over, TakeOver(active, *run, worker));
  if (taken_over) return std::nullopt;
  QL_ASSIGN_OR_RETURN(Assignment assignment, MakeAssignment(active, *run));
  ExperimentChange change = NewChange(active);
  QL_RETURN_IF_ERROR(change.Start(run_id, worker));
  QL_RETURN_IF_ERROR(Apply(active, change));
  assignment.run = *FindRun(active, run_id);
  assignment.attempt.number = assignment.run.attempts;
  return assignment;
}

// Of the run's last attempt. Its own checkpoints are no inputs of it.
absl::StatusOr<Assignment> CoordinatorState::MakeAssignment(const Active& active,
                                                            const RunRecord& run) const {
  Assignment assignment{{run.id, run.attempts}, run, {}, {}};
  QL_ASSIGN_OR_RETURN(assignment.inputs, CollectInputs(*parts_.events, active.runs, run));
  const int64_t earlier = run.attempts - (run.state == RunState::kRunning ? 1 : 0);
  QL_ASSIGN_OR_RETURN(assignment.checkpoint,
                      FindCheckpoint(*parts_.events, *parts_.artifacts, run.id, earlier));
  return assignment;
}

absl::StatusOr<bool> CoordinatorState::TakeOver(Active& active, const RunRecord& run,
                                                const WorkerRecord& worker) {
  if (!active.experiment.reuse) return false;
  QL_ASSIGN_OR_RETURN(const std::string key,
                      reuse_.Key(active.runs, run, worker.fingerprint, worker.runner_sha256));
  QL_ASSIGN_OR_RETURN(const auto known, reuse_.Find(key));
  if (!known) return false;
  ExperimentChange change = NewChange(active);
  QL_RETURN_IF_ERROR(change.Reuse(run.id, *known));
  QL_RETURN_IF_ERROR(Apply(active, change));
  return true;
}

// Replaces times outside of the attempt, and makes a run that was stopped for its time limit TIMED_OUT.
void CoordinatorState::CorrectEnd(AttemptEnd& end, const Lease& lease, const RunRecord& run) const {
  const absl::Time now = parts_.clock->Now();
  if (end.time < lease.attempt.start_time || end.time > now) end.time = now;
  if (lease.over_time && end.outcome == RunState::kCancelled && !run.cancel_requested) {
    end.outcome = RunState::kTimedOut;
    end.coded_message = messages::kTimeLimitPassed(run.time_limit);
    end.message = English(end.coded_message);
  }
}

absl::Status CoordinatorState::Finish(AttemptEnd end) {
  const Lease* lease = leases_.Find(end.key);
  if (lease == nullptr) {
    // The answer to an earlier call may have been lost, so the same end may be reported twice.
    QL_ASSIGN_OR_RETURN(const AttemptRecord stored, parts_.state->GetAttempt(end.key));
    const bool same = stored.state == end.outcome && stored.last_event == end.last_event;
    return same ? absl::OkStatus() : Fenced(end.key);
  }
  QL_ASSIGN_OR_RETURN(Active * active, FindActive(SplitRunId(end.key.run_id).first));
  const RunRecord* run = FindRun(*active, end.key.run_id);
  if (run == nullptr) return Fenced(end.key);
  CorrectEnd(end, *lease, *run);
  std::optional<ReuseEntry> remember;
  if (end.outcome == RunState::kSucceeded) {
    QL_ASSIGN_OR_RETURN(
        const std::string key,
        reuse_.Key(active->runs, *run, lease->attempt.worker_fingerprint, lease->attempt.runner_sha256));
    QL_ASSIGN_OR_RETURN(const bool mixed, MayBeMixed(*parts_.state, *parts_.events, *run));
    if (!key.empty() && !mixed) remember = ReuseEntry{key, end.key};
  }
  QL_RETURN_IF_ERROR(EndAttempt(end, std::move(remember)));
  Dispatch();
  Prune(SplitRunId(end.key.run_id).first);
  return absl::OkStatus();
}

WorkerState CoordinatorState::StateOf(const std::string& worker_id) {
  if (!workers_.IsConnected(worker_id)) return WorkerState::kGone;
  return leases_.FindByWorker(worker_id) != nullptr ? WorkerState::kBusy : WorkerState::kIdle;
}

WorkerStatus CoordinatorState::StatusOf(const WorkerRecord& worker) {
  WorkerStatus status{worker, StateOf(worker.id), std::nullopt, holds_.Find(worker.id), std::nullopt};
  if (const Lease* lease = leases_.FindByWorker(worker.id)) status.attempt = lease->attempt.key;
  const auto mode = modes_.find(worker.id);
  if (mode != modes_.end()) status.mode = mode->second;
  return status;
}

std::vector<WorkerStatus> CoordinatorState::Workers() {
  std::vector<WorkerStatus> all;
  for (const WorkerRecord* worker : workers_.All()) all.push_back(StatusOf(*worker));
  return all;
}

absl::StatusOr<WorkerStatus> CoordinatorState::SetWorkerMode(const WorkerModeRecord& record) {
  const WorkerRecord& worker = workers_.record(record.worker_id);
  if (worker.id.empty()) {
    return MessageStatus(absl::StatusCode::kNotFound, messages::kNoSuchWorker(record.worker_id));
  }
  QL_RETURN_IF_ERROR(parts_.modes->SetWorkerMode(record));
  if (record.mode == WorkerMode::kActive) {
    modes_.erase(record.worker_id);
    holds_.RecordHealthy(record.worker_id);  // whoever lets it work again has seen to its faults
  } else {
    modes_[record.worker_id] = record;
  }
  const Lease* const lease = leases_.FindByWorker(record.worker_id);
  if (record.mode == WorkerMode::kQuarantined && lease != nullptr) {
    const AttemptKey attempt = lease->attempt.key;
    const Message why =
        messages::kTakenFromQuarantined(record.worker_id, lease->attempt.worker_hostname, record.reason);
    QL_RETURN_IF_ERROR(Lose(attempt, RunState::kPreempted, why));
  }
  Dispatch();
  return StatusOf(workers_.record(record.worker_id));
}

// ---- who holds what --------------------------------------------------------------------------------------

absl::StatusOr<std::string> CoordinatorState::HolderOf(const AttemptKey& attempt) {
  if (const Lease* lease = leases_.Find(attempt)) return lease->attempt.worker_id;
  QL_ASSIGN_OR_RETURN(const AttemptRecord stored, parts_.state->GetAttempt(attempt));
  return stored.worker_id;
}

std::optional<AttemptKey> CoordinatorState::HeldBy(const std::string& worker_id) {
  const Lease* lease = leases_.FindByWorker(worker_id);
  return lease == nullptr ? std::nullopt : std::optional(lease->attempt.key);
}

absl::StatusOr<std::optional<Assignment>> CoordinatorState::AssignmentOf(const std::string& worker_id) {
  const std::optional<AttemptKey> key = HeldBy(worker_id);
  if (!key) return std::nullopt;
  QL_ASSIGN_OR_RETURN(Active * active, FindActive(SplitRunId(key->run_id).first));
  const RunRecord* run = FindRun(*active, key->run_id);
  if (run == nullptr) return std::nullopt;
  QL_ASSIGN_OR_RETURN(Assignment assignment, MakeAssignment(*active, *run));
  return assignment;
}

int64_t CoordinatorState::UnfinishedRunsOf(const std::string& submitter) const {
  int64_t count = 0;
  for (const auto& [id, active] : active_) {
    if (active.experiment.submitter != submitter) continue;
    count += std::count_if(active.runs.begin(), active.runs.end(),
                           [](const RunRecord& run) { return !IsEnded(run.state); });
  }
  return count;
}

// ---- waiting calls ---------------------------------------------------------------------------------------

void CoordinatorState::Answer(WaitingSync call, absl::StatusOr<SyncAnswer> answer) {
  workers_.SetWaiting(call.worker_id, false);
  workers_.Touch(call.worker_id);
  outbox_.answers.push_back({std::move(call.done), std::move(answer)});
}

void CoordinatorState::AnswerOverdue() {
  for (WaitingSync& call : waiting_.TakeOverdue(parts_.clock->Monotonic()))
    Answer(std::move(call), MakeAnswer(kIdleSync));
}

void CoordinatorState::DropSync(int64_t id) {
  const std::string worker_id = waiting_.Drop(id);
  if (!worker_id.empty()) workers_.SetWaiting(worker_id, false);
}

void CoordinatorState::Dispatch() {
  std::set<std::string> failed;
  while (!waiting_.empty() && failed.size() < kMaxFailures) {
    const std::optional<Choice> choice = Choose(Waiting(), failed);
    if (!choice) return;
    HandOut(choice->run_id, choice->worker_id, failed);
  }
}

void CoordinatorState::HandOut(const std::string& run_id, const std::string& worker_id,
                               std::set<std::string>& failed) {
  auto assignment = Take(active_[SplitRunId(run_id).first], run_id, workers_.record(worker_id));
  if (!assignment.ok()) {
    parts_.observer->OnBackgroundError(absl::StrCat("handing out ", run_id), assignment.status());
    failed.insert(run_id);  // Tick tries again
  } else if (*assignment) {
    SyncAnswer answer = MakeAnswer(kIdleSync);
    answer.assignment = std::move(*assignment);
    Answer(*waiting_.TakeOf(worker_id), std::move(answer));
  }
}

void CoordinatorState::StopWaiting() {
  stopping_ = true;
  for (WaitingSync& call : waiting_.TakeAll())
    Answer(std::move(call), absl::UnavailableError("the coordinator is shutting down; call again"));
}

}  // namespace quantlab
