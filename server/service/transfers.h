// The uploads and downloads that are open, so that idle ones cannot keep all others out.
#ifndef QUANTLAB_SERVER_SERVICE_TRANSFERS_H_
#define QUANTLAB_SERVER_SERVICE_TRANSFERS_H_

#include <functional>
#include <map>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace quantlab {

// Borrows the clock. Threads: safe.
class Transfers {
 public:
  // A transfer on which nothing has moved for so long is ended when another one needs its place.
  static constexpr absl::Duration kIdleLimit = absl::Seconds(30);

  Transfers(int most, const Clock& clock) : most_(most), clock_(clock) {}

  // One transfer, open while this object lives.
  class Slot {
   public:
    Slot(Transfers& transfers, std::function<void()> cancel);
    ~Slot();
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;

    // OK; or UNAVAILABLE (TOO_MANY_TRANSFERS): all places are taken. Those that are idle are being ended, so
    // that the caller finds one when it comes again.
    const absl::Status& status() const { return status_; }
    // Bytes have moved.
    void Touch();

   private:
    Transfers& transfers_;
    int64_t id_ = 0;
    absl::Status status_;
  };

 private:
  struct Open {
    std::function<void()> cancel;  // ends the call from another thread
    absl::Duration last_moved;     // monotonic
  };

  const int most_;
  const Clock& clock_;
  Mutex mutex_;
  int64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<int64_t, Open> open_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_TRANSFERS_H_
