// Exponential back-off with jitter, so that many clients do not retry at the same time.
#ifndef QUANTLAB_BASE_BACKOFF_H_
#define QUANTLAB_BASE_BACKOFF_H_

#include <algorithm>
#include <random>

#include "absl/time/time.h"

namespace quantlab {

// Threads: one at a time.
class Backoff {
 public:
  explicit Backoff(absl::Duration first = absl::Milliseconds(100), absl::Duration longest = absl::Seconds(5))
      : first_(first), longest_(longest), next_(first) {}

  // The next pause: 75 to 125 % of a length that doubles up to the longest.
  absl::Duration Next() {
    const absl::Duration pause = next_ * std::uniform_real_distribution<double>(0.75, 1.25)(random_);
    next_ = std::min(next_ * 2, longest_);
    return pause;
  }
  void Reset() { next_ = first_; }

 private:
  const absl::Duration first_, longest_;
  absl::Duration next_;
  std::minstd_rand random_{std::random_device()()};
};

}  // namespace quantlab

#endif  // QUANTLAB_BASE_BACKOFF_H_
