#include "platform/digest.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "platform/files.h"
#include "platform/unique_fd.h"

namespace quantlab {

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

}  // namespace quantlab
