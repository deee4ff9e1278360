// Why an attempt should stop: set by the lease keeper and by signals, read by the code that executes it.
#ifndef QUANTLAB_WORKER_AGENT_CONNECTION_CONTROL_H_
#define QUANTLAB_WORKER_AGENT_CONNECTION_CONTROL_H_

#include <string>

#include "absl/time/time.h"
#include "base/messages/message.h"
#include "base/mutex.h"
#include "platform/unique_fd.h"

namespace quantlab::agent {

// From weak to strong: a stronger reason replaces a weaker one, never the other way round.
enum class StopReason {
  kNone,
  kPreempted,     // the worker is stopping gracefully
  kCancelled,     // the coordinator asked for it
  kPreemptedNow,  // the worker is stopping immediately
  kFenced,        // the attempt no longer owns its run
};

// Threads: safe.
class AttemptControl {
 public:
  AttemptControl();

  // `detail` is shown to users. No effect if an equal or stronger reason has been set.
  void Stop(StopReason reason, const Message& detail);

  StopReason reason() const;
  Message detail() const;
  bool stopping() const { return reason() != StopReason::kNone; }

  // Readable once Stop was called, for poll(); never read from it.
  int wake_fd() const { return wake_.get(); }
  // Sleeps for `duration`, or until a reason at or above `until` is set. True if it is set.
  bool Wait(absl::Duration duration, StopReason until);

 private:
  UniqueFd wake_;
  mutable Mutex mutex_;
  CondVar changed_;
  StopReason reason_ ABSL_GUARDED_BY(mutex_) = StopReason::kNone;
  Message detail_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_CONNECTION_CONTROL_H_
