#include "client/results/stored_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/sha256.h"

namespace quantlab::client {
namespace {

constexpr mode_t kReadOnly = 0444;

bool Clone(int from, const std::string& to) {
  const int fd = open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return false;
  const bool cloned = ioctl(fd, FICLONE, from) == 0;
  close(fd);
  if (!cloned) unlink(to.c_str());
  return cloned;
}

// The mode belongs to the file, so it changes in the store as well, whose folder only its user can enter.
bool Link(int from, const struct stat& info, const std::string& path, const std::string& to) {
  if (geteuid() == 0 || info.st_uid != geteuid()) return false;
  if ((info.st_mode & 07777) != kReadOnly && fchmod(from, kReadOnly) != 0) return false;
  return link(path.c_str(), to.c_str()) == 0;
}

}  // namespace

bool ShareStoredFile(const std::string& store, const LocalFile& file) {
  if (!IsSha256Hex(file.sha256)) return false;
  const std::string path = absl::StrCat(store, "/", file.sha256.substr(0, 2), "/", file.sha256.substr(2));
  const int from = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (from < 0) return false;
  const auto close_file = absl::MakeCleanup([from] { close(from); });
  struct stat info;
  if (fstat(from, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size != file.size) return false;
  return Clone(from, file.path) || Link(from, info, path, file.path);
}

}  // namespace quantlab::client
