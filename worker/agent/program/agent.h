// The worker's life: take a run, execute it, take the next.
//
//   idle ──assignment──▶ preparing ──▶ running ──▶ finishing ──accepted──▶ idle
//                            │             │            │
//                            └─────────────┴── fenced ──┴──▶ idle (its files are thrown away)
//
// Idle, it long-polls; from the assignment on, a LeaseKeeper synchronises instead.
#ifndef QUANTLAB_WORKER_AGENT_PROGRAM_AGENT_H_
#define QUANTLAB_WORKER_AGENT_PROGRAM_AGENT_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/backoff.h"
#include "base/mutex.h"
#include "logging/log.h"
#include "quantlab/v1/worker.pb.h"
#include "worker/agent/attempt/attempt.h"
#include "worker/agent/connection/control.h"
#include "worker/agent/connection/coordinator.h"

namespace quantlab::agent {

struct AgentOptions {
  v1::WorkerInfo worker;
  absl::Duration max_wait = absl::Seconds(30);
  // No run is taken with less free disk than this.
  int64_t min_free_bytes = int64_t{256} << 20;
  absl::Duration first_pause = absl::Milliseconds(100);
  absl::Duration longest_pause = absl::Seconds(5);
  // How long a worker whose id is in use goes on asking: one that moved to another machine is refused until
  // its old lease has run out.
  absl::Duration id_patience = absl::Minutes(1);
  // Run() ends after so long without a run.
  absl::Duration max_idle = absl::InfiniteDuration();
  // Called once, when the coordinator has answered for the first time.
  std::function<void()> ready;
};

// Ownership: borrows what `environment` names.
// Threads:   one calls Run; Stop is safe.
class Agent {
 public:
  Agent(AgentOptions options, AttemptEnvironment environment);

  // Hands over what an earlier process left, then works until stopped, or idle for options.max_idle.
  // Errors: what makes working impossible: the data folder cannot be read; ALREADY_EXISTS the coordinator
  // knows another worker with this id, whose folder is not this one; UNAUTHENTICATED it does not accept the
  // token, with the remedy.
  absl::Status Run();

  // Takes nothing new, and ends the attempt under way: gently, or (`now`) at once. May be called again
  // with more haste.
  void Stop(bool now);

 private:
  absl::Status Recover();
  // Asks the coordinator whether this worker may go on with what its folder holds, before it does.
  absl::Status Introduce(const v1::AttemptRef& attempt);
  void ResumeAttempt(const std::string& folder);
  void RunAttempt(const v1::SyncResponse& response);
  // The attempt under way is told when the worker stops.
  std::shared_ptr<AttemptControl> NewControl();
  void DropControl();
  bool HasSpace();
  // How much longer the worker may be idle.
  absl::Duration IdleTimeLeft() const;
  bool stopping();
  // True when the worker stops.
  bool Pause(absl::Duration duration);
  // One turn of the loop while idle. Errors: ALREADY_EXISTS and UNAUTHENTICATED as Run.
  absl::Status TakeRun(Backoff& backoff);
  // ALREADY_EXISTS once the coordinator has refused this worker for longer than options_.id_patience;
  // UNAUTHENTICATED when it does not accept the token; else OK.
  absl::Status CheckRefusal(const absl::Status& answer);

  const AgentOptions options_;
  const AttemptEnvironment environment_;
  const LogScope log_;
  CallCanceller idle_calls_;
  bool ready_ = false;
  bool low_on_space_ = false;
  std::optional<absl::Duration> refused_since_;  // monotonic
  absl::Duration idle_since_;                    // monotonic

  Mutex mutex_;
  CondVar changed_;
  int stops_ ABSL_GUARDED_BY(mutex_) = 0;  // 1: gently, 2: at once
  std::shared_ptr<AttemptControl> control_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_PROGRAM_AGENT_H_
