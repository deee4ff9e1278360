#include "base/files.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/records/ids.h"
#include "base/status_macros.h"

namespace quantlab {
namespace {

// Closes on all paths; Close() is for where the result matters.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  int Close() { return close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

absl::string_view Remedy(int errno_value) {
  switch (errno_value) {
    case ENOSPC:
      return "; free some space on that file system and try again";
    case EDQUOT:
      return "; the disk quota is used up: free some space or ask for a larger quota";
    case EACCES:
    case EPERM:
      return "; check who owns it and its permissions";
    case EROFS:
      return "; the file system is mounted read-only: choose another folder";
    case EMFILE:
    case ENFILE:
      return "; raise the limit of open files (ulimit -n)";
    case EIO:
      return "; the disk may be failing: look at the kernel's log (dmesg)";
    default:
      return "";
  }
}

absl::Status WriteAll(int fd, absl::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t wrote = write(fd, content.data(), content.size());
    if (wrote < 0) {
      if (errno == EINTR) continue;
      return FileError(errno, "write", path);
    }
    content.remove_prefix(static_cast<size_t>(wrote));
  }
  return absl::OkStatus();
}

absl::Status WriteAndSync(const std::string& path, absl::string_view content) {
  Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file.get() < 0) return FileError(errno, "create", path);
  QL_RETURN_IF_ERROR(WriteAll(file.get(), content, path));
  if (fsync(file.get()) != 0) return FileError(errno, "sync", path);
  if (file.Close() != 0) return FileError(errno, "close", path);
  return absl::OkStatus();
}

absl::Status TooLarge(const std::string& path, int64_t max_bytes) {
  return absl::ResourceExhaustedError(
      absl::StrCat(path, " has more than the ", max_bytes, " bytes allowed here"));
}

}  // namespace

absl::Status FileError(int errno_value, absl::string_view action, absl::string_view path) {
  const std::string message =
      absl::StrCat("cannot ", action, " ", path, ": ", std::strerror(errno_value), Remedy(errno_value));
  if (errno_value == ENOSPC || errno_value == EDQUOT || errno_value == EFBIG) {
    return absl::ResourceExhaustedError(message);
  }
  return absl::Status(absl::ErrnoToStatusCode(errno_value), message);
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status SyncDirectory(const std::string& path) {
  Descriptor folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) return FileError(errno, "open", path);
  if (fsync(folder.get()) != 0) return FileError(errno, "sync", path);
  return absl::OkStatus();
}

absl::Status WriteFileAtomically(const std::string& path, absl::string_view content) {
  // A random name, so that two writers never share a temporary file.
  const std::string temporary = absl::StrCat(path, ".tmp-", RandomId(8));
  absl::Status status = WriteAndSync(temporary, content);
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
    status = FileError(errno, "replace", path);
  }
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  return SyncDirectory(DirectoryOf(path));
}

absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes) {
  // O_NONBLOCK: opening a named pipe by mistake must not hang.
  Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return FileError(errno, "open", path);
  struct stat stat;
  if (fstat(file.get(), &stat) != 0) return FileError(errno, "read", path);
  if (!S_ISREG(stat.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a regular file"));
  }
  if (stat.st_size > max_bytes) return TooLarge(path, max_bytes);
  // The size is a hint: files below /proc have 0, and others may grow while they are read.
  std::string content;
  content.reserve(static_cast<size_t>(stat.st_size));
  char buffer[64 * 1024];
  while (true) {
    const ssize_t got = read(file.get(), buffer, sizeof(buffer));
    if (got < 0) {
      if (errno == EINTR) continue;
      return FileError(errno, "read", path);
    }
    if (got == 0) return content;
    content.append(buffer, static_cast<size_t>(got));
    if (static_cast<int64_t>(content.size()) > max_bytes) return TooLarge(path, max_bytes);
  }
}

absl::Status MakeDirectories(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("a folder without a name cannot be made");
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string folder = path.substr(0, end);
    struct stat stat;
    if (mkdir(folder.c_str(), 0700) != 0) {
      const int error = errno;
      // An existing folder is a success whatever the error of mkdir (EROFS, EACCES on its parent).
      if (::stat(folder.c_str(), &stat) != 0) return FileError(error, "make the folder", folder);
      if (!S_ISDIR(stat.st_mode)) return FileError(ENOTDIR, "make the folder", folder);
    }
    if (end == std::string::npos) return absl::OkStatus();
  }
}

}  // namespace quantlab
