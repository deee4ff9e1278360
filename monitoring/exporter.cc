#include "monitoring/exporter.h"

#include <iterator>
#include <utility>

#include <prometheus/text_serializer.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "monitoring/process_usage.h"

namespace quantlab {
namespace {

constexpr char kMetricsType[] = "text/plain; version=0.0.4; charset=utf-8";

HttpResponse Text(int status, const std::string& line) {
  return {status, "text/plain; charset=utf-8", absl::StrCat(line, "\n")};
}

}  // namespace

absl::StatusOr<std::optional<Address>> ParseMetricsListen(const std::string& text) {
  if (text == "off") return std::nullopt;
  absl::StatusOr<Address> address = ParseLocalAddress(text, /*port_may_be_zero=*/true);
  if (!address.ok() || address->is_socket()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--metrics-listen is ", text, "; allowed: off, 127.0.0.1:PORT, [::1]:PORT, localhost:PORT"));
  }
  // A server listens on numeric addresses.
  if (absl::EqualsIgnoreCase(address->host, "localhost")) address->host = "127.0.0.1";
  return *std::move(address);
}

std::string MetricsText(const MetricFamilies& families) {
  return prometheus::TextSerializer().Serialize(families);
}

absl::Status Exporter::Serve(const Address& address) {
  QL_ASSIGN_OR_RETURN(endpoint_, HttpEndpoint::Listen(address, [this](const HttpRequest& request) {
                        return Answer(request);
                      }));
  return absl::OkStatus();
}

void Exporter::Stop() {
  endpoint_.reset();
}

void Exporter::SetMetrics(std::function<MetricFamilies()> collect) {
  auto shared = std::make_shared<const std::function<MetricFamilies()>>(std::move(collect));
  MutexLock lock(mutex_);
  collect_ = std::move(shared);
}

void Exporter::SetReadiness(std::function<absl::Status()> ready) {
  auto shared = std::make_shared<const std::function<absl::Status()>>(std::move(ready));
  MutexLock lock(mutex_);
  ready_ = std::move(shared);
}

void Exporter::SetPages(HttpEndpoint::Handler pages) {
  auto shared = std::make_shared<const HttpEndpoint::Handler>(std::move(pages));
  MutexLock lock(mutex_);
  pages_ = std::move(shared);
}

HttpResponse Exporter::Answer(const HttpRequest& request) {
  std::shared_ptr<const std::function<MetricFamilies()>> collect;
  std::shared_ptr<const std::function<absl::Status()>> ready;
  std::shared_ptr<const HttpEndpoint::Handler> pages;
  {
    MutexLock lock(mutex_);
    collect = collect_;
    ready = ready_;
    pages = pages_;
  }
  if (request.path == "/healthz") return Text(200, "ok");
  if (request.path == "/readyz") {
    const absl::Status status =
        ready != nullptr && *ready ? (*ready)() : absl::UnavailableError("the service is starting");
    return status.ok() ? Text(200, "ready") : Text(503, std::string(status.message()));
  }
  if (request.path == "/metrics") {
    MetricFamilies families = collect != nullptr && *collect ? (*collect)() : MetricFamilies();
    MetricFamilies process = ProcessMetrics();
    families.insert(families.end(), std::make_move_iterator(process.begin()),
                    std::make_move_iterator(process.end()));
    return {200, kMetricsType, MetricsText(families)};
  }
  if (pages != nullptr && *pages) return (*pages)(request);
  return Text(404, "not found; there are /metrics, /healthz and /readyz");
}

}  // namespace quantlab
