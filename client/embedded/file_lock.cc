#include "client/embedded/file_lock.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/files.h"
#include "base/status_macros.h"

namespace quantlab::client {

absl::StatusOr<std::unique_ptr<FileLock>> FileLock::Try(const std::string& path, Mode mode) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return FileError(errno, "open", path);
  int result;
  do {
    result = flock(fd, (mode == Mode::kShared ? LOCK_SH : LOCK_EX) | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return std::unique_ptr<FileLock>(new FileLock(path, fd));
  const int error = errno;
  close(fd);
  if (error == EWOULDBLOCK) return std::unique_ptr<FileLock>();
  return FileError(error, "lock", path);
}

FileLock::~FileLock() {
  close(fd_);
}

absl::Status FileLock::Write(const std::string& content) {
  if (ftruncate(fd_, 0) != 0 ||
      pwrite(fd_, content.data(), content.size(), 0) != static_cast<ssize_t>(content.size())) {
    return FileError(errno, "write", path_);
  }
  return absl::OkStatus();
}

}  // namespace quantlab::client
