// The coordinator's address.
#ifndef QUANTLAB_SERVER_SERVICE_RPC_LISTEN_H_
#define QUANTLAB_SERVER_SERVICE_RPC_LISTEN_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "platform/address.h"
#include "platform/probe.h"

namespace quantlab {

// A Unix socket or a numeric loopback address; localhost is 127.0.0.1. Port 0 takes any that is free. With
// `tls` also any other numeric address or name of this machine; 0.0.0.0 and [::] are all of its addresses.
// Errors: as ParseLocalAddress; with `tls` as ParseAddress.
absl::StatusOr<Address> ParseListenAddress(const std::string& text, bool tls = false);

// Whether the host is 0.0.0.0 or [::]: all addresses of this machine.
bool IsWildcard(const Address& address);

// Removes a stale socket.
// Errors: FAILED_PRECONDITION a process listens on it; ALREADY_EXISTS the path is a file other than a socket.
absl::Status PrepareSocket(const std::string& path);

// CheckServes (platform/probe.h) for an address with TLS: makes a TLS connection, in which the authority of
// `certificate` (a chain as PEM) must appear.
absl::Status CheckServesTls(const Address& address, const std::string& certificate, absl::Duration timeout);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_RPC_LISTEN_H_
