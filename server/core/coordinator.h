// The coordinator's state (coordinator_state.h) behind one lock.
//
// A change is computed (transitions.h), committed to the repositories, and only then applied here and
// reported; Recover rebuilds this state from the repositories. A process killed at any moment loses only
// leases (which get a full term again) and waiting calls (which workers repeat).
//
// Changes that come while others are being synchronized to the disk wait, and the first of them then makes
// them all and synchronizes once (group commit). Each has its own guard and its own error; all are answered
// when the group is durable. Where that fails, all of the group fail, and what they changed is read again.
//
//   worker ── Sync ──▶ queue ── assignment ──▶ worker ── ReportEvents … Finish ──▶ next runs
//
// Ownership: borrows all of CoordinatorParts; they outlive it.
// Threads:   safe. One lock; commits happen under it, callbacks outside of it. A change may be made by the
//            thread of another call.
// Errors:    NOT_FOUND unknown experiment or run; ABORTED a fenced attempt; FAILED_PRECONDITION; and what
//            the repositories return. A failed call changes nothing.
#ifndef QUANTLAB_SERVER_CORE_COORDINATOR_H_
#define QUANTLAB_SERVER_CORE_COORDINATOR_H_

#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "base/records/repositories.h"
#include "server/core/change_feed.h"
#include "server/core/coordinator_state.h"

namespace quantlab {

class Coordinator {
 public:
  Coordinator(const CoordinatorParts& parts, const CoordinatorOptions& options);

  // Rebuilds everything from the repositories. Call once, first.
  absl::Status Recover();

  // ---- users ----

  // Stores an experiment and queues what can start. Idempotent by request_id. `uploads` are files that it
  // refers to: FAILED_PRECONDITION where one is not in the store.
  absl::StatusOr<StateRepository::Created> Submit(const ExperimentRecord& experiment,
                                                  const std::vector<RunRecord>& runs,
                                                  const std::vector<Artifact>& uploads = {});
  // `run`: a run name, or empty for all that has not ended.
  absl::Status Cancel(const std::string& experiment_id, const std::string& run, const std::string& reason);
  absl::Status Retry(const std::string& experiment_id, const std::string& run);
  absl::StatusOr<Explanation> Explain(const std::string& run_id);
  // Explains each run that no connected worker can execute; empty while none is connected.
  std::vector<Message> Unplaceable(const std::vector<RunRecord>& runs);

  // ---- files ----

  // Runs `mark`, which deletes an ended experiment from the repositories, while nothing else changes, and
  // forgets the experiment where it succeeds.
  absl::Status Delete(const std::string& experiment_id, const std::function<absl::Status()>& mark);
  // Runs `body` while no experiment is submitted and no result recorded. It must be quick and must not call
  // back.
  absl::Status Exclusively(const std::function<absl::Status()>& body);

  // ---- workers ----

  // `done` is called exactly once, possibly before this returns: at once where there is already an answer,
  // else when there is a run for it or the wait is over. Returns an id for DropSync; 0 when already answered.
  int64_t Sync(const SyncCall& call, SyncDone done);
  // Drops a waiting call. Its callback will not run.
  void DropSync(int64_t id);
  absl::StatusOr<int64_t> ReportEvents(const AttemptKey& attempt, const std::vector<Event>& events);
  // Idempotent. FAILED_PRECONDITION until all events and artifacts are stored.
  absl::Status Finish(const AttemptEnd& end);
  std::vector<WorkerStatus> Workers();
  // Kept across restarts. Quarantine ends the worker's attempt as PREEMPTED. Errors: NOT_FOUND.
  absl::StatusOr<WorkerStatus> SetWorkerMode(const WorkerModeRecord& record);

  // ---- who may do what ----

  // The id of the worker that executes the attempt, or did. Errors: NOT_FOUND.
  absl::StatusOr<std::string> HolderOf(const AttemptKey& attempt);
  // The attempt that a worker executes now.
  std::optional<AttemptKey> HeldBy(const std::string& worker_id);
  // The same with its run and inputs, read anew.
  absl::StatusOr<std::optional<Assignment>> AssignmentOf(const std::string& worker_id);
  // Of the submitter's active experiments.
  int64_t UnfinishedRunsOf(const std::string& submitter);

  // ---- time ----

  // Ends leases and waits that have run out. Call it often (every quarter of a second).
  void Tick();
  // Answers all waiting calls; later ones are answered at once with UNAVAILABLE. For shutting down.
  void StopWaiting();

  CoordinatorStats Stats();
  ChangeFeed& feed() { return feed_; }

 private:
  // A call that changes the state, until its group is durable.
  struct Change {
    std::function<void(CoordinatorState&)> make;
    Outbox outbox = {};
    absl::Status committed = {};
    std::exception_ptr exception = {};
    bool done = false;
  };

  // Runs `body(CoordinatorState&)` under the lock, where each commit becomes durable by itself; then
  // publishes the outbox. For what seldom commits.
  template <typename Body>
  auto Locked(Body&& body);
  // The same in a group with other calls. `body` may run on another thread.
  template <typename Body>
  auto Changing(Body&& body);
  void MakeChange(Change& change);
  std::vector<Change*> TakeGroup() ABSL_EXCLUSIVE_LOCKS_REQUIRED(changes_mutex_);
  // noexcept: an exception other than of a change would leave all other calls waiting. The program ends with
  // it instead, and starts again from the stored state.
  void MakeGroup(const std::vector<Change*>& group) noexcept;
  absl::Status Together(const std::function<void()>& body);
  void Publish(Outbox outbox, const absl::Status& committed);
  void RenewReported() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Constant after construction.
  const CoordinatorParts parts_;
  // Own synchronisation.
  ChangeFeed feed_;

  Mutex mutex_;
  CoordinatorState state_ ABSL_GUARDED_BY(mutex_);

  // Never taken together with mutex_.
  Mutex changes_mutex_;
  CondVar turn_;
  std::deque<Change*> changes_ ABSL_GUARDED_BY(changes_mutex_);
  bool making_ ABSL_GUARDED_BY(changes_mutex_) = false;

  // Taken last. Events renew leases without waiting for mutex_, which is held while the disk is synchronized.
  Mutex renewals_mutex_;
  std::vector<std::pair<AttemptKey, absl::Duration>> renewals_ ABSL_GUARDED_BY(renewals_mutex_);
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CORE_COORDINATOR_H_
