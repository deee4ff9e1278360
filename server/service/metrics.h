// The coordinator's Prometheus metrics: prefix quantlab_, base units, no ids as labels, known series at 0
// from the start. docs/en/monitoring.md lists them.
#ifndef QUANTLAB_SERVER_SERVICE_METRICS_H_
#define QUANTLAB_SERVER_SERVICE_METRICS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/records/event.h"
#include "server/core/coordinator.h"

namespace prometheus {
struct MetricFamily;
}

namespace quantlab {

// The space of the data folder at the time of a scrape.
struct DataFolderSize {
  int64_t database_bytes = 0, wal_bytes = 0;
  int64_t artifacts = 0, artifact_bytes = 0, incoming_bytes = 0;
  int64_t free_bytes = 0, total_bytes = 0;  // of its file system
};

enum class RetriedBy { kCoordinator, kUser };
enum class Transfer { kReceived, kSent };

// Threads: safe.
class Metrics {
 public:
  explicit Metrics(const std::string& version);
  ~Metrics();

  // All metrics; the gauges are set from what is given.
  std::vector<prometheus::MetricFamily> Collect(const CoordinatorStats& stats, const DataFolderSize& data);

  void OnRpc(const std::string& method, absl::StatusCode code, absl::Duration took);
  // Events were stored at `now`.
  void OnEvents(const std::vector<Event>& events, absl::Time now);
  void OnArtifactBytes(Transfer direction, int64_t bytes);
  void OnQueueWait(absl::Duration waited);
  void OnAttemptEnd(RunState outcome, absl::Duration took);
  void OnLeaseExpired();
  void OnRunEnd(RunState state, bool reused);
  void OnRetry(RetriedBy by);
  // A change of the coordinator's state.
  void OnCommit(absl::Duration took, bool ok);
  // A transaction of the database, which several writes may share.
  void OnTransaction(absl::Duration took, int writes);
  void OnCheckpoint(absl::Duration took);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Every RPC of all services, as the descriptors of their files have them: "SubmitExperiment", …
const std::vector<std::string>& RpcNames();

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_METRICS_H_
