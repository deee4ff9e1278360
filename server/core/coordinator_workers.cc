// The part of the coordinator that talks with workers: Sync, events, ends of attempts, handing out runs.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/error_reason.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "server/core/attempt_words.h"
#include "server/core/coordinator.h"

namespace quantlab {
namespace {

constexpr char kModelPrefix[] = "model/";
// A worker with a run comes back this often at the latest: that is how fast a cancel reaches it.
constexpr absl::Duration kBusySync = absl::Seconds(3);
constexpr absl::Duration kIdleSync = absl::Seconds(1);
// How old the stored time of a worker's last contact may be.
constexpr absl::Duration kWorkerSaveInterval = absl::Minutes(1);
// An assignment that got lost on its way is repeated this often before its attempt counts as lost.
constexpr int kMaxHandOuts = 3;
// One run that cannot be handed out must not hold up the others; a full disk must not be tried for each.
constexpr size_t kMaxFailures = 3;

bool SameWorker(const WorkerRecord& a, const WorkerRecord& b) {
  const auto same_method = [](const MethodVersion& x, const MethodVersion& y) {
    return x.name == y.name && x.version == y.version;
  };
  return a.hostname == b.hostname && a.devices == b.devices && a.fingerprint == b.fingerprint &&
         a.runner_sha256 == b.runner_sha256 && a.version == b.version && a.facts == b.facts &&
         std::equal(a.methods.begin(), a.methods.end(), b.methods.begin(), b.methods.end(), same_method);
}

}  // namespace

// ---- workers -------------------------------------------------------------------------------------------

void Coordinator::Touch(const WorkerRecord& record) {
  Worker& worker = workers_[record.id];
  const absl::Time now = parts_.clock->Now();
  const bool changed = !SameWorker(worker.record, record) || worker.record.id.empty();
  worker.record = record;
  worker.record.last_seen = now;
  worker.last_contact = parts_.clock->Monotonic();
  if (!changed && now - worker.saved < kWorkerSaveInterval && now >= worker.saved) return;
  const absl::Status saved = parts_.state->SaveWorker(worker.record);
  if (saved.ok()) {
    worker.saved = now;
  } else {
    parts_.observer->OnTrouble(absl::StrCat("storing worker ", record.id), saved);
  }
}

bool Coordinator::IsGone(const Worker& worker) const {
  return worker.waiter == 0 && parts_.clock->Monotonic() - worker.last_contact > options_.lease_term;
}

absl::Duration Coordinator::Jittered(absl::Duration around) {
  return around * std::uniform_real_distribution<double>(0.8, 1.0)(random_);
}

SyncAnswer Coordinator::MakeAnswer(absl::Duration next_sync) {
  SyncAnswer answer;
  answer.next_sync = Jittered(next_sync);
  answer.lease_term = options_.lease_term;
  return answer;
}

int64_t Coordinator::Sync(const SyncCall& call, SyncDone done) {
  Outbox outbox;
  int64_t waiting = 0;
  {
    MutexLock lock(mutex_);
    absl::StatusOr<SyncAnswer> answer = AnswerNow(call, outbox);
    const bool waits = answer.ok() && !call.attempt && !answer->assignment && call.wants_run &&
                       call.max_wait > absl::ZeroDuration();
    if (waits) {
      waiting = ++last_waiter_;
      workers_[call.worker.id].waiter = waiting;
      const absl::Duration deadline = parts_.clock->Monotonic() + Jittered(call.max_wait);
      waiters_.push_back({waiting, call.worker.id, deadline, std::move(done)});
    } else {
      outbox.calls.push_back([done = std::move(done), answer = std::move(answer)] { done(answer); });
    }
    if (!outbox.changed.empty()) Dispatch(outbox);
  }
  Send(outbox);
  return waiting;
}

// What there is to say without waiting.
absl::StatusOr<SyncAnswer> Coordinator::AnswerNow(const SyncCall& call, Outbox& outbox) {
  if (stopping_) return absl::UnavailableError("the coordinator is shutting down; call again");
  Touch(call.worker);
  // A worker has one call at a time: whoever waited for the answer of an earlier one is gone.
  if (const int64_t earlier = workers_[call.worker.id].waiter; earlier != 0) {
    const auto waiter = std::find_if(waiters_.begin(), waiters_.end(),
                                     [earlier](const Waiter& w) { return w.id == earlier; });
    Answer(waiter, MakeAnswer(kIdleSync), outbox);
  }
  if (call.attempt) return SyncHolding(call);
  SyncAnswer answer = MakeAnswer(call.wants_run ? kIdleSync : kBusySync);
  QL_ASSIGN_OR_RETURN(answer.assignment, RecoverUndelivered(call, outbox));
  if (!answer.assignment && call.wants_run) {
    QL_ASSIGN_OR_RETURN(answer.assignment, Assign(call.worker, outbox));
  }
  return answer;
}

absl::StatusOr<SyncAnswer> Coordinator::SyncHolding(const SyncCall& call) {
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
    answer.cancel_reason = run->message;
  } else if (run != nullptr && lease->over_time) {
    answer.cancel = true;
    answer.cancel_reason =
        absl::StrCat("the time limit of ", absl::FormatDuration(run->time_limit), " has passed");
  }
  return answer;
}

// A worker that holds nothing while an attempt is in its name: the answer that told it got lost on its way,
// or the worker lost what it had. Where nothing was done yet, the same attempt is handed out again.
absl::StatusOr<std::optional<Assignment>> Coordinator::RecoverUndelivered(const SyncCall& call,
                                                                          Outbox& outbox) {
  Lease* lease = leases_.FindByWorker(call.worker.id);
  if (lease == nullptr) return std::nullopt;
  const AttemptKey key = lease->attempt.key;
  QL_ASSIGN_OR_RETURN(const AttemptRecord stored, parts_.state->GetAttempt(key));
  QL_ASSIGN_OR_RETURN(Active * active, FindActive(SplitRunId(key.run_id).first));
  const RunRecord* run = FindRun(*active, key.run_id);
  const bool untouched = stored.last_event == 0 && lease->handed_out_again < kMaxHandOuts;
  if (run != nullptr && call.wants_run && untouched && !run->cancel_requested) {
    QL_ASSIGN_OR_RETURN(auto inputs, Inputs(*active, *run));
    lease->handed_out_again += 1;
    leases_.Renew(key);
    return Assignment{key, *run, std::move(inputs)};
  }
  QL_RETURN_IF_ERROR(Lose(key, RunState::kLost, absl::StrCat(Who(stored), " came back without it"), outbox));
  return std::nullopt;
}

// The run that this worker should take next; empty when there is none.
std::string Coordinator::FirstFor(const WorkerRecord& worker, const std::set<std::string>& failed) {
  std::map<std::string, bool> fits;  // by requirement
  for (const QueueEntry& entry : queue_.entries()) {
    const auto known = fits.find(entry.requirement);
    if ((known != fits.end() && !known->second) || failed.count(entry.run_id) > 0) continue;
    const RunRecord* run = Peek(entry.run_id);
    if (run == nullptr) continue;
    const bool fit = WhyNot(*run, worker).empty();
    fits[entry.requirement] = fit;
    if (fit) return entry.run_id;
  }
  return "";
}

absl::StatusOr<std::optional<Assignment>> Coordinator::Assign(const WorkerRecord& worker, Outbox& outbox) {
  std::set<std::string> failed;
  absl::Status trouble;
  while (failed.size() < kMaxFailures) {
    const std::string chosen = FirstFor(worker, failed);
    if (chosen.empty()) break;
    auto assignment = Take(active_[SplitRunId(chosen).first], chosen, worker, outbox);
    if (!assignment.ok()) {
      parts_.observer->OnTrouble(absl::StrCat("handing out ", chosen), assignment.status());
      trouble = assignment.status();
      failed.insert(chosen);
    } else if (*assignment) {
      return assignment;
    }  // else its result was there already, and the queue has moved on
  }
  if (!trouble.ok()) return trouble;
  return std::nullopt;
}

absl::StatusOr<std::optional<Assignment>> Coordinator::Take(Active& active, const std::string& run_id,
                                                            const WorkerRecord& worker, Outbox& outbox) {
  const RunRecord* run = FindRun(active, run_id);
  if (active.experiment.reuse) {
    QL_ASSIGN_OR_RETURN(const std::string key,
                        ReuseKey(active, *run, worker.fingerprint, worker.runner_sha256));
    QL_ASSIGN_OR_RETURN(const auto known, FindReusable(key));
    if (known) {
      ExperimentChange change(active.runs, parts_.clock->Now());
      QL_RETURN_IF_ERROR(change.Reuse(run_id, *known));
      QL_RETURN_IF_ERROR(Apply(active, change, outbox));
      return std::nullopt;
    }
  }
  QL_ASSIGN_OR_RETURN(auto inputs, Inputs(active, *run));
  ExperimentChange change(active.runs, parts_.clock->Now());
  QL_RETURN_IF_ERROR(change.Start(run_id, worker));
  QL_RETURN_IF_ERROR(Apply(active, change, outbox));
  const RunRecord* started = FindRun(active, run_id);
  return Assignment{{run_id, started->attempts}, *started, std::move(inputs)};
}

absl::StatusOr<std::vector<AssignmentInput>> Coordinator::Inputs(const Active& active, const RunRecord& run) {
  std::vector<AssignmentInput> inputs;
  for (const RunDependency& need : run.needs) {
    for (const RunRecord& other : active.runs) {
      if (other.name != need.run || other.state != RunState::kSucceeded || !other.result) continue;
      QL_ASSIGN_OR_RETURN(const std::vector<Artifact> artifacts, parts_.events->ListArtifacts(*other.result));
      AssignmentInput input{other, {}};
      for (Artifact artifact : artifacts) {
        if (!absl::StartsWith(artifact.name, kModelPrefix)) continue;
        artifact.name = std::string(absl::StripPrefix(artifact.name, kModelPrefix));
        input.files.push_back(std::move(artifact));
      }
      inputs.push_back(std::move(input));
    }
  }
  return inputs;
}

// Empty where the result must not be taken from elsewhere: measurements, and workers without a fingerprint.
absl::StatusOr<std::string> Coordinator::ReuseKey(const Active& active, const RunRecord& run,
                                                  const std::string& fingerprint,
                                                  const std::string& runner_sha256) {
  if (run.input_key.empty() || run.kind == RunKind::kComparison || fingerprint.empty() ||
      runner_sha256.empty()) {
    return "";
  }
  QL_ASSIGN_OR_RETURN(const std::vector<AssignmentInput> inputs, Inputs(active, run));
  std::string text = absl::StrCat("1\n", run.input_key, "\n", fingerprint, "\n", runner_sha256, "\n");
  for (const AssignmentInput& input : inputs) {
    std::vector<std::string> lines;
    for (const Artifact& file : input.files)
      lines.push_back(absl::StrCat(file.sha256, "  ", file.name, "\n"));
    std::sort(lines.begin(), lines.end());
    absl::StrAppend(&text, absl::StrJoin(lines, ""), "\n");
  }
  return Sha256Hex(text);
}

absl::StatusOr<std::optional<AttemptKey>> Coordinator::FindReusable(const std::string& key) {
  if (key.empty()) return std::nullopt;
  QL_ASSIGN_OR_RETURN(const auto known, parts_.state->FindReusable(key));
  if (!known) return std::nullopt;
  QL_ASSIGN_OR_RETURN(const std::vector<Artifact> artifacts, parts_.events->ListArtifacts(*known));
  const absl::Status there = CheckArtifacts(artifacts);
  if (absl::IsFailedPrecondition(there)) return std::nullopt;
  QL_RETURN_IF_ERROR(there);
  return known;
}

absl::Status Coordinator::CheckArtifacts(const std::vector<Artifact>& artifacts) {
  for (const Artifact& artifact : artifacts) {
    QL_ASSIGN_OR_RETURN(const ArtifactStore::Stat stat, parts_.artifacts->GetStat(artifact.sha256));
    if (stat.present && stat.size == artifact.size) continue;
    return WithReason(absl::FailedPreconditionError(absl::StrCat(
                          "artifact ", artifact.name, " (", artifact.sha256, ", ", artifact.size, " bytes) ",
                          stat.present ? absl::StrCat("has ", stat.size, " bytes in the store")
                                       : "is not in the store; upload it first")),
                      "ARTIFACT_MISSING");
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> Coordinator::ReportEvents(const AttemptKey& attempt,
                                                  const std::vector<Event>& events) {
  {
    MutexLock lock(mutex_);
    leases_.Renew(attempt);  // whoever has something to tell is alive
  }
  auto through = parts_.events->AppendEvents(attempt, events);
  if (through.ok()) {
    feed_.Notify(SplitRunId(attempt.run_id).first);
  } else if (absl::IsAborted(through.status())) {
    return Fenced(attempt);
  }
  return through;
}

absl::Status Coordinator::Finish(const AttemptEnd& given) {
  AttemptEnd end = given;
  QL_RETURN_IF_ERROR(CheckArtifacts(end.artifacts));
  Outbox outbox;
  {
    MutexLock lock(mutex_);
    const Lease* lease = leases_.Find(end.key);
    if (lease == nullptr) {
      // The answer to an earlier call may have been lost: the same end twice is one end.
      QL_ASSIGN_OR_RETURN(const AttemptRecord stored, parts_.state->GetAttempt(end.key));
      const bool same = stored.state == end.outcome && stored.last_event == end.last_event;
      return same ? absl::OkStatus() : Fenced(end.key);
    }
    const absl::Time now = parts_.clock->Now();
    if (end.time < lease->attempt.start_time || end.time > now) end.time = now;
    QL_ASSIGN_OR_RETURN(Active * active, FindActive(SplitRunId(end.key.run_id).first));
    const RunRecord* run = FindRun(*active, end.key.run_id);
    if (run == nullptr) return Fenced(end.key);
    if (lease->over_time && end.outcome == RunState::kCancelled && !run->cancel_requested) {
      end.outcome = RunState::kTimedOut;
      end.message = absl::StrCat("the time limit of ", absl::FormatDuration(run->time_limit), " has passed");
    }
    std::optional<ReuseEntry> remember;
    if (end.outcome == RunState::kSucceeded) {
      QL_ASSIGN_OR_RETURN(const std::string key, ReuseKey(*active, *run, lease->attempt.worker_fingerprint,
                                                          lease->attempt.runner_sha256));
      if (!key.empty()) remember = ReuseEntry{key, end.key};
    }
    QL_RETURN_IF_ERROR(EndAttempt(end, std::move(remember), outbox));
    Dispatch(outbox);
    Prune(SplitRunId(end.key.run_id).first);
  }
  Send(outbox);
  return absl::OkStatus();
}

std::vector<WorkerStatus> Coordinator::Workers() {
  MutexLock lock(mutex_);
  std::vector<WorkerStatus> all;
  for (const auto& [id, worker] : workers_) {
    WorkerStatus status{worker.record, WorkerState::kIdle, std::nullopt};
    if (const Lease* lease = leases_.FindByWorker(id)) {
      status.attempt = lease->attempt.key;
      status.state = WorkerState::kBusy;
    }
    if (IsGone(worker)) status.state = WorkerState::kGone;
    all.push_back(std::move(status));
  }
  return all;
}

// ---- waiting calls ---------------------------------------------------------------------------------------

void Coordinator::Answer(std::list<Waiter>::iterator waiter, absl::StatusOr<SyncAnswer> answer,
                         Outbox& outbox) {
  Worker& worker = workers_[waiter->worker_id];
  worker.last_contact = parts_.clock->Monotonic();
  worker.waiter = 0;
  outbox.calls.push_back([done = std::move(waiter->done), answer = std::move(answer)] { done(answer); });
  waiters_.erase(waiter);
}

void Coordinator::AnswerOverdue(Outbox& outbox) {
  for (auto it = waiters_.begin(); it != waiters_.end();) {
    const auto waiter = it++;
    if (waiter->deadline <= parts_.clock->Monotonic()) Answer(waiter, MakeAnswer(kIdleSync), outbox);
  }
}

void Coordinator::DropSync(int64_t id) {
  MutexLock lock(mutex_);
  for (auto it = waiters_.begin(); it != waiters_.end(); ++it) {
    if (it->id != id) continue;
    workers_[it->worker_id].waiter = 0;
    waiters_.erase(it);
    return;
  }
}

void Coordinator::Dispatch(Outbox& outbox) {
  std::set<std::string> failed;
  while (!waiters_.empty() && failed.size() < kMaxFailures && DispatchOne(failed, outbox)) {
  }
}

// Hands out the first run that a waiting worker can take, to the one that has waited longest. False when
// there is none.
bool Coordinator::DispatchOne(std::set<std::string>& failed, Outbox& outbox) {
  std::set<std::string> hopeless;  // requirements
  for (const QueueEntry& entry : queue_.entries()) {
    if (hopeless.count(entry.requirement) > 0 || failed.count(entry.run_id) > 0) continue;
    const RunRecord* run = Peek(entry.run_id);
    if (run == nullptr) continue;
    auto waiter = waiters_.begin();
    while (waiter != waiters_.end() && !WhyNot(*run, workers_[waiter->worker_id].record).empty()) ++waiter;
    if (waiter == waiters_.end()) {
      hopeless.insert(entry.requirement);
      continue;
    }
    const std::string run_id = entry.run_id;  // the queue changes from here on
    auto assignment =
        Take(active_[SplitRunId(run_id).first], run_id, workers_[waiter->worker_id].record, outbox);
    if (!assignment.ok()) {
      parts_.observer->OnTrouble(absl::StrCat("handing out ", run_id), assignment.status());
      failed.insert(run_id);  // Tick tries again
    } else if (*assignment) {
      SyncAnswer answer = MakeAnswer(kIdleSync);
      answer.assignment = std::move(*assignment);
      Answer(waiter, std::move(answer), outbox);
    }
    return true;
  }
  return false;
}

void Coordinator::StopWaiting() {
  Outbox outbox;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    while (!waiters_.empty()) {
      Answer(waiters_.begin(), absl::UnavailableError("the coordinator is shutting down; call again"),
             outbox);
    }
  }
  Send(outbox);
}

}  // namespace quantlab
