// The queue of runs, and which worker can execute which.
//
// The queue is ordered by priority (higher first), then by the time of entering it. A run goes to a worker
// that has its device and its method in the same version.
#ifndef QUANTLAB_SERVER_CORE_SCHEDULER_H_
#define QUANTLAB_SERVER_CORE_SCHEDULER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/message.h"
#include "base/records.h"

namespace quantlab {

struct QueueEntry {
  int priority = 0;
  absl::Time queue_time;
  uint64_t arrival = 0;  // orders entries of one moment
  std::string run_id;
  std::string requirement;

  friend bool operator<(const QueueEntry& a, const QueueEntry& b) {
    if (a.priority != b.priority) return a.priority > b.priority;
    if (a.queue_time != b.queue_time) return a.queue_time < b.queue_time;
    return a.arrival < b.arrival;
  }
};

// Threads: one at a time (guarded by its owner).
class RunQueue {
 public:
  // Replaces an entry of the same run.
  void Add(const RunRecord& run, int priority);
  void Remove(const std::string& run_id);

  // In the order in which runs are to be assigned.
  const std::set<QueueEntry>& entries() const { return entries_; }
  size_t size() const { return entries_.size(); }

  // Number of runs ahead of this one; nothing when it is not in the queue.
  std::optional<int> Position(const std::string& run_id) const;

  // When the run that has waited longest entered; InfiniteFuture for an empty queue.
  absl::Time OldestEntry() const;

 private:
  std::set<QueueEntry> entries_;
  std::map<std::string, QueueEntry> by_run_;
  uint64_t arrivals_ = 0;
};

// Why the worker cannot execute this run ("has no cuda"); no message when it can.
Message WhyNot(const RunRecord& run, const WorkerRecord& worker);

// Runs of one requirement fit the same workers: "cuda|dynamic_quantization|1".
std::string Requirement(const RunRecord& run);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CORE_SCHEDULER_H_
