#include "worker/agent/program/folder_id.h"

#include <cerrno>
#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/sha256.h"

namespace quantlab::agent {

absl::StatusOr<std::string> FolderId(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return FileError(errno, "look at", path);
  // machine-id(5); absent in some containers, where the file alone must tell.
  const std::string machine = ReadFile("/etc/machine-id", 4096).value_or("");
  return Sha256Hex(absl::StrCat(machine, ":", info.st_dev, ":", info.st_ino)).substr(0, 16);
}

}  // namespace quantlab::agent
