// How a connection to a coordinator is protected, from the files that users name.
#ifndef QUANTLAB_PROTO_CHANNEL_SECURITY_H_
#define QUANTLAB_PROTO_CHANNEL_SECURITY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "platform/address.h"
#include "proto/channel.h"

namespace quantlab {

// Paths; empty: not given.
struct SecurityFiles {
  std::string token = {};
  std::string ca = {};              // PEM
  std::string ca_fingerprint = {};  // in place of `ca`: the certificate is fetched from the coordinator
  std::string certificate = {}, key = {};  // PEM, to sign in with in place of a token
};

// Reads the files. `timeout` is for fetching a certificate by its fingerprint.
// Errors: FAILED_PRECONDITION `address` is beyond this machine and there is no authority to know the
// coordinator by; PERMISSION_DENIED others may read a secret file, or the coordinator is not the one with the
// fingerprint; INVALID_ARGUMENT malformed; those of base/files.h; UNAVAILABLE.
absl::StatusOr<ChannelSecurity> LoadSecurity(const Address& address, const SecurityFiles& files,
                                             absl::Duration timeout);

}  // namespace quantlab

#endif  // QUANTLAB_PROTO_CHANNEL_SECURITY_H_
