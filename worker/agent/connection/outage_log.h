// Logs once when the coordinator becomes unreachable and once when it answers again.
#ifndef QUANTLAB_WORKER_AGENT_CONNECTION_OUTAGE_LOG_H_
#define QUANTLAB_WORKER_AGENT_CONNECTION_OUTAGE_LOG_H_

#include <cstdint>
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

  bool away() const;
  // How often it became unreachable.
  int64_t outages() const;

 private:
  const LogScope log_;
  mutable Mutex mutex_;
  bool away_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t outages_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_CONNECTION_OUTAGE_LOG_H_
