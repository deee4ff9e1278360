// How much space a data folder takes, for monitoring.
#ifndef QUANTLAB_STORAGE_USAGE_METER_H_
#define QUANTLAB_STORAGE_USAGE_METER_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace quantlab {

// What cannot be read counts as 0.
struct DataUsage {
  int64_t database_bytes = 0;  // quantlab.db
  int64_t wal_bytes = 0;       // its write-ahead log
  int64_t artifacts = 0;       // published files and their bytes
  int64_t artifact_bytes = 0;
  int64_t incoming_bytes = 0;  // of uploads in progress
  int64_t free_bytes = 0;      // of the file system, for this user
  int64_t total_bytes = 0;
};

// Counting the artifacts reads their folders, so it is done again only after a minute, or after a hundred
// times as long as it took: at most a hundredth of a processor, whatever the number of files.
//
// Borrows the clock. Threads: safe.
class UsageMeter {
 public:
  // `folder`: the data folder (storage.h).
  UsageMeter(std::string folder, const Clock* clock) : folder_(std::move(folder)), clock_(clock) {}

  DataUsage Measure();

 private:
  void CountArtifacts() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string folder_;
  const Clock* const clock_;

  Mutex mutex_;
  DataUsage counted_ ABSL_GUARDED_BY(mutex_);                                       // its artifacts
  absl::Duration count_again_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();  // monotonic
};

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_USAGE_METER_H_
