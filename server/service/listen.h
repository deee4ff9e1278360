// Where the coordinator listens: a Unix socket or loopback, nothing else.
#ifndef QUANTLAB_SERVER_SERVICE_LISTEN_H_
#define QUANTLAB_SERVER_SERVICE_LISTEN_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace quantlab {

struct ListenAddress {
  std::string socket;  // path of a Unix socket; empty for TCP
  std::string tcp;     // as gRPC wants it: "127.0.0.1:8500", "[::1]:0"
};

// "unix:PATH", "127.0.0.1:PORT", "[::1]:PORT" or "localhost:PORT"; PORT 0 takes any that is free.
// Errors: INVALID_ARGUMENT, with the reason and what is allowed.
absl::StatusOr<ListenAddress> ParseListenAddress(const std::string& text);

// Removes a socket file that nobody listens on any more.
// Errors: FAILED_PRECONDITION someone listens there; ALREADY_EXISTS a file that is no socket.
absl::Status PrepareSocket(const std::string& path);

// Connects to `target` ("unix:/path", "127.0.0.1:8500") and waits for the server's first bytes of HTTP/2.
// gRPC stops accepting for good when the process runs out of files, and its listener still takes connections
// then; this notices.
// Errors: UNAVAILABLE no connection; DEADLINE_EXCEEDED a connection, but no answer in time.
absl::Status CheckServes(const std::string& target, absl::Duration timeout);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_LISTEN_H_
