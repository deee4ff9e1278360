// The clock interface: everything that reads a clock or waits takes one of these.
#ifndef QUANTLAB_BASE_CLOCK_H_
#define QUANTLAB_BASE_CLOCK_H_

#include "absl/time/time.h"

namespace quantlab {

// Threads: safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // Wall time, for users and records. May jump.
  virtual absl::Time Now() const = 0;

  // Time since an arbitrary point, never going back: for leases, time limits and rates.
  virtual absl::Duration Monotonic() const = 0;

  // The machine's clocks.
  static const Clock& Real();
};

// A clock that changes only when it is set. For tests.
class FakeClock : public Clock {
 public:
  explicit FakeClock(absl::Time start = absl::FromUnixSeconds(1'700'000'000)) : now_(start) {}

  absl::Time Now() const override { return now_; }
  absl::Duration Monotonic() const override { return monotonic_; }

  void Advance(absl::Duration by) {
    now_ += by;
    monotonic_ += by;
  }
  // Changes only the wall time, as an administrator does.
  void SetWallTime(absl::Time now) { now_ = now; }

 private:
  absl::Time now_;
  absl::Duration monotonic_ = absl::Seconds(1000);
};

}  // namespace quantlab

#endif  // QUANTLAB_BASE_CLOCK_H_
