// An HTTP request, for tests.
#ifndef QUANTLAB_MONITORING_HTTP_GET_TESTING_H_
#define QUANTLAB_MONITORING_HTTP_GET_TESTING_H_

#include <cerrno>
#include <poll.h>
#include <string>
#include <sys/socket.h>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "platform/address.h"
#include "platform/probe.h"

namespace quantlab {

// Sends `request` as it is and returns all that comes back. Errors: UNAVAILABLE no connection or no answer
// within 10 s.
inline absl::StatusOr<std::string> SendHttp(const Address& address, const std::string& request) {
  constexpr absl::Duration kTimeout = absl::Seconds(10);
  QL_ASSIGN_OR_RETURN(const UniqueFd connection, ConnectTo(address, kTimeout));
  const absl::Duration deadline = Clock::Real().Monotonic() + kTimeout;
  size_t sent = 0;
  while (sent < request.size() && WaitUntilReady(connection.get(), POLLOUT, deadline)) {
    const ssize_t put = send(connection.get(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (put < 0 && errno != EAGAIN && errno != EINTR) break;  // refused midway: the answer may say why
    if (put > 0) sent += static_cast<size_t>(put);
  }
  std::string response;
  char buffer[16384];
  while (WaitUntilReady(connection.get(), POLLIN, deadline)) {
    const ssize_t got = recv(connection.get(), buffer, sizeof(buffer), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got <= 0) break;
    response.append(buffer, static_cast<size_t>(got));
  }
  if (response.empty()) return absl::UnavailableError(absl::StrCat("no answer from ", address.ToString()));
  return response;
}

// GET: the whole response, with its status line and headers.
inline absl::StatusOr<std::string> HttpGet(const Address& address, const std::string& path,
                                           const std::string& headers = "") {
  return SendHttp(address, absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: ", address.ToString(), "\r\n",
                                        headers, "Connection: close\r\n\r\n"));
}

}  // namespace quantlab

#endif  // QUANTLAB_MONITORING_HTTP_GET_TESTING_H_
