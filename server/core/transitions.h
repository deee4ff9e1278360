// Computes, without applying it, the effect on an experiment's runs of a change of one of them. The result is
// one StateChange, which storage commits in one transaction, and the runs after it.
#ifndef QUANTLAB_SERVER_CORE_TRANSITIONS_H_
#define QUANTLAB_SERVER_CORE_TRANSITIONS_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/records/repositories.h"

namespace quantlab {

// Retries after the runner died, and after the worker vanished or was stopped.
inline constexpr int kMaxCrashRetries = 2;
inline constexpr int kMaxInterruptions = 10;
// After so many faults of workers a run waits for another worker; where no other can execute it, it has
// FAILED.
inline constexpr int kMaxWorkerFaults = 3;

// The places of an experiment's runs in their list, by name. Neither changes once the experiment is stored.
class RunIndex {
 public:
  RunIndex() = default;
  explicit RunIndex(const std::vector<RunRecord>& runs) {
    for (size_t i = 0; i < runs.size(); ++i) by_name_[runs[i].name] = i;
  }
  std::optional<size_t> Find(const std::string& name) const {
    const auto it = by_name_.find(name);
    return it == by_name_.end() ? std::nullopt : std::optional(it->second);
  }

 private:
  std::unordered_map<std::string, size_t> by_name_;
};

// One change, built step by step. Each step that ends a run also moves the runs that depend on it: into the
// queue, or to SKIPPED.
//
// Borrows `runs`, all runs of one experiment in the order of creation, each after its dependencies, and
// `index`, which is of them. Threads: one at a time.
class ExperimentChange {
 public:
  ExperimentChange(const std::vector<RunRecord>& runs, const RunIndex& index, absl::Time now);

  // PENDING runs whose needs are met enter the queue; those whose needs cannot be met are SKIPPED.
  void Settle();

  // A worker takes a QUEUED run: RUNNING, with the next attempt number as the fencing token.
  // Errors: ABORTED the run is not QUEUED.
  absl::Status Start(const std::string& run_id, const WorkerRecord& worker);

  // A QUEUED run reuses a result that was computed before.
  absl::Status Reuse(const std::string& run_id, const AttemptKey& result);

  // The running attempt ended. SUCCEEDED, FAILED, TIMED_OUT and CANCELLED end the run; after CRASHED,
  // LOST and PREEMPTED it is retried as often as the limits above allow, unless its cancellation was
  // requested. FAILED by a fault of the worker (`end.worker_fault`) counts as an interruption;
  // `try_again` false ends the run with it. An interrupted attempt that `advanced` the run's training, beyond
  // what attempts before it had saved, is the first of its interruptions again.
  // Errors: ABORTED this attempt does not run (any more).
  absl::Status Finish(const AttemptEnd& end, bool try_again = true, bool advanced = false);

  // Cancels waiting runs and requests the end of running ones. `run_ids` must be of this experiment; runs
  // that have ended stay as they are.
  void Cancel(const std::vector<std::string>& run_ids, const Message& reason);

  // Queues again runs that ended without success, with their dependencies and those that were skipped because
  // of them. Resets the counters. Runs of `incomplete` count as not succeeded: artifacts of their results are
  // missing.
  // Errors: FAILED_PRECONDITION nothing to try again.
  absl::Status Retry(const std::vector<std::string>& run_ids, const std::set<std::string>& incomplete = {});

  bool empty() const;
  StateChange& change() { return change_; }
  // The runs that differ, after the change.
  const std::map<size_t, RunRecord>& changed() const { return changed_; }

 private:
  const RunRecord& At(size_t index) const;
  RunRecord& Mutable(size_t index);
  int IndexOfName(const std::string& name) const;
  int IndexOfId(const std::string& run_id) const;
  void Move(size_t index, RunState to, const Message& message);
  bool SettleOne(size_t index);
  void CollectRetry(size_t index, const std::set<std::string>& incomplete, std::vector<bool>& again) const;

  const std::vector<RunRecord>& runs_;
  const RunIndex& index_;
  const absl::Time now_;
  std::map<size_t, RunRecord> changed_;
  StateChange change_;
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CORE_TRANSITIONS_H_
