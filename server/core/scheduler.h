// The queue of runs that wait for a worker, and which worker can execute which run.
//
// The order: higher priority first. Within a priority submitters take turns: the next run is one of the
// submitter with the fewest running runs; among those with equally many, of the one whose last run started
// longest ago. A submitter's own runs follow each other in the order in which they entered the queue.
//
// It follows that a submitter without a running run waits, in its priority, for at most one run of each other
// submitter: after that run, the other one has either a running run or a later last start. (Runs that only
// other workers can execute do not count.)
#ifndef QUANTLAB_SERVER_CORE_SCHEDULER_H_
#define QUANTLAB_SERVER_CORE_SCHEDULER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/messages/message.h"
#include "base/records/records.h"
#include "server/core/running_runs.h"

namespace quantlab {

struct QueueEntry {
  int priority = 0;
  absl::Time queue_time;
  uint64_t arrival = 0;  // orders entries of one moment
  std::string run_id;
  std::string submitter;
  std::string requirement;

  // Within a submitter and a priority.
  friend bool operator<(const QueueEntry& a, const QueueEntry& b) {
    if (a.queue_time != b.queue_time) return a.queue_time < b.queue_time;
    return a.arrival < b.arrival;
  }
};

// The runs that come before one, if every run could start when its turn comes and none ended. The pointers
// are valid until the queue changes.
struct RunsAhead {
  std::vector<const QueueEntry*> by_priority;  // of a higher priority
  std::vector<const QueueEntry*> own;          // earlier ones of the same submitter
  std::vector<const QueueEntry*> by_turn;      // of other submitters, whose turn comes first
  int submitters = 0;                          // of by_turn

  int size() const { return static_cast<int>(by_priority.size() + own.size() + by_turn.size()); }
};

// What a visitor of the queue wants next.
enum class Visit {
  kStop,
  kNextRun,
  kNextGroup,  // no other run of the same submitter, priority and requirement
};

// Threads: one at a time (guarded by its owner).
class RunQueue {
 public:
  // Replaces an entry of the same run.
  void Add(const RunRecord& run, int priority, const std::string& submitter);
  void Remove(const std::string& run_id);

  size_t size() const { return by_run_.size(); }

  // Calls `visit` with runs in the order in which they are to be assigned while these run.
  void VisitAll(const RunningRuns& running, const std::function<Visit(const QueueEntry&)>& visit) const;

  // The runs that follow `entry` in its group (the same submitter, priority and requirement) and entered the
  // queue within `window` after it, at most `most`.
  std::vector<std::string> Following(const QueueEntry& entry, size_t most, absl::Duration window) const;

  // Nothing when it is not in the queue.
  std::optional<RunsAhead> Ahead(const std::string& run_id, const RunningRuns& running) const;

 private:
  using Group = std::set<QueueEntry>;
  using Groups = std::map<std::string, Group>;       // by requirement; none is empty
  using Submitters = std::map<std::string, Groups>;  // by name; none is empty

  std::map<int, Submitters, std::greater<int>> levels_;  // by priority, the highest first; none is empty
  std::map<std::string, QueueEntry> by_run_;
  uint64_t arrivals_ = 0;
};

// Why the worker cannot execute this run ("has no cuda"); no message when it can.
Message WhyNot(const RunRecord& run, const WorkerRecord& worker);

// Whether nothing else may run on its machine meanwhile: it measures time.
bool RunsAlone(const RunRecord& run);

// Runs of one requirement fit the same workers, and all or none of them run alone.
std::string Requirement(const RunRecord& run);

// The machine of a worker: the same for all workers there. A worker that does not say is a machine of its
// own.
std::string MachineOf(const WorkerRecord& worker);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CORE_SCHEDULER_H_
