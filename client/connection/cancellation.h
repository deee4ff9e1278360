// Cancels waiting and streaming calls from another thread (Ctrl-C, a program that exits).
#ifndef QUANTLAB_CLIENT_CONNECTION_CANCELLATION_H_
#define QUANTLAB_CLIENT_CONNECTION_CANCELLATION_H_

#include <cstdint>
#include <functional>
#include <map>

#include "absl/time/time.h"
#include "base/mutex.h"

namespace quantlab::client {

// Threads: safe.
class Cancellation {
 public:
  // Idempotent. Runs the registered callbacks, on this thread.
  void Cancel();

  bool cancelled() const;

  // Sleeps; returns true when cancelled.
  bool WaitFor(absl::Duration timeout) const;

  // Calls `callback` on cancellation while the registration exists (immediately if already cancelled).
  // The callback must not touch this object. After the destructor of the registration the callback is
  // neither running nor will run.
  class Registration {
   public:
    Registration(Cancellation* cancellation, std::function<void()> callback);
    ~Registration();
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;

   private:
    Cancellation* const cancellation_;  // may be null: never cancelled
    int64_t id_ = 0;
  };

 private:
  mutable Mutex mutex_;
  mutable CondVar changed_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<int64_t, std::function<void()>> callbacks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_CONNECTION_CANCELLATION_H_
