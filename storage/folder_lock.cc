#include "storage/folder_lock.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/files.h"

namespace quantlab {

absl::StatusOr<std::unique_ptr<FolderLock>> FolderLock::Take(const std::string& folder) {
  const std::string path = folder + "/lock";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return FileError(errno, "open", path);
  auto lock = std::unique_ptr<FolderLock>(new FolderLock(fd));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return FileError(errno, "lock", path);
    const auto holder = ReadFile(path, 64);
    const std::string process(absl::StripAsciiWhitespace(holder.ok() ? *holder : ""));
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat(
            "another coordinator", process.empty() ? "" : absl::StrCat(" (process ", process, ")"),
            " uses the data folder ", folder, "; stop it, or choose another data folder")),
        "DATA_FOLDER_IN_USE");
  }
  // For the message above alone: a failed write makes that poorer, nothing else.
  const std::string process = absl::StrCat(getpid(), "\n");
  if (ftruncate(fd, 0) == 0 && pwrite(fd, process.data(), process.size(), 0) < 0) errno = 0;
  return lock;
}

FolderLock::~FolderLock() {
  close(fd_);
}

}  // namespace quantlab
