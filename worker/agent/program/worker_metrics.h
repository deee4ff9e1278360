// The worker's Prometheus metrics: prefix quantlab_worker_, base units, known series at 0 from the start.
// docs/en/monitoring.md lists them.
#ifndef QUANTLAB_WORKER_AGENT_PROGRAM_WORKER_METRICS_H_
#define QUANTLAB_WORKER_AGENT_PROGRAM_WORKER_METRICS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/mutex.h"
#include "monitoring/exporter.h"
#include "worker/agent/attempt/attempt_status.h"
#include "worker/agent/connection/outage_log.h"
#include "worker/agent/inputs/artifact_cache.h"
#include "worker/agent/program/gpu_probe.h"

namespace quantlab::agent {

struct WorkerMetricsOptions {
  std::string version;
  std::string data_folder;
  std::vector<std::string> devices;  // that the worker offers
  int64_t min_free_bytes = 0;        // with less free disk it takes no runs
};

// Ownership: borrows `cache`, `outage` and `gpus`; `gpus` may be nullptr.
// Threads:   safe.
class WorkerMetrics : public AttemptObserver {
 public:
  WorkerMetrics(WorkerMetricsOptions options, const ArtifactCache* cache, const OutageLog* outage,
                const GpuProbe* gpus);
  ~WorkerMetrics() override;

  std::shared_ptr<AttemptStatus> Begin(const std::string& device) override;
  void End(const Outcome& outcome, absl::Duration took) override;

  // All metrics; the gauges are measured now.
  MetricFamilies Collect();

 private:
  struct State;
  std::vector<AttemptSnapshot> Attempts();
  void SetAttempts();
  void SetWorker();
  void SetGpus();

  const WorkerMetricsOptions options_;
  const ArtifactCache* const cache_;
  const OutageLog* const outage_;
  const GpuProbe* const gpus_;
  const std::unique_ptr<State> state_;

  Mutex mutex_;
  std::vector<std::weak_ptr<AttemptStatus>> attempts_ ABSL_GUARDED_BY(mutex_);
  int faults_in_a_row_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_PROGRAM_WORKER_METRICS_H_
