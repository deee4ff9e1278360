// Logs once when the coordinator becomes unreachable and once when it answers again.
#ifndef QUANTLAB_WORKER_AGENT_CONNECTION_OUTAGE_LOG_H_
#define QUANTLAB_WORKER_AGENT_CONNECTION_OUTAGE_LOG_H_

#include <utility>

#include "absl/status/status.h"
#include "base/mutex.h"
#include "logging/log.h"

namespace quantlab::agent {

// Shared by all threads of the agent that call the coordinator.
// Threads: safe.
class OutageLog {
 public:
  explicit OutageLog(LogScope log) : log_(std::move(log)) {}
  void Failed(const absl::Status& why);
  void Answered();

 private:
  const LogScope log_;
  Mutex mutex_;
  bool away_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_CONNECTION_OUTAGE_LOG_H_
