// The monitoring address of a service: metrics for Prometheus, liveness and readiness.
//
//   GET /metrics   every registered collector and process_*, in Prometheus' text format
//   GET /healthz   200 while the process answers
//   GET /readyz    200 when it is ready to work, else 503 with the reason
//   others         the handler of SetPages, else 404
#ifndef QUANTLAB_MONITORING_EXPORTER_H_
#define QUANTLAB_MONITORING_EXPORTER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <prometheus/metric_family.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "monitoring/http_endpoint.h"
#include "platform/address.h"

namespace quantlab {

using MetricFamilies = std::vector<prometheus::MetricFamily>;

// Ownership: what the functions given to it use must live until Stop has returned.
// Threads:   safe. Functions are called by several threads at once.
class Exporter {
 public:
  Exporter() = default;
  ~Exporter() { Stop(); }

  // Errors: UNAVAILABLE the address cannot be listened on.
  absl::Status Serve(const Address& address);
  // Ends serving, after the requests that are being answered.
  void Stop();
  // Where it serves; nullptr before Serve and after Stop. For the thread that calls those two.
  const HttpEndpoint* endpoint() const { return endpoint_.get(); }

  // Asked at each scrape; empty: none.
  void SetMetrics(std::function<MetricFamilies()> collect);
  // OK: ready; else the reason is shown. Until it is set the service is starting.
  void SetReadiness(std::function<absl::Status()> ready);
  // Answers all other paths; empty: 404.
  void SetPages(HttpEndpoint::Handler pages);

  // What a request gets.
  HttpResponse Answer(const HttpRequest& request);

 private:
  Mutex mutex_;
  // Shared, so that a request goes on with what it has taken while another is set.
  std::shared_ptr<const std::function<MetricFamilies()>> collect_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const std::function<absl::Status()>> ready_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const HttpEndpoint::Handler> pages_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<HttpEndpoint> endpoint_;
};

// The value of an option --metrics-listen: an address on loopback, whose port may be 0, or nothing for "off".
// Errors: INVALID_ARGUMENT, with what is allowed.
absl::StatusOr<std::optional<Address>> ParseMetricsListen(const std::string& text);

// Prometheus' text format.
std::string MetricsText(const MetricFamilies& families);

}  // namespace quantlab

#endif  // QUANTLAB_MONITORING_EXPORTER_H_
