#include "platform/probe.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <utility>
#include <vector>

#include <climits>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status_macros.h"

namespace quantlab {
namespace {

absl::Status CannotConnect(const Address& address, absl::string_view why) {
  return absl::UnavailableError(absl::StrCat("cannot connect to ", address.ToString(), ": ", why));
}

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

// All that the host's name stands for, in the resolver's order.
absl::StatusOr<std::vector<SocketAddress>> Resolve(const Address& address) {
  if (address.is_socket()) return std::vector<SocketAddress>{UnixAddress(address.socket)};
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed = getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (failed != 0) return CannotConnect(address, gai_strerror(failed));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  std::vector<SocketAddress> all;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    SocketAddress& one = all.emplace_back();
    one.size = entry->ai_addrlen;
    std::memcpy(&one.storage, entry->ai_addr, entry->ai_addrlen);
  }
  return all;
}

// Returns errno, 0 once the connection stands.
int ConnectUntil(const SocketAddress& peer, absl::Duration deadline, UniqueFd* connected) {
  UniqueFd fd(socket(peer.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return errno;
  int error = peer.Connect(fd.get()) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    socklen_t size = sizeof(error);
    if (!WaitUntilReady(fd.get(), POLLOUT, deadline)) return ETIMEDOUT;
    if (getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  }
  if (error == 0) *connected = std::move(fd);
  return error;
}

}  // namespace

bool WaitUntilReady(int fd, short events, absl::Duration deadline) {
  pollfd entry{fd, events, 0};
  while (true) {
    const absl::Duration left = deadline - Clock::Real().Monotonic();
    const int64_t ms =
        std::clamp<int64_t>(absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1))), 0, INT_MAX);
    const int ready = poll(&entry, 1, static_cast<int>(ms));
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

absl::StatusOr<UniqueFd> ConnectTo(const Address& address, absl::Duration timeout) {
  const absl::Duration deadline = Clock::Real().Monotonic() + timeout;
  QL_ASSIGN_OR_RETURN(const std::vector<SocketAddress> peers, Resolve(address));
  int error = ENOENT;
  for (const SocketAddress& peer : peers) {
    UniqueFd fd;
    error = ConnectUntil(peer, deadline, &fd);
    if (error == 0) return fd;
  }
  return CannotConnect(address, std::strerror(error));
}

absl::Status CheckServes(const Address& address, absl::Duration timeout) {
  // The connection preface of HTTP/2 (RFC 9113, 3.4) with an empty SETTINGS frame; the server answers with
  // its own.
  static constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
  const absl::Duration deadline = Clock::Real().Monotonic() + timeout;
  QL_ASSIGN_OR_RETURN(const UniqueFd fd, ConnectTo(address, timeout));
  if (send(fd.get(), kPreface, sizeof(kPreface) - 1, MSG_NOSIGNAL) < 0)
    return CannotConnect(address, std::strerror(errno));
  char byte = 0;
  if (WaitUntilReady(fd.get(), POLLIN, deadline) && recv(fd.get(), &byte, 1, 0) == 1) return absl::OkStatus();
  return absl::DeadlineExceededError(absl::StrCat(address.ToString(),
                                                  " takes connections and does not answer them within ",
                                                  absl::FormatDuration(timeout)));
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
