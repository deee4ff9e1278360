// A small HTTP server on loopback, for monitoring: GET and HEAD, without keep-alive, without files.
#ifndef QUANTLAB_MONITORING_HTTP_ENDPOINT_H_
#define QUANTLAB_MONITORING_HTTP_ENDPOINT_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "platform/address.h"

namespace quantlab {

struct HttpRequest {
  std::string path;           // decoded: "/metrics"
  std::string query;          // as sent, without the '?'; empty where there is none
  std::string host;           // the Host header, with its port
  std::string authorization;  // the Authorization header
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// Ownership: of its threads. The destructor waits for handlers that are running.
// Threads:   safe; handlers are called by several threads at once.
class HttpEndpoint {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  // Listens on `address`, whose port may be 0. `handler` answers every GET and HEAD; an exception becomes
  // status 500. Errors: UNAVAILABLE the address cannot be listened on.
  static absl::StatusOr<std::unique_ptr<HttpEndpoint>> Listen(const Address& address, Handler handler);
  ~HttpEndpoint();
  HttpEndpoint(const HttpEndpoint&) = delete;
  HttpEndpoint& operator=(const HttpEndpoint&) = delete;

  // With the port that was taken.
  const Address& address() const;

 private:
  struct State;
  explicit HttpEndpoint(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The parameters of a query, decoded, in their order: {{"name", "accuracy"}}.
std::vector<std::pair<std::string, std::string>> ParseHttpQuery(const std::string& query);

// Whether a Host header names this machine's loopback: localhost, 127.x.x.x or [::1], with or without a port.
// A web page of another site cannot make a browser send one, even where its own name resolves to loopback.
bool IsLoopbackHost(const std::string& host);

}  // namespace quantlab

#endif  // QUANTLAB_MONITORING_HTTP_ENDPOINT_H_
