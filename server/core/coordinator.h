// The coordinator's state and everything that changes it: active experiments, the queue, leases, workers and
// their waiting calls.
//
// A change is computed (transitions.h), committed to the repositories, and only then applied here and
// reported; what is here is rebuilt from the repositories by Recover. A process killed at any moment loses
// leases (which get a full term again) and waiting calls (which workers repeat), nothing else.
//
//   worker ── Sync ──▶ queue ── assignment ──▶ worker ── ReportEvents … Finish ──▶ next runs
//
// Ownership: borrows all of CoordinatorParts; they outlive it.
// Threads:   safe. One lock; commits happen under it, callbacks outside of it.
// Errors:    NOT_FOUND unknown experiment or run; ABORTED a fenced attempt; FAILED_PRECONDITION; and what
//            the repositories return. A failed call changes nothing.
#ifndef QUANTLAB_SERVER_CORE_COORDINATOR_H_
#define QUANTLAB_SERVER_CORE_COORDINATOR_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/repositories.h"
#include "server/core/change_feed.h"
#include "server/core/explanation.h"
#include "server/core/lease_table.h"
#include "server/core/observer.h"
#include "server/core/reuse.h"
#include "server/core/scheduler.h"
#include "server/core/sync.h"
#include "server/core/transitions.h"
#include "server/core/waiting_syncs.h"
#include "server/core/worker_table.h"

namespace quantlab {

struct CoordinatorParts {
  StateRepository* state = nullptr;
  EventRepository* events = nullptr;
  ArtifactStore* artifacts = nullptr;
  const Clock* clock = nullptr;
  CoreObserver* observer = nullptr;
};

struct CoordinatorOptions {
  absl::Duration lease_term = absl::Seconds(30);
  // A run's time limit counts from the start of its runner, and its worker keeps it. This long after, the
  // coordinator asks the worker to stop it; after as long again it takes the attempt away.
  absl::Duration time_limit_grace = absl::Minutes(15);
  uint64_t jitter_seed = 1;
};

enum class WorkerState { kIdle, kBusy, kGone };

struct WorkerStatus {
  WorkerRecord worker;
  WorkerState state = WorkerState::kIdle;
  std::optional<AttemptKey> attempt;
};

struct CoordinatorStats {
  int queued = 0;
  absl::Duration oldest_queued;
  std::map<RunState, int> active_runs;  // of active experiments, by state
  std::map<WorkerState, int> workers;
  int waiting_syncs = 0;
};

class Coordinator {
 public:
  Coordinator(const CoordinatorParts& parts, const CoordinatorOptions& options);
  ~Coordinator();

  // Rebuilds everything from the repositories. Call once, first.
  absl::Status Recover();

  // ---- users ----

  // Stores an experiment and queues what can start. Idempotent by request_id.
  absl::StatusOr<StateRepository::Created> Submit(const ExperimentRecord& experiment,
                                                  const std::vector<RunRecord>& runs);
  // `run`: a run name, or empty for all that has not ended.
  absl::Status Cancel(const std::string& experiment_id, const std::string& run, const std::string& reason);
  absl::Status Retry(const std::string& experiment_id, const std::string& run);
  absl::StatusOr<Explanation> Explain(const std::string& run_id);
  // Explains each run that no connected worker can execute; empty while none is connected.
  std::vector<std::string> Unplaceable(const std::vector<RunRecord>& runs);

  // ---- workers ----

  // `done` is called exactly once, possibly before this returns: at once where there is an answer already,
  // else when there is a run for it or the wait is over. Returns an id for DropSync; 0 when answered already.
  int64_t Sync(const SyncCall& call, SyncDone done);
  // Drops a waiting call. Its callback will not run.
  void DropSync(int64_t id);
  absl::StatusOr<int64_t> ReportEvents(const AttemptKey& attempt, const std::vector<Event>& events);
  // Idempotent. FAILED_PRECONDITION until all events and artifacts are stored.
  absl::Status Finish(const AttemptEnd& end);
  std::vector<WorkerStatus> Workers();

  // ---- time ----

  // Ends leases and waits that have run out. Call it often (every quarter of a second).
  void Tick();
  // Answers all waiting calls; later ones are answered at once with UNAVAILABLE. For shutting down.
  void StopWaiting();

  CoordinatorStats Stats();
  ChangeFeed& feed() { return feed_; }

 private:
  struct Active {
    ExperimentRecord experiment;  // without files
    std::vector<RunRecord> runs;
    bool stale = false;  // a commit failed midway: read again before use
  };
  // Calls to make once the lock is released.
  struct Outbox {
    std::vector<std::function<void()>> calls;
    std::set<std::string> changed;  // experiments
  };

  absl::Status Load(const std::string& experiment_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Active*> FindActive(const std::string& experiment_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Without reading again: nullptr where that would be needed. For use while the queue is walked.
  const RunRecord* Peek(const std::string& run_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static RunRecord* FindRun(Active& active, const std::string& run_id);
  void Prune(const std::string& experiment_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Apply(Active& active, ExperimentChange& change, Outbox& outbox)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Absorb(Active& active, ExperimentChange& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status EndAttempt(const AttemptEnd& end, std::optional<ReuseEntry> remember, Outbox& outbox)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Lose(const AttemptKey& attempt, RunState outcome, const std::string& why, Outbox& outbox)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status RestoreLease(const RunRecord& run) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void RecordContact(const WorkerRecord& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<SyncAnswer> AnswerNow(const SyncCall& call, Outbox& outbox)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<SyncAnswer> SyncHolding(const SyncCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::optional<Assignment>> RecoverUndelivered(const SyncCall& call, Outbox& outbox)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::optional<Assignment>> Assign(const WorkerRecord& worker, Outbox& outbox)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::optional<Assignment>> Take(Active& active, const std::string& run_id,
                                                 const WorkerRecord& worker, Outbox& outbox)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes over a result that was computed before; false where there is none.
  absl::StatusOr<bool> TakeOver(Active& active, const RunRecord& run, const WorkerRecord& worker,
                                Outbox& outbox) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CorrectEnd(AttemptEnd& end, const Lease& lease, const RunRecord& run) const;
  void LoseOverdueAttempts(Outbox& outbox) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::string FirstFor(const WorkerRecord& worker, const std::set<std::string>& failed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Hands queued runs to waiting workers.
  void Dispatch(Outbox& outbox) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool DispatchOne(std::set<std::string>& failed, Outbox& outbox) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void HandOut(const std::string& run_id, const std::string& worker_id, std::set<std::string>& failed,
               Outbox& outbox) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Answer(WaitingSync call, absl::StatusOr<SyncAnswer> answer, Outbox& outbox)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AnswerOverdue(Outbox& outbox) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  SyncAnswer MakeAnswer(absl::Duration next_sync) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Duration Jittered(absl::Duration around) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  WorkerState StateOf(const std::string& worker_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Send(Outbox& outbox);

  // Constant after construction.
  const CoordinatorParts parts_;
  const CoordinatorOptions options_;
  // Own synchronisation.
  const ReuseIndex reuse_;
  ChangeFeed feed_;

  Mutex mutex_;
  std::map<std::string, Active> active_ ABSL_GUARDED_BY(mutex_);  // by experiment id
  WorkerTable workers_ ABSL_GUARDED_BY(mutex_);
  WaitingSyncs waiting_ ABSL_GUARDED_BY(mutex_);
  RunQueue queue_ ABSL_GUARDED_BY(mutex_);
  LeaseTable leases_ ABSL_GUARDED_BY(mutex_);
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_);
  absl::Duration last_tick_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CORE_COORDINATOR_H_
