// What an attempt is doing now, for monitoring.
#ifndef QUANTLAB_WORKER_AGENT_ATTEMPT_ATTEMPT_STATUS_H_
#define QUANTLAB_WORKER_AGENT_ATTEMPT_ATTEMPT_STATUS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <sys/types.h>
#include <utility>

#include "absl/time/time.h"
#include "base/mutex.h"
#include "worker/agent/attempt/supervisor.h"
#include "worker/agent/events/spool.h"

namespace quantlab::agent {

enum class AttemptPhase {
  kPreparing,   // fetching inputs
  kRunning,     // the runner runs
  kDelivering,  // the runner has ended; the coordinator does not have everything yet
};

struct AttemptSnapshot {
  std::string device;
  AttemptPhase phase = AttemptPhase::kPreparing;
  int64_t spool_bytes = 0;    // of the spool's file
  int64_t backlog_bytes = 0;  // of events that the coordinator has not acknowledged
  int64_t backlog_events = 0;
  pid_t runner = 0;  // 0: none runs
};

// Written by the attempt, read by others. Threads: safe.
class AttemptStatus {
 public:
  explicit AttemptStatus(std::string device) : device_(std::move(device)) {}

  void SetPhase(AttemptPhase phase);
  // Borrows the spool until the next call, which must come before it is destroyed; nullptr: none.
  void SetSpool(const Spool* spool);
  // 0: the runner has ended.
  void SetRunner(pid_t pid);

  AttemptSnapshot Get() const;

 private:
  const std::string device_;
  mutable Mutex mutex_;
  AttemptPhase phase_ ABSL_GUARDED_BY(mutex_) = AttemptPhase::kPreparing;
  const Spool* spool_ ABSL_GUARDED_BY(mutex_) = nullptr;
  pid_t runner_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Receives the begin and the end of each attempt. This class ignores both. Threads: safe.
class AttemptObserver {
 public:
  virtual ~AttemptObserver() = default;

  // An attempt begins; it keeps its status up to date while it holds it.
  virtual std::shared_ptr<AttemptStatus> Begin(const std::string& device);
  // Its runner has ended, or its preparation failed, after this time.
  virtual void End(const Outcome& outcome, absl::Duration took) {}

  // One that ignores both.
  static AttemptObserver* None();
};

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_ATTEMPT_ATTEMPT_STATUS_H_
