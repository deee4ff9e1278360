// The coordinator's state and decisions, without locks: active experiments, the queue, leases, workers and
// their waiting calls. Coordinator (coordinator.h) guards it as a whole.
//
// A change is computed (transitions.h), committed to the repositories, and only then applied here. Recover
// rebuilds the state from the repositories. Where the owner commits changes in groups
// (base/records/write_groups.h), it publishes the outbox only when the group is durable, and calls Undo when
// it is not.
#ifndef QUANTLAB_SERVER_CORE_COORDINATOR_STATE_H_
#define QUANTLAB_SERVER_CORE_COORDINATOR_STATE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/records/repositories.h"
#include "base/records/worker_modes.h"
#include "base/records/write_groups.h"
#include "server/core/artifact_holders.h"
#include "server/core/explanation.h"
#include "server/core/lease_table.h"
#include "server/core/observer.h"
#include "server/core/reuse.h"
#include "server/core/running_runs.h"
#include "server/core/scheduler.h"
#include "server/core/start_estimate.h"
#include "server/core/sync.h"
#include "server/core/transitions.h"
#include "server/core/waiting_syncs.h"
#include "server/core/worker_holds.h"
#include "server/core/worker_table.h"

namespace quantlab {

struct CoordinatorParts {
  StateRepository* state = nullptr;
  EventRepository* events = nullptr;
  ArtifactStore* artifacts = nullptr;
  const Clock* clock = nullptr;
  CoreObserver* observer = nullptr;
  WorkerModeRepository* modes = nullptr;
  // Of all of these; nullptr: each change of state becomes durable by itself.
  WriteGroups* groups = nullptr;
};

struct CoordinatorOptions {
  absl::Duration lease_term = absl::Seconds(30);
  // A run's time limit counts from the start of its runner, and its worker enforces it. This long after it,
  // the coordinator asks the worker to stop the run; after as long again it ends the attempt.
  absl::Duration time_limit_grace = absl::Minutes(15);
  uint64_t jitter_seed = 1;
};

enum class WorkerState { kIdle, kBusy, kGone };

struct WorkerStatus {
  WorkerRecord worker;
  WorkerState state = WorkerState::kIdle;
  std::optional<AttemptKey> attempt;
  std::optional<WorkerHold> hold;        // where its last attempts ended by faults of its own
  std::optional<WorkerModeRecord> mode;  // where it is not kActive
};

// The runs that wait for a device.
struct DeviceQueue {
  int queued = 0;
  absl::Duration oldest;  // how long the first of them has waited
};

struct CoordinatorStats {
  std::map<std::string, DeviceQueue> queues;  // by device; a device without an entry has none
  std::map<std::string, int> device_workers;  // connected workers that offer the device
  int held_workers = 0;                       // that get no runs for now, because of faults of their own
  std::map<RunState, int> active_runs;        // of active experiments, by state
  std::map<WorkerState, int> workers;
  int waiting_syncs = 0;
};

// What follows once the changes are durable.
struct Outbox {
  // With the lock released.
  struct Answer {
    SyncDone done;
    absl::StatusOr<SyncAnswer> answer;
  };
  std::vector<Answer> answers;
  std::set<std::string> changed;  // experiments with new entries in their change logs

  // Under the lock.
  std::vector<std::function<void(CoreObserver&)>> reports;

  std::set<std::string> saved_workers;
  std::vector<std::string> worker_faults;  // ids of runs, one for each fault that was counted
  int commits = 0;                         // changes of state
  absl::Duration commit_time;              // of those
};

// Ownership: borrows all of CoordinatorParts.
// Threads:   one at a time (guarded by its owner). No callback runs inside: they are put into the outbox.
// Only
//            errors are reported to the observer at once.
// Errors:    see coordinator.h.
class CoordinatorState {
 public:
  CoordinatorState(const CoordinatorParts& parts, const CoordinatorOptions& options);

  // As the functions of Coordinator of the same names.
  absl::Status Recover();
  absl::StatusOr<StateRepository::Created> Submit(const ExperimentRecord& experiment,
                                                  const std::vector<RunRecord>& runs);
  absl::Status Cancel(const std::string& experiment_id, const std::string& run, const std::string& reason);
  absl::Status Retry(const std::string& experiment_id, const std::string& run);
  absl::StatusOr<Explanation> Explain(const std::string& run_id);
  std::vector<Message> Unplaceable(const std::vector<RunRecord>& runs) const;
  int64_t Sync(const SyncCall& call, SyncDone done);
  void DropSync(int64_t id);
  absl::Status Finish(AttemptEnd end);
  std::vector<WorkerStatus> Workers();
  absl::StatusOr<WorkerStatus> SetWorkerMode(const WorkerModeRecord& record);
  void Tick();
  void StopWaiting();
  CoordinatorStats Stats();
  absl::StatusOr<std::string> HolderOf(const AttemptKey& attempt);
  std::optional<AttemptKey> HeldBy(const std::string& worker_id);
  absl::StatusOr<std::optional<Assignment>> AssignmentOf(const std::string& worker_id);
  int64_t UnfinishedRunsOf(const std::string& submitter) const;

  // The experiment has ended and was deleted.
  void Forget(const std::string& experiment_id);

  // Renews the lease of the attempt for a full term from `time` (monotonic), when its worker was alive.
  void Renew(const AttemptKey& attempt, absl::Duration time) { leases_.Renew(attempt, time); }

  // Returns the outbox since the last call.
  Outbox TakeOutbox() { return std::exchange(outbox_, Outbox()); }

  // The changes of this outbox did not become durable: reads again what they had changed.
  void Undo(const Outbox& outbox);

 private:
  struct Active {
    ExperimentRecord experiment;  // without files
    std::vector<RunRecord> runs;
    RunIndex index;
    bool stale = false;                        // a commit failed midway: read again before use
    std::map<std::string, int> worker_faults;  // by run id, since the coordinator started
  };

  absl::Status Load(const std::string& experiment_id);
  // Takes over what was read of an experiment.
  absl::Status Adopt(ExperimentRecord experiment, std::vector<RunRecord> runs);
  absl::StatusOr<Active*> FindActive(const std::string& experiment_id);
  // Without reading again: nullptr where that would be needed. For use while iterating over the queue.
  const RunRecord* Peek(const std::string& run_id);
  static RunRecord* FindRun(Active& active, const std::string& run_id);
  ExperimentChange NewChange(const Active& active) const;
  void Prune(const std::string& experiment_id);
  void Drop(std::map<std::string, Active>::iterator active);
  absl::Status Apply(Active& active, ExperimentChange& change);
  void Absorb(Active& active, ExperimentChange& change);
  absl::Status EndAttempt(const AttemptEnd& end, std::optional<ReuseEntry> remember);
  bool WorthAnotherWorker(const Active& active, const RunRecord& run, const std::string& worker_id) const;
  void JudgeWorker(Active& active, const AttemptEnd& end, const std::string& worker_id);
  bool TakesRuns(const std::string& worker_id) const;
  bool CanTake(const RunRecord& run, const WorkerRecord& worker) const;
  absl::StatusOr<std::set<std::string>> IncompleteResults(const Active& active) const;
  absl::Status Lose(const AttemptKey& attempt, RunState outcome, const Message& why);
  absl::Status RestoreLease(const RunRecord& run, const std::string& submitter);
  void RestoreHolder(const RunRecord& run);
  // A lease, and what the queue knows of the run that has it.
  void GrantLease(const AttemptRecord& attempt, const RunRecord& run, const std::string& submitter,
                  absl::Duration time_limit);
  void DropLease(const std::string& run_id);
  std::string MachineOfWorker(const std::string& worker_id) const;

  void SaveWorkers();
  absl::StatusOr<SyncAnswer> AnswerNow(const SyncCall& call);
  absl::StatusOr<SyncAnswer> SyncHolding(const SyncCall& call);
  absl::StatusOr<std::optional<Assignment>> RecoverUndelivered(const SyncCall& call);
  absl::StatusOr<std::optional<Assignment>> Assign(const WorkerRecord& worker);
  absl::StatusOr<std::optional<Assignment>> Take(Active& active, const std::string& run_id,
                                                 const WorkerRecord& worker);
  absl::StatusOr<Assignment> MakeAssignment(const Active& active, const RunRecord& run) const;
  // Reuses a result that was computed before; false where there is none.
  absl::StatusOr<bool> TakeOver(Active& active, const RunRecord& run, const WorkerRecord& worker);
  void CorrectEnd(AttemptEnd& end, const Lease& lease, const RunRecord& run) const;
  void LoseOverdueAttempts();

  // ---- which run, on which worker (coordinator_state_queue.cc) ----

  // The workers among which one is chosen.
  struct IdleWorkers {
    std::function<bool(const std::string& id)> has;
    // The first, in their order, that `wanted` accepts; nullptr when there is none.
    std::function<const WorkerRecord*(const std::function<bool(const WorkerRecord&)>& wanted)> first;
  };
  struct Choice {
    std::string run_id, worker_id;
  };
  using Reservations = std::map<std::string, std::string>;  // run ids by machine

  IdleWorkers Waiting() const;
  static IdleWorkers Only(const WorkerRecord& worker);
  // The first run of the queue that one of the workers can take, and that worker.
  std::optional<Choice> Choose(const IdleWorkers& idle, const std::set<std::string>& failed);
  const WorkerRecord* ChooseWorker(const RunRecord& run, const IdleWorkers& idle,
                                   const Reservations& reserved) const;
  std::string PreferHeld(const RunRecord& run, const QueueEntry& entry, const std::string& worker_id,
                         const std::set<std::string>& failed);
  // Of the runs that it depends on.
  std::vector<AttemptKey> ResultsRead(const RunRecord& run) const;
  // The number of those that the worker has.
  int HeldInputs(const RunRecord& run, const std::string& worker_id) const;
  std::vector<std::string> HoldersOfInputs(const RunRecord& run) const;
  bool MachineIsFree(const RunRecord& run, const WorkerRecord& worker, const Reservations& reserved) const;
  // Keeps a machine free for a run that needs one alone and finds none free.
  void Reserve(const RunRecord& run, Reservations& reserved) const;
  void RecordHolders(const RunRecord& run, const std::string& worker_id);

  // ---- explanations (coordinator_state_queue.cc) ----

  Reservations ReservedBefore(const std::string& run_id);
  Message WhyMachineIsTaken(const RunRecord& run, const WorkerRecord& worker, const Reservations& reserved);
  void ExplainQueue(const RunRecord& run, ExplanationFacts& facts);
  std::string SlotOf(const RunRecord& run, const WorkerRecord& worker, const Reservations& reserved) const;
  std::vector<std::optional<TimeLeft>> BusySlots(const RunRecord& run, const Reservations& reserved);
  std::vector<TimeLeft> CompetingRuns(const RunRecord& run, const RunsAhead& ahead);
  std::optional<TimeLeft> TimeLeftOn(const WorkerRecord& worker);

  // Hands queued runs to waiting workers.
  void Dispatch();
  void HandOut(const std::string& run_id, const std::string& worker_id, std::set<std::string>& failed);
  void Answer(WaitingSync call, absl::StatusOr<SyncAnswer> answer);
  void AnswerOverdue();
  SyncAnswer MakeAnswer(absl::Duration next_sync);
  absl::Duration Jittered(absl::Duration around);
  WorkerState StateOf(const std::string& worker_id);
  WorkerStatus StatusOf(const WorkerRecord& worker);

  const CoordinatorParts parts_;
  const CoordinatorOptions options_;
  const ReuseIndex reuse_;

  std::map<std::string, Active> active_;  // by experiment id
  WorkerTable workers_;
  std::set<std::string> unsaved_workers_;  // whose records are to be stored
  WorkerHolds holds_;
  std::map<std::string, WorkerModeRecord> modes_;  // by worker id, of those that are not kActive
  WaitingSyncs waiting_;
  RunQueue queue_;
  RunningRuns running_;
  ArtifactHolders holders_;
  RunTimes run_times_;
  LeaseTable leases_;
  std::mt19937_64 random_;
  absl::Duration last_tick_;
  bool stopping_ = false;
  Outbox outbox_;
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CORE_COORDINATOR_STATE_H_
