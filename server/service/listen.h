// The coordinator's address.
#ifndef QUANTLAB_SERVER_SERVICE_LISTEN_H_
#define QUANTLAB_SERVER_SERVICE_LISTEN_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "platform/address.h"

namespace quantlab {

// A Unix socket or a numeric loopback address; localhost is 127.0.0.1. Port 0 takes any that is free. With
// `tls` also any other numeric address or name of this machine; 0.0.0.0 and [::] are all of its addresses.
// Errors: as ParseLocalAddress; with `tls` as ParseAddress.
absl::StatusOr<Address> ParseListenAddress(const std::string& text, bool tls = false);

// Removes a stale socket.
// Errors: FAILED_PRECONDITION a process listens on it; ALREADY_EXISTS the path is a file other than a socket.
absl::Status PrepareSocket(const std::string& path);

// Connects to `address`, which ParseListenAddress made, and waits for the server's first bytes of HTTP/2.
// gRPC stops accepting permanently when the process runs out of file descriptors, while its listener still
// takes connections; this detects it.
// Errors: UNAVAILABLE no connection; DEADLINE_EXCEEDED a connection, but no answer in time.
absl::Status CheckServes(const Address& address, absl::Duration timeout);

// The same for an address with TLS: makes a TLS connection, at which the authority of `certificate` (a chain
// as PEM) must show.
absl::Status CheckServesTls(const Address& address, const std::string& certificate, absl::Duration timeout);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_LISTEN_H_
