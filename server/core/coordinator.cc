#include "server/core/coordinator.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/error_reason.h"
#include "base/sha256.h"
#include "base/status_macros.h"

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

std::string Who(const AttemptRecord& attempt) {
  return attempt.worker_hostname.empty()
             ? absl::StrCat("worker ", attempt.worker_id)
             : absl::StrCat("worker ", attempt.worker_id, " on ", attempt.worker_hostname);
}

absl::Status Fenced(const AttemptKey& attempt) {
  return WithReason(
      absl::AbortedError(absl::StrCat("attempt ", attempt.number, " of ", attempt.run_id,
                                      " is not (any longer) this worker's; stop it and forget it")),
      "ATTEMPT_FENCED");
}

bool AllEnded(const std::vector<RunRecord>& runs) {
  return std::all_of(runs.begin(), runs.end(), [](const RunRecord& run) { return IsEnded(run.state); });
}

}  // namespace

Coordinator::Coordinator(const CoordinatorParts& parts, const CoordinatorOptions& options)
    : parts_(parts),
      options_(options),
      leases_(*parts.clock, options.lease_term),
      random_(options.jitter_seed),
      last_tick_(parts.clock->Monotonic()) {}

Coordinator::~Coordinator() = default;

// ---- state ---------------------------------------------------------------------------------------------

absl::Status Coordinator::Recover() {
  Outbox outbox;
  {
    MutexLock lock(mutex_);
    QL_ASSIGN_OR_RETURN(std::vector<WorkerRecord> workers, parts_.state->ListWorkers());
    for (WorkerRecord& worker : workers) {
      Worker& known = workers_[worker.id];
      known.saved = worker.last_seen;
      known.record = std::move(worker);
    }
    QL_ASSIGN_OR_RETURN(const std::vector<RunRecord> runs, parts_.state->ListActiveRuns());
    std::set<std::string> experiments;
    for (const RunRecord& run : runs) experiments.insert(run.experiment_id);
    for (const std::string& id : experiments) {
      QL_RETURN_IF_ERROR(Annotate(Load(id), absl::StrCat("reading experiment ", id)));
      Active& active = active_[id];
      ExperimentChange change(active.runs, parts_.clock->Now());
      change.Settle();
      if (!change.empty()) QL_RETURN_IF_ERROR(Apply(active, change, outbox));
    }
    last_tick_ = parts_.clock->Monotonic();
  }
  Send(outbox);
  return absl::OkStatus();
}

absl::Status Coordinator::Load(const std::string& experiment_id) {
  QL_ASSIGN_OR_RETURN(ExperimentRecord experiment, parts_.state->GetExperiment(experiment_id));
  QL_ASSIGN_OR_RETURN(std::vector<RunRecord> runs, parts_.state->ListRuns(experiment_id));
  experiment.files.clear();
  for (const RunRecord& run : runs) {
    queue_.Remove(run.id);
    if (run.state == RunState::kQueued) queue_.Add(run, experiment.priority);
    if (run.state == RunState::kRunning) {
      QL_RETURN_IF_ERROR(RestoreLease(run));
    } else {
      leases_.Drop(run.id);
    }
  }
  Active& active = active_[experiment_id];
  active.experiment = std::move(experiment);
  active.runs = std::move(runs);
  active.stale = false;
  return absl::OkStatus();
}

// A full term from now; of the time limit what the wall clock says is left, and the whole grace: the
// worker may have finished long ago, and hand over what it spooled only now.
absl::Status Coordinator::RestoreLease(const RunRecord& run) {
  const AttemptKey key{run.id, run.attempts};
  if (leases_.Find(key) != nullptr) return absl::OkStatus();
  QL_ASSIGN_OR_RETURN(const AttemptRecord attempt, parts_.state->GetAttempt(key));
  const absl::Duration passed = std::max(parts_.clock->Now() - attempt.start_time, absl::ZeroDuration());
  leases_.Grant(attempt, std::max(run.time_limit - passed, absl::ZeroDuration()) + options_.time_limit_grace);
  workers_[attempt.worker_id].last_contact = parts_.clock->Monotonic();
  return absl::OkStatus();
}

absl::StatusOr<Coordinator::Active*> Coordinator::FindActive(const std::string& experiment_id) {
  const auto it = active_.find(experiment_id);
  if (it == active_.end())
    return absl::NotFoundError(absl::StrCat("experiment ", experiment_id, " is not active"));
  if (it->second.stale) QL_RETURN_IF_ERROR(Load(experiment_id));
  return &it->second;
}

const RunRecord* Coordinator::Peek(const std::string& run_id) {
  const auto it = active_.find(SplitRunId(run_id).first);
  return it == active_.end() || it->second.stale ? nullptr : FindRun(it->second, run_id);
}

// What has ended for good needs no memory.
void Coordinator::Prune(const std::string& experiment_id) {
  const auto it = active_.find(experiment_id);
  if (it != active_.end() && !it->second.stale && AllEnded(it->second.runs)) active_.erase(it);
}

RunRecord* Coordinator::FindRun(Active& active, const std::string& run_id) {
  for (RunRecord& run : active.runs) {
    if (run.id == run_id) return &run;
  }
  return nullptr;
}

absl::Status Coordinator::Apply(Active& active, ExperimentChange& change, Outbox& outbox) {
  const absl::Duration start = parts_.clock->Monotonic();
  const absl::Status status = parts_.state->Commit(change.change());
  parts_.observer->OnCommit(parts_.clock->Monotonic() - start, status);
  if (status.ok()) {
    Absorb(active, change);
    outbox.changed.insert(active.experiment.id);
    return status;
  }
  // It may have been written nevertheless, or another version of it: what is stored decides.
  if (!absl::IsFailedPrecondition(status)) {
    active.stale = true;
    const absl::Status reload = Load(active.experiment.id);
    if (!reload.ok()) parts_.observer->OnTrouble("reading an experiment after a failed commit", reload);
  }
  return status;
}

void Coordinator::Absorb(Active& active, ExperimentChange& change) {
  const StateChange& done = change.change();
  for (const auto& [index, run] : change.changed()) {
    active.runs[index] = run;
    queue_.Remove(run.id);
    if (run.state == RunState::kQueued) queue_.Add(run, active.experiment.priority);
    if (run.state != RunState::kRunning) leases_.Drop(run.id);
  }
  for (const RunTransition& transition : done.runs) {
    const RunRecord* run = FindRun(active, transition.run_id);
    RunRecord then = *run;
    then.state = transition.to;
    then.message = transition.message;
    parts_.observer->OnTransition(then, transition.from);
  }
  if (done.start_attempt) {
    const RunRecord* run = FindRun(active, done.start_attempt->key.run_id);
    leases_.Grant(*done.start_attempt, run->time_limit + options_.time_limit_grace);
    parts_.observer->OnStart(*done.start_attempt, *run, done.time - run->queue_time.value_or(done.time));
  }
}

absl::Status Coordinator::EndAttempt(const AttemptEnd& end, std::optional<ReuseEntry> remember,
                                     Outbox& outbox) {
  QL_ASSIGN_OR_RETURN(Active * active, FindActive(SplitRunId(end.key.run_id).first));
  const Lease* lease = leases_.Find(end.key);
  if (lease == nullptr) return Fenced(end.key);
  const AttemptRecord attempt = lease->attempt;
  ExperimentChange change(active->runs, parts_.clock->Now());
  QL_RETURN_IF_ERROR(change.Finish(end));
  change.change().remember = std::move(remember);
  QL_RETURN_IF_ERROR(Apply(*active, change, outbox));
  parts_.observer->OnAttemptEnd(attempt, end.outcome, end.time - attempt.start_time, end.message);
  return absl::OkStatus();
}

absl::Status Coordinator::Lose(const AttemptKey& attempt, RunState outcome, const std::string& why,
                               Outbox& outbox) {
  AttemptEnd end;
  end.key = attempt;
  end.outcome = outcome;
  end.message = why;
  end.time = parts_.clock->Now();
  const absl::Status status = EndAttempt(end, std::nullopt, outbox);
  if (!status.ok()) parts_.observer->OnTrouble(absl::StrCat("ending attempt of ", attempt.run_id), status);
  return status;
}

void Coordinator::Send(Outbox& outbox) {
  for (const auto& call : outbox.calls) call();
  for (const std::string& experiment : outbox.changed) feed_.Notify(experiment);
}

// ---- users ---------------------------------------------------------------------------------------------

absl::StatusOr<StateRepository::Created> Coordinator::Submit(const ExperimentRecord& experiment,
                                                             const std::vector<RunRecord>& runs) {
  Outbox outbox;
  absl::StatusOr<StateRepository::Created> created;
  {
    MutexLock lock(mutex_);
    created = parts_.state->CreateExperiment(experiment, runs);
    if (!created.ok() || !created->created) return created;
    // From here on it is stored: what fails now is made good by Tick, or by the next start.
    absl::Status status = Load(experiment.id);
    if (status.ok()) {
      Active& active = active_[experiment.id];
      ExperimentChange change(active.runs, parts_.clock->Now());
      change.Settle();
      status = Apply(active, change, outbox);
      Dispatch(outbox);
    } else {
      active_[experiment.id].experiment.id = experiment.id;
      active_[experiment.id].stale = true;
    }
    if (!status.ok()) parts_.observer->OnTrouble(absl::StrCat("queueing experiment ", experiment.id), status);
  }
  Send(outbox);
  return created;
}

absl::Status Coordinator::Cancel(const std::string& experiment_id, const std::string& run,
                                 const std::string& reason) {
  Outbox outbox;
  {
    MutexLock lock(mutex_);
    auto found = FindActive(experiment_id);
    if (absl::IsNotFound(found.status())) {
      QL_ASSIGN_OR_RETURN(const std::vector<RunRecord> runs, parts_.state->ListRuns(experiment_id));
      const bool known =
          std::any_of(runs.begin(), runs.end(), [&](const RunRecord& r) { return r.name == run; });
      if (!run.empty() && !known)
        return absl::NotFoundError(absl::StrCat("there is no run ", run, " in ", experiment_id));
      return absl::OkStatus();  // it has ended, and stays as it is
    }
    QL_RETURN_IF_ERROR(found.status());
    Active& active = **found;
    std::vector<std::string> ids;
    for (const RunRecord& r : active.runs) {
      if (run.empty() || r.name == run) ids.push_back(r.id);
    }
    if (ids.empty()) return absl::NotFoundError(absl::StrCat("there is no run ", run, " in ", experiment_id));
    ExperimentChange change(active.runs, parts_.clock->Now());
    change.Cancel(ids, reason);
    if (!change.empty()) QL_RETURN_IF_ERROR(Apply(active, change, outbox));
    // Nobody is there who could stop these.
    for (const CancelRequest& request : change.change().cancel_requests) {
      const Lease* lease = leases_.FindByRun(request.run_id);
      if (lease == nullptr || !IsGone(workers_[lease->attempt.worker_id])) continue;
      const AttemptKey key = lease->attempt.key;
      QL_RETURN_IF_ERROR(Lose(key, RunState::kCancelled, request.message, outbox));
    }
    Dispatch(outbox);
    Prune(experiment_id);
  }
  Send(outbox);
  return absl::OkStatus();
}

absl::Status Coordinator::Retry(const std::string& experiment_id, const std::string& run) {
  Outbox outbox;
  {
    MutexLock lock(mutex_);
    if (!FindActive(experiment_id).ok()) QL_RETURN_IF_ERROR(Load(experiment_id));
    Active& active = active_[experiment_id];
    std::vector<std::string> ids;
    for (const RunRecord& r : active.runs) {
      if (run.empty() || r.name == run) ids.push_back(r.id);
    }
    absl::Status status;
    if (ids.empty()) {
      status = absl::NotFoundError(absl::StrCat("there is no run ", run, " in ", experiment_id));
    } else {
      ExperimentChange change(active.runs, parts_.clock->Now());
      status = change.Retry(ids);
      if (status.ok()) status = Apply(active, change, outbox);
    }
    if (status.ok()) {
      active.experiment.state = ExperimentState::kActive;
      Dispatch(outbox);
    }
    Prune(experiment_id);
    QL_RETURN_IF_ERROR(status);
  }
  Send(outbox);
  return absl::OkStatus();
}

absl::StatusOr<Explanation> Coordinator::Explain(const std::string& run_id) {
  MutexLock lock(mutex_);
  Explanation explanation;
  auto found = FindActive(SplitRunId(run_id).first);
  const RunRecord* run = found.ok() ? FindRun(**found, run_id) : nullptr;
  if (run == nullptr) {
    QL_ASSIGN_OR_RETURN(const RunRecord stored, parts_.state->GetRun(run_id));
    explanation.state = stored.state;
    if (!stored.message.empty()) explanation.reasons.push_back(stored.message);
    return explanation;
  }
  explanation.state = run->state;
  if (run->state == RunState::kPending) ExplainPending(**found, *run, explanation);
  if (run->state == RunState::kQueued) ExplainQueued(*run, explanation);
  if (run->state == RunState::kRunning) ExplainRunning(*run, explanation);
  if (!run->message.empty()) explanation.reasons.push_back(run->message);
  return explanation;
}

void Coordinator::ExplainPending(const Active& active, const RunRecord& run, Explanation& explanation) const {
  for (const RunDependency& need : run.needs) {
    for (const RunRecord& other : active.runs) {
      if (other.name != need.run || IsEnded(other.state)) continue;
      explanation.reasons.push_back(
          absl::StrCat("waits for ", other.name, " (", std::string(RunStateName(other.state)), ")"));
    }
  }
}

void Coordinator::ExplainQueued(const RunRecord& run, Explanation& explanation) const {
  explanation.queue_position = queue_.Position(run.id).value_or(0);
  int there = 0, fitting = 0;
  std::vector<std::string> why_not;
  for (const auto& [id, worker] : workers_) {
    if (IsGone(worker)) continue;
    ++there;
    const std::string why = WhyNot(run, worker.record);
    if (why.empty()) {
      ++fitting;
    } else {
      why_not.push_back(absl::StrCat("worker ", id, " on ", worker.record.hostname, " ", why));
    }
  }
  if (there == 0) {
    explanation.reasons.push_back("no worker is connected; start one with quant-worker");
  } else if (fitting == 0) {
    explanation.reasons.push_back(absl::StrCat(
        "no worker that is connected can take it: it needs ", run.device,
        run.method.empty() ? "" : absl::StrCat(" and ", run.method, " of version ", run.method_version)));
    for (std::string& why : why_not) explanation.reasons.push_back(std::move(why));
  } else {
    explanation.reasons.push_back(
        absl::StrCat("waits for one of ", fitting, " workers that can take it; all are busy"));
    if (explanation.queue_position > 0) {
      explanation.reasons.push_back(
          absl::StrCat(explanation.queue_position, " runs are ahead of it in the queue"));
    }
  }
}

void Coordinator::ExplainRunning(const RunRecord& run, Explanation& explanation) {
  const Lease* lease = leases_.FindByRun(run.id);
  if (lease == nullptr) return;
  const absl::Duration heard = leases_.term() - (lease->expires - parts_.clock->Monotonic());
  explanation.reasons.push_back(absl::StrCat("attempt ", lease->attempt.key.number, " runs on ",
                                             Who(lease->attempt), ", last heard of ",
                                             absl::ToInt64Seconds(heard), " s ago"));
  if (run.cancel_requested) explanation.reasons.push_back("its worker is being asked to stop it");
  if (lease->over_time) {
    explanation.reasons.push_back(
        absl::StrCat("it is over its time limit of ", absl::FormatDuration(run.time_limit)));
  }
}

std::vector<std::string> Coordinator::Unplaceable(const std::vector<RunRecord>& runs) {
  MutexLock lock(mutex_);
  std::vector<std::string> sentences;
  for (const RunRecord& run : runs) {
    bool placeable = false;
    std::vector<std::string> why_not;
    for (const auto& [id, worker] : workers_) {
      if (IsGone(worker)) continue;
      const std::string why = WhyNot(run, worker.record);
      placeable = placeable || why.empty();
      why_not.push_back(absl::StrCat("worker ", id, " ", why));
    }
    if (placeable || why_not.empty()) continue;
    sentences.push_back(absl::StrCat(run.name, ": ", absl::StrJoin(why_not, ", ")));
  }
  return sentences;
}

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
    if (stopping_) {
      outbox.calls.push_back(
          [done] { done(absl::UnavailableError("the coordinator is shutting down; call again")); });
    } else {
      Touch(call.worker);
      // A worker has one call at a time: whoever waited for the answer of an earlier one is gone.
      if (const int64_t earlier = workers_[call.worker.id].waiter; earlier != 0) {
        const auto waiter = std::find_if(waiters_.begin(), waiters_.end(),
                                         [earlier](const Waiter& w) { return w.id == earlier; });
        Answer(waiter, MakeAnswer(kIdleSync), outbox);
      }
      absl::StatusOr<SyncAnswer> answer = MakeAnswer(call.wants_run ? kIdleSync : kBusySync);
      if (call.attempt) {
        answer = SyncHolding(call);
      } else {
        auto assignment = RecoverUndelivered(call, outbox);
        if (assignment.ok() && !*assignment && call.wants_run) assignment = Assign(call.worker, outbox);
        if (!assignment.ok()) {
          answer = assignment.status();
        } else {
          answer->assignment = std::move(*assignment);
        }
      }
      const bool waits = answer.ok() && !call.attempt && !answer->assignment && call.wants_run &&
                         call.max_wait > absl::ZeroDuration();
      if (waits) {
        waiting = ++last_waiter_;
        workers_[call.worker.id].waiter = waiting;
        const absl::Duration deadline = parts_.clock->Monotonic() + Jittered(call.max_wait);
        waiters_.push_back({waiting, call.worker.id, deadline, std::move(done)});
      } else {
        outbox.calls.push_back([done, answer = std::move(answer)] { done(answer); });
      }
      if (!outbox.changed.empty()) Dispatch(outbox);
    }
  }
  Send(outbox);
  return waiting;
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

// ---- time ------------------------------------------------------------------------------------------------

void Coordinator::Tick() {
  Outbox outbox;
  {
    MutexLock lock(mutex_);
    const absl::Duration now = parts_.clock->Monotonic();
    // The coordinator itself stood still (a stopped process, a frozen machine): workers could not reach it.
    if (now - last_tick_ > options_.lease_term / 2) leases_.RenewAll();
    last_tick_ = now;
    leases_.MarkOverTime();
    for (const AttemptKey& attempt : leases_.Expired()) {
      const Lease* lease = leases_.Find(attempt);
      const bool over_time = lease->over_time;
      const std::string why = absl::StrCat("nothing was heard of ", Who(lease->attempt), " for ",
                                           absl::FormatDuration(leases_.term()));
      static_cast<void>(Lose(attempt, over_time ? RunState::kTimedOut : RunState::kLost, why, outbox));
    }
    for (const AttemptKey& attempt : leases_.OverTimeSince(options_.time_limit_grace)) {
      static_cast<void>(Lose(attempt, RunState::kTimedOut,
                             "the time limit has passed, and the worker did not stop the run", outbox));
    }
    for (auto it = waiters_.begin(); it != waiters_.end();) {
      const auto waiter = it++;
      if (waiter->deadline <= now) Answer(waiter, MakeAnswer(kIdleSync), outbox);
    }
    Dispatch(outbox);
    for (auto it = active_.begin(); it != active_.end();) {
      const auto active = it++;
      if (active->second.stale && !Load(active->first).ok()) continue;
      if (AllEnded(active->second.runs)) active_.erase(active);
    }
  }
  Send(outbox);
}

CoordinatorStats Coordinator::Stats() {
  MutexLock lock(mutex_);
  CoordinatorStats stats;
  stats.queued = static_cast<int>(queue_.size());
  if (queue_.size() > 0) {
    stats.oldest_queued = std::max(parts_.clock->Now() - queue_.OldestEntry(), absl::ZeroDuration());
  }
  for (const auto& [id, active] : active_) {
    for (const RunRecord& run : active.runs) ++stats.active_runs[run.state];
  }
  for (const auto& [id, worker] : workers_) {
    const bool busy = leases_.FindByWorker(id) != nullptr;
    ++stats.workers[IsGone(worker) ? WorkerState::kGone : busy ? WorkerState::kBusy : WorkerState::kIdle];
  }
  stats.waiting_syncs = static_cast<int>(waiters_.size());
  return stats;
}

}  // namespace quantlab
