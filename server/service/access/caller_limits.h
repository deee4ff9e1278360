// What each identity may use at once and in a time: requests, open streams and transfers, uploaded bytes.
#ifndef QUANTLAB_SERVER_SERVICE_ACCESS_CALLER_LIMITS_H_
#define QUANTLAB_SERVER_SERVICE_ACCESS_CALLER_LIMITS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace quantlab {

struct CallerLimitOptions {
  int requests_per_second = 200;  // twice as many at once
  int open_calls = 64;
  int64_t upload_bytes_per_day = int64_t{500} << 30;
  int64_t unfinished_runs = 20'000;
};

// Counts by the identities' names, in memory: a restart begins anew. Errors: RESOURCE_EXHAUSTED, with the
// limit. Borrows the clock, and outlives what OpenCall returns. Threads: safe.
class CallerLimits {
 public:
  CallerLimits(const CallerLimitOptions& options, const Clock* clock) : options_(options), clock_(clock) {}

  const CallerLimitOptions& options() const { return options_; }

  absl::Status CountRequest(const std::string& name);
  // A stream or transfer, open until the returned object is destroyed.
  absl::StatusOr<std::shared_ptr<void>> OpenCall(const std::string& name);
  // Called for each piece before it is stored.
  absl::Status CountUpload(const std::string& name, int64_t bytes);

 private:
  struct Use {
    double requests = 0;  // in the bucket: below zero never
    absl::Duration refilled;
    int open = 0;
    absl::Duration day_start;
    int64_t uploaded = 0;
  };

  // A new one starts with a full bucket.
  Use& UseOf(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const CallerLimitOptions options_;
  const Clock* const clock_;
  Mutex mutex_;
  std::map<std::string, Use> uses_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_ACCESS_CALLER_LIMITS_H_
