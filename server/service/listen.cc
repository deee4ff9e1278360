#include "server/service/listen.h"

#include <cerrno>
#include <cstring>
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
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return absl::ErrnoToStatus(errno, "cannot make a socket");
  const bool answers = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  if (answers) return absl::FailedPreconditionError(absl::StrCat("another process listens on ", path));
  if (unlink(path.c_str()) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot remove the old socket ", path));
  return absl::OkStatus();
}

}  // namespace quantlab
