// Addresses of a coordinator: a Unix socket, or a port of this machine.
//
//   unix:/run/quantlab/coordinator.sock   unix:///run/…   127.0.0.1:7420   [::1]:7420   localhost:7420
#ifndef QUANTLAB_PLATFORM_ADDRESS_H_
#define QUANTLAB_PLATFORM_ADDRESS_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantlab {

// Bytes of a Unix socket's path (sockaddr_un::sun_path without its final NUL).
inline constexpr size_t kMaxSocketPathBytes = 107;

struct Address {
  std::string socket;  // absolute path of a Unix socket; empty for TCP
  std::string host;    // a name or a numeric address, IPv6 without its brackets
  int port = 0;

  bool is_socket() const { return !socket.empty(); }
  // Whether only this machine can be at the other end: a Unix socket, localhost, 127.0.0.0/8 or ::1. A host
  // is judged by the address that it spells, so 127.0.0.1.example.org is not loopback.
  bool is_local() const;

  // "unix:/path", "host:port", "[v6]:port".
  std::string ToString() const;
  // The same as gRPC reads it, where a path is percent-encoded.
  std::string ToGrpcTarget() const;
};

// Errors: INVALID_ARGUMENT not of one of the forms above, a path that is relative or too long, or a port
// outside 1 to 65535 (0 to 65535 if `port_may_be_zero`, which takes any free port when listening).
absl::StatusOr<Address> ParseAddress(absl::string_view text, bool port_may_be_zero = false);

// ParseAddress, and FAILED_PRECONDITION unless the address is local: for connections without TLS.
absl::StatusOr<Address> ParseLocalAddress(absl::string_view text, bool port_may_be_zero = false);

}  // namespace quantlab

#endif  // QUANTLAB_PLATFORM_ADDRESS_H_
