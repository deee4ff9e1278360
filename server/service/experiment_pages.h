// Experiments as JSON over HTTP, for dashboards
// (docs/decisions/0010-grafana-reads-json-from-the-coordinator.md).
//
//   GET /api/v1/experiments                              the newest 200
//   GET /api/v1/experiments/ID/runs                      its runs, in the order of the experiment
//   GET /api/v1/experiments/ID/metrics?name=N[&final=1][&LABEL=VALUE…]
//                                                        one metric of all runs, with steps unless `final`
//
// Each answer is an array of flat objects. Times are milliseconds since 1970, durations seconds.
#ifndef QUANTLAB_SERVER_SERVICE_EXPERIMENT_PAGES_H_
#define QUANTLAB_SERVER_SERVICE_EXPERIMENT_PAGES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/records/repositories.h"
#include "monitoring/http_endpoint.h"
#include "server/service/access/access.h"

namespace quantlab {

// Borrows everything. Threads: safe.
class ExperimentPages {
 public:
  // `needs_token`: a request needs the token of an identity that may call the RPC with the same content.
  // Otherwise every user of this machine may read, as by gRPC on loopback.
  ExperimentPages(Access* access, StateRepository* states, EventRepository* events, bool needs_token)
      : access_(access), states_(states), events_(events), needs_token_(needs_token) {}

  HttpResponse Answer(const HttpRequest& request);

 private:
  absl::Status Admit(const HttpRequest& request, const std::string& method, Caller* caller);
  absl::StatusOr<std::string> Render(const HttpRequest& request, const std::string& method);
  absl::StatusOr<std::string> Experiments();
  absl::StatusOr<std::string> Runs(const std::string& id);
  absl::StatusOr<std::string> Metrics(const std::string& id, const std::string& query);

  Access* const access_;
  StateRepository* const states_;
  EventRepository* const events_;
  const bool needs_token_;
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_EXPERIMENT_PAGES_H_
