#include "server/service/listen.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "platform/unique_fd.h"
#include "security/certificates.h"
#include "security/pinned_authority.h"

namespace quantlab {
namespace {

// The form of an address that the system calls take.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  int family() const { return storage.ss_family; }
  int Connect(int fd) const { return connect(fd, reinterpret_cast<const sockaddr*>(&storage), size); }
};

SocketAddress UnixAddress(const std::string& path) {
  SocketAddress result;
  auto& address = reinterpret_cast<sockaddr_un&>(result.storage);
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  result.size = sizeof(address);
  return result;
}

// `host` is numeric.
SocketAddress TcpAddress(const std::string& host, int port) {
  SocketAddress result;
  auto& v4 = reinterpret_cast<sockaddr_in&>(result.storage);
  if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<uint16_t>(port));
    result.size = sizeof(v4);
    return result;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(result.storage);
  inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(static_cast<uint16_t>(port));
  result.size = sizeof(v6);
  return result;
}

}  // namespace

absl::StatusOr<Address> ParseListenAddress(const std::string& text, bool tls) {
  QL_ASSIGN_OR_RETURN(Address address, tls ? ParseAddress(text, /*port_may_be_zero=*/true)
                                           : ParseLocalAddress(text, /*port_may_be_zero=*/true));
  if (absl::EqualsIgnoreCase(address.host, "localhost")) address.host = "127.0.0.1";
  return address;
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
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "cannot make a socket");
  const bool answers = UnixAddress(path).Connect(fd.get()) == 0;
  if (answers) return absl::FailedPreconditionError(absl::StrCat("another process listens on ", path));
  if (unlink(path.c_str()) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot remove the old socket ", path));
  return absl::OkStatus();
}

absl::Status CheckServes(const Address& address, absl::Duration timeout) {
  // The connection preface of HTTP/2 (RFC 9113, 3.4) with an empty SETTINGS frame; the server answers with
  // its own.
  static constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
  const std::string target = address.ToString();
  const SocketAddress peer =
      address.is_socket() ? UnixAddress(address.socket) : TcpAddress(address.host, address.port);
  const UniqueFd fd(socket(peer.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return absl::UnavailableError(absl::StrCat("no socket: ", std::strerror(errno)));
  int connected = peer.Connect(fd.get());
  const int wait_ms = static_cast<int>(absl::ToInt64Milliseconds(timeout));
  pollfd writable{fd.get(), POLLOUT, 0};
  if (connected != 0 && errno == EINPROGRESS) connected = poll(&writable, 1, wait_ms) > 0 ? 0 : -1;
  if (connected != 0 || send(fd.get(), kPreface, sizeof(kPreface) - 1, MSG_NOSIGNAL) < 0)
    return absl::UnavailableError(absl::StrCat("cannot connect to ", target, ": ", std::strerror(errno)));
  pollfd readable{fd.get(), POLLIN, 0};
  char byte = 0;
  if (poll(&readable, 1, wait_ms) > 0 && recv(fd.get(), &byte, 1, 0) == 1) {
    return absl::OkStatus();
  }
  return absl::DeadlineExceededError(absl::StrCat(
      target, " takes connections and does not answer them within ", absl::FormatDuration(timeout)));
}

absl::Status CheckServesTls(const Address& address, const std::string& certificate, absl::Duration timeout) {
  QL_ASSIGN_OR_RETURN(const std::string fingerprint, LastFingerprint(certificate));
  Address peer = address;
  if (peer.host == "0.0.0.0") peer.host = "127.0.0.1";
  if (peer.host == "::") peer.host = "::1";
  const absl::Status status = FetchAuthority(peer, fingerprint, timeout).status();
  // Served, with a certificate that was exchanged since.
  return absl::IsPermissionDenied(status) ? absl::OkStatus() : status;
}

}  // namespace quantlab
