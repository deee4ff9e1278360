// Keeps the lease of one attempt alive from a thread of its own, whatever else the agent is busy with, and
// hears there that the attempt should stop.
#ifndef QUANTLAB_WORKER_AGENT_ATTEMPT_LEASE_KEEPER_H_
#define QUANTLAB_WORKER_AGENT_ATTEMPT_LEASE_KEEPER_H_

#include <thread>

#include "absl/time/time.h"
#include "base/mutex.h"
#include "logging/log.h"
#include "quantlab/v1/worker.pb.h"
#include "worker/agent/connection/control.h"
#include "worker/agent/connection/coordinator.h"
#include "worker/agent/connection/outage_log.h"

namespace quantlab::agent {

// Synchronises every third of a lease, or as often as the coordinator wants. While the coordinator is away
// it goes on trying; the attempt goes on too.
//
// Ownership: borrows everything given. Destroying it ends its call and its thread.
class LeaseKeeper {
 public:
  // `lease` is what the coordinator said last; zero: not known.
  LeaseKeeper(const v1::WorkerInfo& worker, const v1::AttemptRef& attempt, absl::Duration lease,
              Coordinator* coordinator, AttemptControl* control, OutageLog* outage);
  ~LeaseKeeper();

 private:
  void Run();
  // How long until the next call.
  absl::Duration Handle(const v1::SyncResponse& response);

  v1::SyncRequest request_;
  absl::Duration lease_;
  Coordinator* const coordinator_;
  AttemptControl* const control_;
  OutageLog* const outage_;
  CallCanceller canceller_;

  Mutex mutex_;
  CondVar changed_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_ATTEMPT_LEASE_KEEPER_H_
