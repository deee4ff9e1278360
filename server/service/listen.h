// The coordinator's address: a Unix socket or loopback only.
#ifndef QUANTLAB_SERVER_SERVICE_LISTEN_H_
#define QUANTLAB_SERVER_SERVICE_LISTEN_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "platform/address.h"
#include "platform/probe.h"

namespace quantlab {

// A Unix socket or a numeric loopback address; localhost is 127.0.0.1. Port 0 takes any that is free.
// Errors: as ParseLocalAddress.
absl::StatusOr<Address> ParseListenAddress(const std::string& text);

// Removes a stale socket.
// Errors: FAILED_PRECONDITION a process listens on it; ALREADY_EXISTS the path is a file other than a socket.
absl::Status PrepareSocket(const std::string& path);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_LISTEN_H_
