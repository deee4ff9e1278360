#include "server/service/rpc/listen.h"

#include <arpa/inet.h>
#include <cerrno>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "security/certificates.h"
#include "security/pinned_authority.h"

namespace quantlab {

absl::StatusOr<Address> ParseListenAddress(const std::string& text, bool tls) {
  QL_ASSIGN_OR_RETURN(Address address, tls ? ParseAddress(text, /*port_may_be_zero=*/true)
                                           : ParseLocalAddress(text, /*port_may_be_zero=*/true));
  if (absl::EqualsIgnoreCase(address.host, "localhost")) address.host = "127.0.0.1";
  return address;
}

bool IsWildcard(const Address& address) {
  in_addr v4;
  in6_addr v6;
  if (inet_pton(AF_INET, address.host.c_str(), &v4) == 1) return v4.s_addr == htonl(INADDR_ANY);
  return inet_pton(AF_INET6, address.host.c_str(), &v6) == 1 && IN6_IS_ADDR_UNSPECIFIED(&v6);
}

absl::Status PrepareSocket(const std::string& path) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? absl::OkStatus()
                           : absl::ErrnoToStatus(errno, absl::StrCat("cannot look at ", path));
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::AlreadyExistsError(
        absl::StrCat(path, " is there and is no socket; choose another path with --listen"));
  }
  Address address;
  address.socket = path;
  if (ConnectTo(address, absl::Seconds(1)).ok())
    return absl::FailedPreconditionError(absl::StrCat("another process listens on ", path));
  if (unlink(path.c_str()) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot remove the old socket ", path));
  return absl::OkStatus();
}

absl::Status CheckServesTls(const Address& address, const std::string& certificate, absl::Duration timeout) {
  QL_ASSIGN_OR_RETURN(const std::string fingerprint, LastFingerprint(certificate));
  Address peer = address;
  if (IsWildcard(peer)) peer.host = absl::StrContains(peer.host, ':') ? "::1" : "127.0.0.1";
  const absl::Status status = FetchAuthority(peer, fingerprint, timeout).status();
  // Served, with a certificate that was exchanged since.
  return absl::IsPermissionDenied(status) ? absl::OkStatus() : status;
}

}  // namespace quantlab
