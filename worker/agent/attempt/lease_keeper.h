// Renews the lease of one attempt on a separate thread, independently of the agent's other work, and receives
// the coordinator's requests to stop the attempt.
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

// Calls Sync every third of a lease, or as often as the coordinator asks. While the coordinator is
// unavailable it keeps trying, and the attempt continues.
//
// Ownership: borrows everything given. Destroying it ends its call and its thread.
class LeaseKeeper {
 public:
  // `lease` is the last value from the coordinator; zero: unknown.
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
