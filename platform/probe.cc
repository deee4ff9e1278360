#include "platform/probe.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

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

absl::StatusOr<UniqueFd> ConnectTo(const Address& address, absl::Duration timeout) {
  const SocketAddress peer =
      address.is_socket() ? UnixAddress(address.socket) : TcpAddress(address.host, address.port);
  UniqueFd fd(socket(peer.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return absl::UnavailableError(absl::StrCat("no socket: ", std::strerror(errno)));
  int error = peer.Connect(fd.get()) == 0 ? 0 : errno;
  pollfd writable{fd.get(), POLLOUT, 0};
  if (error == EINPROGRESS) {
    socklen_t size = sizeof(error);
    if (poll(&writable, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout))) <= 0) {
      error = ETIMEDOUT;
    } else if (getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
      error = errno;
    }
  }
  if (error == 0) return fd;
  return absl::UnavailableError(
      absl::StrCat("cannot connect to ", address.ToString(), ": ", std::strerror(error)));
}

absl::Status CheckServes(const Address& address, absl::Duration timeout) {
  // The connection preface of HTTP/2 (RFC 9113, 3.4) with an empty SETTINGS frame; the server answers with
  // its own.
  static constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
  QL_ASSIGN_OR_RETURN(const UniqueFd fd, ConnectTo(address, timeout));
  const std::string target = address.ToString();
  if (send(fd.get(), kPreface, sizeof(kPreface) - 1, MSG_NOSIGNAL) < 0)
    return absl::UnavailableError(absl::StrCat("cannot connect to ", target, ": ", std::strerror(errno)));
  pollfd readable{fd.get(), POLLIN, 0};
  char byte = 0;
  const int wait_ms = static_cast<int>(absl::ToInt64Milliseconds(timeout));
  if (poll(&readable, 1, wait_ms) > 0 && recv(fd.get(), &byte, 1, 0) == 1) return absl::OkStatus();
  return absl::DeadlineExceededError(absl::StrCat(
      target, " takes connections and does not answer them within ", absl::FormatDuration(timeout)));
}

SocketFile::SocketFile(const Address& address) {
  struct stat info;
  if (!address.is_socket() || stat(address.socket.c_str(), &info) != 0) return;
  path_ = address.socket;
  device_ = info.st_dev;
  inode_ = info.st_ino;
}

bool SocketFile::replaced() const {
  struct stat info;
  if (path_.empty()) return false;
  // Only what surely says so: a folder that cannot be read for a moment does not.
  if (stat(path_.c_str(), &info) != 0) return errno == ENOENT || errno == ENOTDIR;
  return info.st_dev != device_ || info.st_ino != inode_;
}

}  // namespace quantlab
