// What core tells about itself to logs and metrics, which it does not know.
#ifndef QUANTLAB_SERVER_CORE_OBSERVER_H_
#define QUANTLAB_SERVER_CORE_OBSERVER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/records.h"

namespace quantlab {

// Called with core's lock held: implementations are quick and do not call back.
// Threads: any, one at a time.
class CoreObserver {
 public:
  virtual ~CoreObserver() = default;

  // A run changed its state; `run` is as it is now.
  virtual void OnTransition(const RunRecord& run, RunState from) {}
  // A worker got a run, after this time in the queue.
  virtual void OnStart(const AttemptRecord& attempt, const RunRecord& run, absl::Duration waited) {}
  // An attempt ended, after this time; a lease that ran out is LOST.
  virtual void OnAttemptEnd(const AttemptRecord& attempt, RunState outcome, absl::Duration took,
                            const std::string& message) {}
  // A change was committed, or was not.
  virtual void OnCommit(absl::Duration took, const absl::Status& status) {}
  // Something went wrong that no caller is told of.
  virtual void OnTrouble(const std::string& what, const absl::Status& status) {}
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CORE_OBSERVER_H_
