#include "platform/file_lock.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "platform/files.h"

namespace quantlab {
namespace {

constexpr absl::Duration kRetry = absl::Milliseconds(100);

absl::StatusOr<UniqueFd> OpenLock(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return FileError(errno, "open", path);
  return fd;
}

// False if another holder excludes it.
absl::StatusOr<bool> TryLock(int fd, int operation, const std::string& path) {
  while (flock(fd, operation | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) return FileError(errno, "lock", path);
  }
  return true;
}

}  // namespace

absl::StatusOr<std::unique_ptr<FileLock>> FileLock::Try(const std::string& path, Mode mode) {
  QL_ASSIGN_OR_RETURN(UniqueFd fd, OpenLock(path));
  QL_ASSIGN_OR_RETURN(const bool locked, TryLock(fd.get(), mode == Mode::kShared ? LOCK_SH : LOCK_EX, path));
  if (!locked) return std::unique_ptr<FileLock>();
  return std::unique_ptr<FileLock>(new FileLock(path, std::move(fd)));
}

absl::StatusOr<std::unique_ptr<FileLock>> FileLock::Acquire(const std::string& path,
                                                            const std::function<void()>& waiting,
                                                            const std::function<bool()>& stop) {
  QL_ASSIGN_OR_RETURN(UniqueFd fd, OpenLock(path));
  for (bool first = true;; first = false) {
    QL_ASSIGN_OR_RETURN(const bool locked, TryLock(fd.get(), LOCK_EX, path));
    if (locked) return std::unique_ptr<FileLock>(new FileLock(path, std::move(fd)));
    if (first && waiting) waiting();
    if (stop && stop()) return absl::CancelledError(absl::StrCat("stopped while waiting for ", path));
    absl::SleepFor(kRetry);
  }
}

absl::Status FileLock::Write(const std::string& content) {
  if (ftruncate(fd_.get(), 0) != 0 ||
      pwrite(fd_.get(), content.data(), content.size(), 0) != static_cast<ssize_t>(content.size())) {
    return FileError(errno, "write", path_);
  }
  return absl::OkStatus();
}

}  // namespace quantlab
