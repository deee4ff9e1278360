// The coordinator's Prometheus metrics: prefix quantlab_, base units, no ids as labels, known series at 0
// from the start.
#ifndef QUANTLAB_SERVER_SERVICE_METRICS_H_
#define QUANTLAB_SERVER_SERVICE_METRICS_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/core/coordinator.h"

namespace quantlab {

// Threads: safe.
class Metrics {
 public:
  explicit Metrics(const std::string& version);
  ~Metrics();

  // Serves GET /metrics on "127.0.0.1:9464". `stats` is called at each scrape, until this object is
  // destroyed. Errors: UNAVAILABLE the address cannot be listened on.
  absl::Status Serve(const std::string& address, std::function<CoordinatorStats()> stats);
  // Stops serving, so that `stats` may be destroyed.
  void StopServing();

  // The response of /metrics.
  std::string Text(const CoordinatorStats& stats);

  void OnRpc(const std::string& method, absl::StatusCode code, absl::Duration took);
  void OnEvents(int64_t count);
  void OnQueueWait(absl::Duration waited);
  void OnAttemptEnd(RunState outcome, absl::Duration took);
  void OnRunEnd(RunState state, bool reused);
  void OnCommit(absl::Duration took, bool ok);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Every RPC of all services, as the descriptors of their files have them: "SubmitExperiment", …
const std::vector<std::string>& RpcNames();

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_METRICS_H_
