#include "client/connection/cancellation.h"

#include <utility>

#include "base/clock.h"

namespace quantlab::client {

void Cancellation::Cancel() {
  MutexLock lock(mutex_);
  if (cancelled_) return;
  cancelled_ = true;
  for (const auto& [id, callback] : callbacks_) callback();
  changed_.NotifyAll();
}

bool Cancellation::cancelled() const {
  MutexLock lock(mutex_);
  return cancelled_;
}

bool Cancellation::WaitFor(absl::Duration timeout) const {
  const absl::Duration deadline = Clock::Real().Monotonic() + timeout;
  MutexLock lock(mutex_);
  while (!cancelled_) {
    const absl::Duration left = deadline - Clock::Real().Monotonic();
    if (left <= absl::ZeroDuration()) break;
    changed_.WaitFor(mutex_, left);
  }
  return cancelled_;
}

Cancellation::Registration::Registration(Cancellation* cancellation, std::function<void()> callback)
    : cancellation_(cancellation) {
  if (cancellation_ == nullptr) return;
  MutexLock lock(cancellation_->mutex_);
  if (cancellation_->cancelled_) callback();
  id_ = cancellation_->next_id_++;
  cancellation_->callbacks_.emplace(id_, std::move(callback));
}

Cancellation::Registration::~Registration() {
  if (cancellation_ == nullptr) return;
  MutexLock lock(cancellation_->mutex_);
  cancellation_->callbacks_.erase(id_);
}

}  // namespace quantlab::client
