// What a process uses, read from /proc.
#ifndef QUANTLAB_MONITORING_PROCESS_USAGE_H_
#define QUANTLAB_MONITORING_PROCESS_USAGE_H_

#include <cstdint>
#include <sys/types.h>
#include <vector>

#include <prometheus/metric_family.h>

#include "absl/status/statusor.h"

namespace quantlab {

struct ProcessUsage {
  double cpu_seconds = 0;           // user and system, of all its threads
  double children_cpu_seconds = 0;  // of its child processes that have ended and were waited for
  int64_t resident_bytes = 0;
  int64_t virtual_bytes = 0;
  int64_t threads = 0;
  double start_seconds = 0;  // since 1970
};

// Errors: NOT_FOUND there is no such process; those of reading /proc.
absl::StatusOr<ProcessUsage> ReadProcessUsage(pid_t pid);

// This process as the metrics process_* that Prometheus' client libraries have: CPU time, memory, open files
// and their limit, threads, start time. Empty where /proc cannot be read.
std::vector<prometheus::MetricFamily> ProcessMetrics();

}  // namespace quantlab

#endif  // QUANTLAB_MONITORING_PROCESS_USAGE_H_
