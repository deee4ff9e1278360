// Events of core for logs and metrics, on which core does not depend.
#ifndef QUANTLAB_SERVER_CORE_OBSERVER_H_
#define QUANTLAB_SERVER_CORE_OBSERVER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/records/records.h"

namespace quantlab {

// Called with core's lock held, once what is reported is durable: implementations must be quick and must not
// call back.
// Threads: any, one at a time.
class CoreObserver {
 public:
  virtual ~CoreObserver() = default;

  // A run changed its state; `run` has the new one.
  virtual void OnTransition(const RunRecord& run, RunState from) {}
  // A run was assigned to a worker, after this time in the queue.
  virtual void OnStart(const AttemptRecord& attempt, const RunRecord& run, absl::Duration waited) {}
  // An attempt ended, after this time; a lease that ran out is LOST.
  virtual void OnAttemptEnd(const AttemptRecord& attempt, RunState outcome, absl::Duration took,
                            const std::string& message) {}
  // The lease of an attempt ran out, and the attempt was ended for it; after OnAttemptEnd.
  virtual void OnLeaseExpired(const AttemptKey& attempt) {}
  // Changes of state became durable together, or one or all of them failed.
  virtual void OnCommit(absl::Duration took, const absl::Status& status) {}
  // An operation failed that no caller waits for.
  virtual void OnBackgroundError(const std::string& what, const absl::Status& status) {}
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CORE_OBSERVER_H_
