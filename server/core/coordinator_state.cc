#include "server/core/coordinator_state.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "server/core/attempt_words.h"
#include "server/core/checkpoints.h"

namespace quantlab {
namespace {

bool AllEnded(const std::vector<RunRecord>& runs) {
  return std::all_of(runs.begin(), runs.end(), [](const RunRecord& run) { return IsEnded(run.state); });
}

}  // namespace

CoordinatorState::CoordinatorState(const CoordinatorParts& parts, const CoordinatorOptions& options)
    : parts_(parts),
      options_(options),
      reuse_(*parts.state, *parts.events, *parts.artifacts),
      workers_(*parts.clock, options.lease_term),
      holds_(*parts.clock),
      leases_(*parts.clock, options.lease_term),
      random_(options.jitter_seed),
      last_tick_(parts.clock->Monotonic()) {}

// ---- state ---------------------------------------------------------------------------------------------

absl::Status CoordinatorState::Recover() {
  QL_ASSIGN_OR_RETURN(const std::vector<WorkerRecord> workers, parts_.state->ListWorkers());
  for (const WorkerRecord& worker : workers) workers_.Restore(worker);
  QL_ASSIGN_OR_RETURN(const std::vector<WorkerModeRecord> modes, parts_.modes->ListWorkerModes());
  for (const WorkerModeRecord& mode : modes) modes_[mode.worker_id] = mode;
  QL_ASSIGN_OR_RETURN(std::vector<RunRecord> runs, parts_.state->ListActiveRuns());
  std::map<std::string, std::vector<RunRecord>> experiments;
  for (RunRecord& run : runs) experiments[run.experiment_id].push_back(std::move(run));
  for (auto& [id, runs_of_it] : experiments) {
    absl::StatusOr<ExperimentRecord> experiment = parts_.state->GetExperiment(id);
    absl::Status status = experiment.status();
    if (status.ok()) status = Adopt(*std::move(experiment), std::move(runs_of_it));
    QL_RETURN_IF_ERROR(Annotate(status, absl::StrCat("reading experiment ", id)));
    Active& active = active_[id];
    ExperimentChange change = NewChange(active);
    change.Settle();
    if (!change.empty()) QL_RETURN_IF_ERROR(Apply(active, change));
  }
  last_tick_ = parts_.clock->Monotonic();
  return absl::OkStatus();
}

absl::Status CoordinatorState::Load(const std::string& experiment_id) {
  QL_ASSIGN_OR_RETURN(ExperimentRecord experiment, parts_.state->GetExperiment(experiment_id));
  QL_ASSIGN_OR_RETURN(std::vector<RunRecord> runs, parts_.state->ListRuns(experiment_id));
  return Adopt(std::move(experiment), std::move(runs));
}

absl::Status CoordinatorState::Adopt(ExperimentRecord experiment, std::vector<RunRecord> runs) {
  experiment.files.clear();
  for (const RunRecord& run : runs) {
    queue_.Remove(run.id);
    if (run.state == RunState::kQueued) queue_.Add(run, experiment.priority, experiment.submitter);
    if (run.state == RunState::kRunning) {
      QL_RETURN_IF_ERROR(RestoreLease(run, experiment.submitter));
    } else {
      DropLease(run.id);
    }
    RestoreHolder(run);
  }
  Active& active = active_[experiment.id];
  active.experiment = std::move(experiment);
  active.runs = std::move(runs);
  active.index = RunIndex(active.runs);
  active.stale = false;
  return absl::OkStatus();
}

// A full term from now, with the rest of the time limit by the wall clock, and the whole grace: the worker
// may have finished long ago, and deliver its spooled events only now.
absl::Status CoordinatorState::RestoreLease(const RunRecord& run, const std::string& submitter) {
  const AttemptKey key{run.id, run.attempts};
  if (leases_.Find(key) != nullptr) return absl::OkStatus();
  QL_ASSIGN_OR_RETURN(const AttemptRecord attempt, parts_.state->GetAttempt(key));
  const absl::Duration passed = std::max(parts_.clock->Now() - attempt.start_time, absl::ZeroDuration());
  GrantLease(attempt, run, submitter, std::max(run.time_limit - passed, absl::ZeroDuration()));
  workers_.Touch(attempt.worker_id);
  return absl::OkStatus();
}

// The worker that made a result has its files, also after a restart of the coordinator. Only a preference
// depends on it, so an attempt that cannot be read is no error.
void CoordinatorState::RestoreHolder(const RunRecord& run) {
  if (!run.result || !holders_.Of(*run.result).empty()) return;
  const absl::StatusOr<AttemptRecord> attempt = parts_.state->GetAttempt(*run.result);
  if (attempt.ok()) holders_.Record(*run.result, attempt->worker_id);
}

void CoordinatorState::GrantLease(const AttemptRecord& attempt, const RunRecord& run,
                                  const std::string& submitter, absl::Duration time_limit) {
  leases_.Grant(attempt, time_limit + options_.time_limit_grace);
  running_.Start(run.id, submitter, MachineOfWorker(attempt.worker_id), RunsAlone(run));
}

void CoordinatorState::DropLease(const std::string& run_id) {
  leases_.Drop(run_id);
  running_.End(run_id);
}

std::string CoordinatorState::MachineOfWorker(const std::string& worker_id) const {
  WorkerRecord unknown;
  unknown.id = worker_id;
  const WorkerRecord& known = workers_.record(worker_id);
  return MachineOf(known.id.empty() ? unknown : known);
}

absl::StatusOr<CoordinatorState::Active*> CoordinatorState::FindActive(const std::string& experiment_id) {
  const auto it = active_.find(experiment_id);
  if (it == active_.end())
    return absl::NotFoundError(absl::StrCat("experiment ", experiment_id, " is not active"));
  if (it->second.stale) QL_RETURN_IF_ERROR(Load(experiment_id));
  return &it->second;
}

const RunRecord* CoordinatorState::Peek(const std::string& run_id) {
  const auto it = active_.find(SplitRunId(run_id).first);
  return it == active_.end() || it->second.stale ? nullptr : FindRun(it->second, run_id);
}

// Ended experiments are read from the repository on request.
void CoordinatorState::Prune(const std::string& experiment_id) {
  const auto it = active_.find(experiment_id);
  if (it != active_.end() && !it->second.stale && AllEnded(it->second.runs)) Drop(it);
}

void CoordinatorState::Drop(std::map<std::string, Active>::iterator active) {
  for (const RunRecord& run : active->second.runs) {
    // Where the stored state could not be read after a commit, these may still be there.
    queue_.Remove(run.id);
    DropLease(run.id);
    if (run.result) holders_.Forget(*run.result);
  }
  active_.erase(active);
}

void CoordinatorState::Forget(const std::string& experiment_id) {
  const auto it = active_.find(experiment_id);
  if (it != active_.end()) Drop(it);
}

RunRecord* CoordinatorState::FindRun(Active& active, const std::string& run_id) {
  const std::optional<size_t> index = active.index.Find(SplitRunId(run_id).second);
  return index && active.runs[*index].id == run_id ? &active.runs[*index] : nullptr;
}

ExperimentChange CoordinatorState::NewChange(const Active& active) const {
  return ExperimentChange(active.runs, active.index, parts_.clock->Now());
}

absl::Status CoordinatorState::Apply(Active& active, ExperimentChange& change) {
  const absl::Duration start = parts_.clock->Monotonic();
  // If memory runs out on the way, the stored state is read again before use.
  active.stale = true;
  const absl::Status status = parts_.state->Commit(change.change());
  const absl::Duration took = parts_.clock->Monotonic() - start;
  if (status.ok()) {
    outbox_.changed.insert(active.experiment.id);
    ++outbox_.commits;
    outbox_.commit_time += took;
    Absorb(active, change);
    active.stale = false;
    return status;
  }
  parts_.observer->OnCommit(took, status);
  // It may have been written nevertheless, or another version of it: the stored state decides.
  active.stale = !absl::IsFailedPrecondition(status);
  if (active.stale) {
    const absl::Status reload = Load(active.experiment.id);
    if (!reload.ok())
      parts_.observer->OnBackgroundError("reading an experiment after a failed commit", reload);
  }
  return status;
}

void CoordinatorState::Absorb(Active& active, ExperimentChange& change) {
  const StateChange& done = change.change();
  for (const auto& [index, run] : change.changed()) {
    active.runs[index] = run;
    queue_.Remove(run.id);
    if (run.state == RunState::kQueued) {
      queue_.Add(run, active.experiment.priority, active.experiment.submitter);
    }
    if (run.state != RunState::kRunning) DropLease(run.id);
  }
  for (const RunTransition& transition : done.runs) {
    const RunRecord* run = FindRun(active, transition.run_id);
    RunRecord then = *run;
    then.state = transition.to;
    then.message = transition.message;
    then.coded_message = transition.coded_message;
    outbox_.reports.push_back([then = std::move(then), from = transition.from](CoreObserver& observer) {
      observer.OnTransition(then, from);
    });
  }
  if (done.start_attempt) {
    const RunRecord* run = FindRun(active, done.start_attempt->key.run_id);
    GrantLease(*done.start_attempt, *run, active.experiment.submitter, run->time_limit);
    RecordHolders(*run, done.start_attempt->worker_id);
    const absl::Duration waited = done.time - run->queue_time.value_or(done.time);
    outbox_.reports.push_back([attempt = *done.start_attempt, run = *run, waited](CoreObserver& observer) {
      observer.OnStart(attempt, run, waited);
    });
  }
}

void CoordinatorState::Undo(const Outbox& outbox) {
  unsaved_workers_.insert(outbox.saved_workers.begin(), outbox.saved_workers.end());
  // The worker reports the same end again.
  for (const std::string& run_id : outbox.worker_faults) {
    const auto active = active_.find(SplitRunId(run_id).first);
    if (active == active_.end()) continue;
    int& faults = active->second.worker_faults[run_id];
    faults = std::max(faults - 1, 0);
  }
  for (const std::string& id : outbox.changed) {
    Active& active = active_[id];
    active.experiment.id = id;
    active.stale = true;
    const absl::Status loaded = Load(id);
    if (absl::IsNotFound(loaded)) {
      Drop(active_.find(id));  // it was new
    } else if (!loaded.ok()) {
      parts_.observer->OnBackgroundError("reading an experiment after a failed commit", loaded);
    } else {
      Prune(id);
    }
  }
}

absl::Status CoordinatorState::EndAttempt(const AttemptEnd& end, std::optional<ReuseEntry> remember) {
  QL_ASSIGN_OR_RETURN(Active * active, FindActive(SplitRunId(end.key.run_id).first));
  const Lease* lease = leases_.Find(end.key);
  if (lease == nullptr) return Fenced(end.key);
  const AttemptRecord attempt = lease->attempt;
  const RunRecord* run = FindRun(*active, end.key.run_id);
  const bool try_again =
      run == nullptr || !end.worker_fault || WorthAnotherWorker(*active, *run, attempt.worker_id);
  bool advanced = false;
  if (end.outcome != RunState::kSucceeded) {
    QL_ASSIGN_OR_RETURN(advanced, Advanced(*parts_.events, *parts_.artifacts, end.key));
  }
  ExperimentChange change = NewChange(*active);
  QL_RETURN_IF_ERROR(change.Finish(end, try_again, advanced));
  change.change().remember = std::move(remember);
  QL_RETURN_IF_ERROR(Apply(*active, change));
  JudgeWorker(*active, end, attempt.worker_id);
  if (end.outcome == RunState::kSucceeded) {
    holders_.Record(end.key, attempt.worker_id);
    if (run != nullptr) run_times_.Record(*run, end.time - attempt.start_time);
  }
  outbox_.reports.push_back([attempt, outcome = end.outcome, took = end.time - attempt.start_time,
                             message = end.message](CoreObserver& observer) {
    observer.OnAttemptEnd(attempt, outcome, took, message);
  });
  return absl::OkStatus();
}

// Whether a run that this worker could not execute goes back to the queue. After kMaxWorkerFaults faults only
// where another connected worker could take it: else waiting would hide the reason from the user.
bool CoordinatorState::WorthAnotherWorker(const Active& active, const RunRecord& run,
                                          const std::string& worker_id) const {
  const auto faults = active.worker_faults.find(run.id);
  if (faults == active.worker_faults.end() || faults->second + 1 < kMaxWorkerFaults) return true;
  for (const WorkerRecord* worker : workers_.Connected()) {
    if (worker->id != worker_id && CanTake(run, *worker)) return true;
  }
  return false;
}

// What a committed end says of its worker: held back after a fault, healthy where its runner did its work.
void CoordinatorState::JudgeWorker(Active& active, const AttemptEnd& end, const std::string& worker_id) {
  if (end.worker_fault) {
    holds_.RecordFault(worker_id, MessageOr(end.coded_message, end.message));
    ++active.worker_faults[end.key.run_id];
    outbox_.worker_faults.push_back(end.key.run_id);
  } else if (end.outcome == RunState::kSucceeded || end.outcome == RunState::kFailed ||
             end.outcome == RunState::kTimedOut) {
    holds_.RecordHealthy(worker_id);
  }
}

// Whether the worker may be given runs at all.
bool CoordinatorState::TakesRuns(const std::string& worker_id) const {
  return !holds_.IsHeld(worker_id) && modes_.count(worker_id) == 0;
}

bool CoordinatorState::CanTake(const RunRecord& run, const WorkerRecord& worker) const {
  return TakesRuns(worker.id) && WhyNot(run, worker).empty();
}

absl::Status CoordinatorState::Lose(const AttemptKey& attempt, RunState outcome, const Message& why) {
  AttemptEnd end;
  end.key = attempt;
  end.outcome = outcome;
  end.message = English(why);
  end.coded_message = why;
  end.time = parts_.clock->Now();
  const absl::Status status = EndAttempt(end, std::nullopt);
  if (!status.ok())
    parts_.observer->OnBackgroundError(absl::StrCat("ending attempt of ", attempt.run_id), status);
  return status;
}

// ---- users ---------------------------------------------------------------------------------------------

absl::StatusOr<StateRepository::Created> CoordinatorState::Submit(const ExperimentRecord& experiment,
                                                                  const std::vector<RunRecord>& runs) {
  absl::StatusOr<StateRepository::Created> created;
  created = parts_.state->CreateExperiment(experiment, runs);
  if (!created.ok() || !created->created) return created;
  outbox_.changed.insert(experiment.id);
  // From here on it is stored: Tick or the next start repairs what fails now.
  absl::Status status = Load(experiment.id);
  if (status.ok()) {
    Active& active = active_[experiment.id];
    ExperimentChange change = NewChange(active);
    change.Settle();
    status = Apply(active, change);
    Dispatch();
  } else {
    active_[experiment.id].experiment.id = experiment.id;
    active_[experiment.id].stale = true;
  }
  if (!status.ok())
    parts_.observer->OnBackgroundError(absl::StrCat("queueing experiment ", experiment.id), status);
  return created;
}

absl::Status CoordinatorState::Cancel(const std::string& experiment_id, const std::string& run,
                                      const std::string& reason) {
  auto found = FindActive(experiment_id);
  if (absl::IsNotFound(found.status())) {
    QL_ASSIGN_OR_RETURN(const std::vector<RunRecord> runs, parts_.state->ListRuns(experiment_id));
    const bool known =
        std::any_of(runs.begin(), runs.end(), [&](const RunRecord& r) { return r.name == run; });
    if (!run.empty() && !known)
      return MessageStatus(absl::StatusCode::kNotFound, messages::kNoSuchRunIn(run, experiment_id));
    return absl::OkStatus();  // it has ended, and stays as it is
  }
  QL_RETURN_IF_ERROR(found.status());
  Active& active = **found;
  std::vector<std::string> ids;
  for (const RunRecord& r : active.runs) {
    if (run.empty() || r.name == run) ids.push_back(r.id);
  }
  if (ids.empty())
    return MessageStatus(absl::StatusCode::kNotFound, messages::kNoSuchRunIn(run, experiment_id));
  ExperimentChange change = NewChange(active);
  change.Cancel(ids, TextMessage(reason));
  if (!change.empty()) QL_RETURN_IF_ERROR(Apply(active, change));
  // The workers of these are gone and cannot stop them.
  for (const CancelRequest& request : change.change().cancel_requests) {
    const Lease* lease = leases_.FindByRun(request.run_id);
    if (lease == nullptr || workers_.IsConnected(lease->attempt.worker_id)) continue;
    const AttemptKey key = lease->attempt.key;
    QL_RETURN_IF_ERROR(Lose(key, RunState::kCancelled, request.coded_message));
  }
  Dispatch();
  Prune(experiment_id);
  return absl::OkStatus();
}

// Runs that succeeded, and whose artifacts are no longer all in the store: a damaged one is set aside when it
// is read (FileArtifactStore).
absl::StatusOr<std::set<std::string>> CoordinatorState::IncompleteResults(const Active& active) const {
  std::set<std::string> incomplete;
  for (const RunRecord& run : active.runs) {
    if (run.state != RunState::kSucceeded || !run.result) continue;
    QL_ASSIGN_OR_RETURN(const std::vector<Artifact> artifacts, parts_.events->ListArtifacts(*run.result));
    const absl::Status complete = CheckArtifacts(*parts_.artifacts, artifacts);
    if (absl::IsFailedPrecondition(complete)) {
      incomplete.insert(run.id);
    } else if (!complete.ok()) {
      return complete;
    }
  }
  return incomplete;
}

absl::Status CoordinatorState::Retry(const std::string& experiment_id, const std::string& run) {
  if (!FindActive(experiment_id).ok()) QL_RETURN_IF_ERROR(Load(experiment_id));
  Active& active = active_[experiment_id];
  std::vector<std::string> ids;
  for (const RunRecord& r : active.runs) {
    if (run.empty() || r.name == run) ids.push_back(r.id);
  }
  absl::Status status;
  if (ids.empty()) {
    status = MessageStatus(absl::StatusCode::kNotFound, messages::kNoSuchRunIn(run, experiment_id));
  } else {
    ExperimentChange change = NewChange(active);
    const auto incomplete = IncompleteResults(active);
    status = incomplete.ok() ? change.Retry(ids, *incomplete) : incomplete.status();
    if (status.ok()) status = Apply(active, change);
  }
  if (status.ok()) {
    active.experiment.state = ExperimentState::kActive;
    active.worker_faults.clear();
    Dispatch();
  }
  Prune(experiment_id);
  QL_RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

absl::StatusOr<Explanation> CoordinatorState::Explain(const std::string& run_id) {
  auto found = FindActive(SplitRunId(run_id).first);
  const RunRecord* run = found.ok() ? FindRun(**found, run_id) : nullptr;
  if (run == nullptr) {
    QL_ASSIGN_OR_RETURN(const RunRecord stored, parts_.state->GetRun(run_id));
    Explanation explanation{stored.state, {}, 0};
    if (!stored.message.empty()) {
      explanation.reasons.push_back(MessageOr(stored.coded_message, stored.message));
    }
    return explanation;
  }
  const std::vector<const WorkerRecord*> workers = workers_.Connected();
  ExplanationFacts facts{&(*found)->runs, &workers, leases_.FindByRun(run_id), 0, absl::ZeroDuration()};
  for (const WorkerRecord* worker : workers) {
    const auto hold = holds_.Find(worker->id);
    if (hold && hold->left > absl::ZeroDuration()) facts.holds[worker->id] = *hold;
    const auto mode = modes_.find(worker->id);
    if (mode != modes_.end()) facts.modes[worker->id] = mode->second;
  }
  if (run->state == RunState::kQueued) ExplainQueue(*run, facts);
  if (run->state == RunState::kQueued || run->state == RunState::kRunning) {
    QL_ASSIGN_OR_RETURN(facts.checkpoint,
                        FindCheckpoint(*parts_.events, *parts_.artifacts, run->id, run->attempts));
  }
  if (facts.lease != nullptr)
    facts.since_contact = leases_.term() - (facts.lease->expires - parts_.clock->Monotonic());
  return ExplainRun(*run, facts);
}

std::vector<Message> CoordinatorState::Unplaceable(const std::vector<RunRecord>& runs) const {
  return ExplainUnplaceable(runs, workers_.Connected());
}

// ---- time ------------------------------------------------------------------------------------------------

void CoordinatorState::Tick() {
  const absl::Duration now = parts_.clock->Monotonic();
  // The coordinator itself was suspended (a stopped process, a frozen machine): workers could not reach it.
  if (now - last_tick_ > options_.lease_term / 2) leases_.RenewAll();
  last_tick_ = now;
  SaveWorkers();
  LoseOverdueAttempts();
  AnswerOverdue();
  Dispatch();
  for (auto it = active_.begin(); it != active_.end();) {
    const auto active = it++;
    if (active->second.stale && !Load(active->first).ok()) continue;
    if (AllEnded(active->second.runs)) Drop(active);
  }
}

// Errors are reported to the observer; the next tick tries again.
void CoordinatorState::LoseOverdueAttempts() {
  leases_.MarkOverTime();
  for (const AttemptKey& attempt : leases_.Expired()) {
    const Lease* lease = leases_.Find(attempt);
    const bool over_time = lease->over_time;
    const Message why =
        messages::kWorkerSilent(lease->attempt.worker_id, lease->attempt.worker_hostname, leases_.term());
    const absl::Status ended = Lose(attempt, over_time ? RunState::kTimedOut : RunState::kLost, why);
    if (!ended.ok()) continue;
    outbox_.reports.push_back([attempt](CoreObserver& observer) { observer.OnLeaseExpired(attempt); });
  }
  for (const AttemptKey& attempt : leases_.OverTimeSince(options_.time_limit_grace)) {
    Lose(attempt, RunState::kTimedOut, messages::kTimeLimitIgnored()).IgnoreError();
  }
}

CoordinatorStats CoordinatorState::Stats() {
  CoordinatorStats stats;
  const absl::Time now = parts_.clock->Now();
  for (const auto& [id, active] : active_) {
    for (const RunRecord& run : active.runs) {
      ++stats.active_runs[run.state];
      if (run.state != RunState::kQueued) continue;
      DeviceQueue& queue = stats.queues[run.device];
      ++queue.queued;
      queue.oldest = std::max(queue.oldest, now - run.queue_time.value_or(now));
    }
  }
  for (const WorkerRecord* worker : workers_.All()) {
    const WorkerState state = StateOf(worker->id);
    ++stats.workers[state];
    if (holds_.IsHeld(worker->id)) ++stats.held_workers;
    if (state == WorkerState::kGone) continue;
    for (const std::string& device : worker->devices) ++stats.device_workers[device];
  }
  stats.waiting_syncs = static_cast<int>(waiting_.size());
  return stats;
}

}  // namespace quantlab
