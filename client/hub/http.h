// HTTP GET, for a hub: one request, without following redirects.
#ifndef QUANTLAB_CLIENT_HUB_HTTP_H_
#define QUANTLAB_CLIENT_HUB_HTTP_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/connection/cancellation.h"

namespace quantlab::client {

struct HttpRequest {
  std::string url;                   // http:// or https://
  std::vector<std::string> headers;  // "Name: value"
  // Called with the head before the body, and with each part of the body. An error ends the request with it.
  // May be empty: the body is dropped.
  std::function<absl::Status(absl::string_view part)> body;
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // by lower-case name; of several equal ones the last
  std::string location;                        // of a redirect: an absolute URL; empty otherwise

  std::string Header(const std::string& name) const;
};

// One connection at a time, reused for requests to the same host. Honours the proxy variables of curl.
//
// Threads: one at a time.
class Http {
 public:
  // `cancellation` is borrowed and may be null.
  explicit Http(const Cancellation* cancellation);
  ~Http();
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  // `on_head` is called once the head is complete, before the body: it may refuse the response.
  // Errors: FAILED_PRECONDITION no connection to the host; UNAVAILABLE it ended early or stalled; CANCELLED;
  // what `on_head` and the body's callback returned; INVALID_ARGUMENT the URL. Messages name the host and
  // never the headers or the query.
  absl::StatusOr<HttpResponse> Get(const HttpRequest& request,
                                   const std::function<absl::Status(const HttpResponse&)>& on_head);

 private:
  const Cancellation* const cancellation_;
  void* const curl_;  // CURL*
};

// "https://huggingface.co:8443" of a URL: what may see a token. Empty if it is not a URL of HTTP.
std::string OriginOf(absl::string_view url);

// `name` as one part of a URL's path.
std::string UrlEscaped(absl::string_view name);

// The host of a URL, for messages.
std::string HostOf(absl::string_view url);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_HUB_HTTP_H_
