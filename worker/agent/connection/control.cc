#include "worker/agent/connection/control.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

namespace quantlab::agent {

AttemptControl::AttemptControl() : wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void AttemptControl::Stop(StopReason reason, const Message& detail) {
  MutexLock lock(mutex_);
  if (reason <= reason_) return;
  reason_ = reason;
  detail_ = detail;
  changed_.NotifyAll();
  const uint64_t one = 1;
  (void)!write(wake_.get(), &one, sizeof(one));
}

StopReason AttemptControl::reason() const {
  MutexLock lock(mutex_);
  return reason_;
}

Message AttemptControl::detail() const {
  MutexLock lock(mutex_);
  return detail_;
}

bool AttemptControl::Wait(absl::Duration duration, StopReason until) {
  const absl::Duration end = Clock::Real().Monotonic() + duration;
  MutexLock lock(mutex_);
  while (reason_ < until) {
    const absl::Duration left = end - Clock::Real().Monotonic();
    if (left <= absl::ZeroDuration()) return false;
    changed_.WaitFor(mutex_, left);
  }
  return true;
}

}  // namespace quantlab::agent
