// Finds a certificate authority by its fingerprint, on the first contact with a coordinator.
#ifndef QUANTLAB_SECURITY_PINNED_AUTHORITY_H_
#define QUANTLAB_SECURITY_PINNED_AUTHORITY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "platform/address.h"

namespace quantlab {

// Asks `address` for its certificates and returns the one with the fingerprint (64 lower-case hex digits) as
// PEM. Sends nothing but a TLS 1.3 greeting. The certificate is to be used as the only root of the connection
// that follows, which is what verifies the coordinator: an impostor can present the certificate, but not a
// chain to it. All of it takes up to `timeout`, but for resolving the name. Errors: UNAVAILABLE no
// connection; PERMISSION_DENIED no such certificate is presented.
absl::StatusOr<std::string> FetchAuthority(const Address& address, const std::string& fingerprint,
                                           absl::Duration timeout);

}  // namespace quantlab

#endif  // QUANTLAB_SECURITY_PINNED_AUTHORITY_H_
