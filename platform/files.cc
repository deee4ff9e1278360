#include "platform/files.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace quantlab {
namespace {

constexpr int64_t kTailBytes = 8192;

}  // namespace

absl::StatusOr<int64_t> FreeBytes(const std::string& path) {
  struct statvfs info;
  if (statvfs(path.c_str(), &info) != 0) return FileError(errno, "inspect", path);
  return static_cast<int64_t>(info.f_bavail) * static_cast<int64_t>(info.f_frsize);
}

std::string TailOf(const std::string& path, int lines) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return "";
  const int64_t size = in.tellg();
  in.seekg(std::max<int64_t>(0, size - kTailBytes));
  std::string text(static_cast<size_t>(std::min(size, kTailBytes)), '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::vector<std::string> all = absl::StrSplit(text, '\n');
  if (static_cast<int>(all.size()) > lines) all.erase(all.begin(), all.end() - lines);
  return absl::StrJoin(all, "\n");
}

absl::Status MakePrivateDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return FileError(errno, "create", path);
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return FileError(errno, "inspect", path);
  if (S_ISDIR(info.st_mode) && info.st_uid == geteuid() && (info.st_mode & 0077) == 0)
    return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat(path, " is not a folder of this user alone (mode 0700); remove it"));
}

absl::Status RemoveTree(const std::string& path) {
  // remove_all opens each folder without following links and removes the names below its descriptor.
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

absl::StatusOr<ScratchFolder> ScratchFolder::Make(absl::string_view prefix) {
  std::error_code error;
  std::filesystem::path base = std::filesystem::temp_directory_path(error);
  if (error) base = "/tmp";
  std::string name = (base / absl::StrCat(prefix, "-XXXXXX")).string();
  if (mkdtemp(name.data()) == nullptr) return FileError(errno, "create", name);
  return ScratchFolder(name);
}

ScratchFolder::~ScratchFolder() {
  if (!path_.empty()) RemoveTree(path_).IgnoreError();
}

}  // namespace quantlab
