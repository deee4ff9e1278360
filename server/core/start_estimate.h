// When a queued run can start, estimated from how long earlier runs of the same kinds took.
#ifndef QUANTLAB_SERVER_CORE_START_ESTIMATE_H_
#define QUANTLAB_SERVER_CORE_START_ESTIMATE_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/records/records.h"

namespace quantlab {

// How long runs of a kind, method and device took that succeeded since the coordinator started.
//
// Threads: one at a time (guarded by its owner).
class RunTimes {
 public:
  // The mean follows about this many of the latest runs.
  static constexpr int kMemory = 20;

  struct Time {
    absl::Duration mean;
    int runs = 0;
  };

  void Record(const RunRecord& run, absl::Duration took);
  // Nothing before the first.
  std::optional<Time> Find(const RunRecord& run) const;

 private:
  std::map<std::string, Time> times_;
};

// What keeps a worker, or a whole machine, from the next run: its present run and those of the queue that
// come first.
struct TimeLeft {
  std::optional<RunTimes::Time> usual;  // by runs of its kind; nothing where none has ended yet
  absl::Duration at_most;               // by its time limit
};

struct StartEstimate {
  absl::Duration in;     // from now
  bool at_most = false;  // by time limits: an upper bound; else by usual times
  int runs = 0;          // that have ended, of the kind with the fewest
};

// `busy`: of each worker that can execute the run, what it executes now; nothing where it is idle. `ahead`:
// the runs that take a worker first, in order. Each takes the worker that is free first. Where the usual time
// of any of them is unknown, all are taken at their limits. Nothing where there is no worker.
std::optional<StartEstimate> EstimateStart(const std::vector<std::optional<TimeLeft>>& busy,
                                           const std::vector<TimeLeft>& ahead);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CORE_START_ESTIMATE_H_
