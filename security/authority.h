// A small certificate authority for one coordinator and those who connect to it.
#ifndef QUANTLAB_SECURITY_AUTHORITY_H_
#define QUANTLAB_SECURITY_AUTHORITY_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace quantlab {

struct AuthorityOptions {
  std::string folder;              // made where it is missing, for its owner alone
  std::vector<std::string> hosts;  // names and IP addresses of the coordinator
  // Identities that get <name>.crt and <name>.key to sign in with; the certificate's common name is the
  // identity's name.
  std::vector<std::string> clients;
  absl::Time now;
};

// Writes ca.crt, ca.key (valid for ten years) unless they exist, and, where there are hosts, server.crt and
// server.key in place of earlier ones (valid for 397 days; server.crt ends with the authority's certificate),
// and the clients' certificates (397 days). Keys are P-256, mode 0600. Returns the authority's fingerprint.
// Errors: INVALID_ARGUMENT a host or client that no certificate can name, a client called "ca" or "server",
// only one of ca.crt and ca.key, or unusable files; those of base/files.h.
absl::StatusOr<std::string> InitAuthority(const AuthorityOptions& options);

}  // namespace quantlab

#endif  // QUANTLAB_SECURITY_AUTHORITY_H_
