// Where the coordinator listens: a Unix socket or loopback, nothing else.
#ifndef QUANTLAB_SERVER_SERVICE_LISTEN_H_
#define QUANTLAB_SERVER_SERVICE_LISTEN_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace quantlab {

struct ListenAddress {
  std::string socket;  // path of a Unix socket; empty for TCP
  std::string tcp;     // as gRPC wants it: "127.0.0.1:8500", "[::1]:0"
};

// "unix:PATH", "127.0.0.1:PORT", "[::1]:PORT" or "localhost:PORT"; PORT 0 takes any that is free.
// Errors: INVALID_ARGUMENT, with the reason and what is allowed.
absl::StatusOr<ListenAddress> ParseListenAddress(const std::string& text);

// Makes room for the socket: removes one that nobody listens on any more.
// Errors: FAILED_PRECONDITION someone listens there; ALREADY_EXISTS a file that is no socket.
absl::Status PrepareSocket(const std::string& path);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_LISTEN_H_
