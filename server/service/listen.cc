#include "server/service/listen.h"

#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace quantlab {
namespace {

constexpr char kAllowed[] = "allowed: unix:PATH, 127.0.0.1:PORT, [::1]:PORT, localhost:PORT";

absl::StatusOr<ListenAddress> ParseSocket(const std::string& path) {
  const size_t most = sizeof(sockaddr_un::sun_path) - 1;
  if (path.empty()) return absl::InvalidArgumentError(absl::StrCat("unix: needs a path; ", kAllowed));
  if (path.size() > most) {
    return absl::InvalidArgumentError(
        absl::StrCat("the socket path ", path, " has ", path.size(), " bytes, and ", most,
                     " are allowed; choose a shorter one with --listen unix:PATH, or a "
                     "shorter --data-dir"));
  }
  return ListenAddress{path, ""};
}

// A file descriptor that is closed at the end.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

sockaddr_un SocketAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  return address;
}

// Connects `fd` to loopback, of the address family that it has.
int ConnectLoopback(int fd, bool v6, int port) {
  if (v6) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    address.sin6_port = htons(static_cast<uint16_t>(port));
    return connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

}  // namespace

absl::StatusOr<ListenAddress> ParseListenAddress(const std::string& text) {
  if (absl::StartsWith(text, "unix:")) {
    absl::string_view path = absl::StripPrefix(text, "unix:");
    if (absl::StartsWith(path, "///")) path.remove_prefix(2);  // unix:///abs
    return ParseSocket(std::string(path));
  }
  const size_t colon = text.rfind(':');
  int port = -1;
  if (colon == std::string::npos || !absl::SimpleAtoi(text.substr(colon + 1), &port) || port < 0 ||
      port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot listen on ", text, ": it names no port; ", kAllowed));
  }
  const std::string host = text.substr(0, colon);
  if (host == "localhost") return ListenAddress{"", absl::StrCat("127.0.0.1:", port)};
  if (host == "127.0.0.1" || host == "[::1]") return ListenAddress{"", text};
  return absl::InvalidArgumentError(absl::StrCat(
      "refusing to listen on ", text, ": others could reach it there, and TLS and tokens do not exist yet; ",
      kAllowed, ". From other machines, forward the port with ssh -L"));
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
  const sockaddr_un address = SocketAddress(path);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return absl::ErrnoToStatus(errno, "cannot make a socket");
  const bool answers = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  if (answers) return absl::FailedPreconditionError(absl::StrCat("another process listens on ", path));
  if (unlink(path.c_str()) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot remove the old socket ", path));
  return absl::OkStatus();
}

absl::Status CheckServes(const std::string& target, absl::Duration timeout) {
  // The connection preface of HTTP/2 (RFC 9113, 3.4) with an empty SETTINGS frame; the server answers with
  // its own.
  static constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
  const bool is_socket = absl::StartsWith(target, "unix:");
  const bool v6 = absl::StartsWith(target, "[");
  const Descriptor fd(socket(is_socket ? AF_UNIX
                             : v6      ? AF_INET6
                                       : AF_INET,
                             SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.get() < 0) return absl::UnavailableError(absl::StrCat("no socket: ", std::strerror(errno)));
  int connected = -1;
  if (is_socket) {
    const sockaddr_un address = SocketAddress(std::string(absl::StripPrefix(target, "unix:")));
    connected = connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  } else {
    int port = 0;
    if (absl::SimpleAtoi(target.substr(target.rfind(':') + 1), &port))
      connected = ConnectLoopback(fd.get(), v6, port);
  }
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

}  // namespace quantlab
