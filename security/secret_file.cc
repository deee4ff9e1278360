#include "security/secret_file.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/files.h"
#include "base/messages/access.h"
#include "base/messages/message_catalogue.h"
#include "base/records/ids.h"
#include "base/status_macros.h"
#include "platform/unique_fd.h"
#include "security/token.h"

namespace quantlab {
namespace {

constexpr int64_t kMaxTokenFile = 4096;

absl::Status CheckOwnerAndMode(const std::string& path, const struct stat& info) {
  if (!S_ISREG(info.st_mode)) return absl::InvalidArgumentError(absl::StrCat(path, " is no regular file"));
  if (info.st_uid != geteuid() && info.st_uid != 0)
    return MessageStatus(absl::StatusCode::kPermissionDenied, messages::kSecretFileOfOther(path));
  if ((info.st_mode & 077) != 0) {
    return MessageStatus(absl::StatusCode::kPermissionDenied,
                         messages::kSecretFileOpen(path, absl::StrFormat("%04o", info.st_mode & 07777)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteSecretFile(const std::string& path, absl::string_view content) {
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.valid()) {
    if (errno == EEXIST)
      return absl::AlreadyExistsError(absl::StrCat(path, " exists; choose another name, or remove it"));
    return FileError(errno, "write", path);
  }
  // The process's umask may have taken rights away, never added any.
  while (!content.empty()) {
    const ssize_t wrote = write(file.get(), content.data(), content.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      const int error = errno;
      unlink(path.c_str());
      return FileError(error, "write", path);
    }
    content.remove_prefix(static_cast<size_t>(wrote));
  }
  if (fsync(file.get()) != 0) {
    const int error = errno;
    unlink(path.c_str());
    return FileError(error, "write", path);
  }
  return SyncDirectory(DirectoryOf(path));
}

absl::Status ReplaceSecretFile(const std::string& path, absl::string_view content) {
  const std::string fresh = absl::StrCat(path, ".", RandomId(8));
  QL_RETURN_IF_ERROR(WriteSecretFile(fresh, content));
  if (rename(fresh.c_str(), path.c_str()) != 0) {
    const int error = errno;
    unlink(fresh.c_str());
    return FileError(error, "write", path);
  }
  return SyncDirectory(DirectoryOf(path));
}

absl::Status CheckSecretFile(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return FileError(errno, "read", path);
  return CheckOwnerAndMode(path, info);
}

absl::StatusOr<std::string> ReadTokenFile(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return FileError(errno, "read", path);
  struct stat info;
  // Of the open file, so that it cannot be exchanged between the check and the read.
  if (fstat(file.get(), &info) != 0) return FileError(errno, "read", path);
  QL_RETURN_IF_ERROR(CheckOwnerAndMode(path, info));
  std::string content(kMaxTokenFile, '\0');
  const ssize_t got = read(file.get(), content.data(), content.size());
  if (got < 0) return FileError(errno, "read", path);
  content.resize(static_cast<size_t>(got));
  const std::string token(absl::StripAsciiWhitespace(content));
  if (!IsToken(token))
    return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kSecretFileWrong(path));
  return token;
}

}  // namespace quantlab
