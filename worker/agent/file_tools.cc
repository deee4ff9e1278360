#include "worker/agent/file_tools.h"

#include <errno.h>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/files.h"
#include "base/sha256.h"
#include "base/status_macros.h"

namespace quantlab::agent {
namespace {

absl::StatusOr<UniqueFd> OpenLock(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return FileError(errno, "open", path);
  return fd;
}

}  // namespace

bool IsSafeRelativePath(absl::string_view path) {
  if (path.empty() || path.size() > 1024) return false;
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\') return false;
  }
  for (absl::string_view part : absl::StrSplit(path, '/')) {
    if (part.empty() || part == "." || part == ".." || part.size() > 255) return false;
  }
  return true;
}

std::string EscapeName(absl::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool plain = absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' ||
                       (c == '.' && !out.empty());
    if (plain) {
      out.push_back(c);
    } else {
      absl::StrAppendFormat(&out, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return out.empty() ? "%" : out;
}

absl::StatusOr<FileDigest> DigestFile(const std::string& path, const StopCheck& stop) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.valid() && errno == ELOOP) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is a symbolic link, not a regular file"));
  }
  if (!fd.valid()) return FileError(errno, "read", path);
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return FileError(errno, "read", path);
  if (!S_ISREG(info.st_mode)) return absl::InvalidArgumentError(absl::StrCat(path, " is not a regular file"));
  Sha256 sha;
  FileDigest digest;
  std::vector<char> buffer(1 << 20);
  while (true) {
    if (stop && stop()) return absl::CancelledError(absl::StrCat("stopped while reading ", path));
    const ssize_t got = read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(errno, "read", path);
    if (got == 0) break;
    sha.Update(absl::string_view(buffer.data(), static_cast<size_t>(got)));
    digest.size += got;
  }
  digest.sha256 = sha.HexDigest();
  return digest;
}

absl::Status RemoveTree(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return FileError(error.value(), "remove", path);
  return absl::OkStatus();
}

absl::Status LinkOrCopy(const std::string& from, const std::string& to) {
  if (link(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  std::error_code error;
  std::filesystem::copy_file(from, to, error);
  if (error) return FileError(error.value(), "write", to);
  return absl::OkStatus();
}

absl::StatusOr<FileLock> FileLock::TryAcquire(const std::string& path) {
  QL_ASSIGN_OR_RETURN(UniqueFd fd, OpenLock(path));
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return FileLock(std::move(fd));
  if (errno != EWOULDBLOCK) return FileError(errno, "lock", path);
  return absl::FailedPreconditionError(absl::StrCat(path, " is locked by another process"));
}

absl::StatusOr<FileLock> FileLock::Acquire(const std::string& path, const std::function<void()>& waiting,
                                           const StopCheck& stop) {
  QL_ASSIGN_OR_RETURN(UniqueFd fd, OpenLock(path));
  bool told = false;
  while (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return FileError(errno, "lock", path);
    if (!told && waiting) waiting();
    told = true;
    if (stop && stop()) return absl::CancelledError(absl::StrCat("stopped while waiting for ", path));
    absl::SleepFor(absl::Milliseconds(100));
  }
  return FileLock(std::move(fd));
}

}  // namespace quantlab::agent
