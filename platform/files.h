// Folders and files beyond reading and writing one (base/files.h): the end of a log, private folders, trees.
// Errors are those of base/files.h.
#ifndef QUANTLAB_PLATFORM_FILES_H_
#define QUANTLAB_PLATFORM_FILES_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/files.h"

namespace quantlab {

// The last `lines` lines of a file (of its last 8 KiB), without the final line break; empty if it cannot
// be read.
std::string TailOf(const std::string& path, int lines);

// Creates `path` (not its parents) if it is missing, for the effective user alone (0700).
// Errors: PERMISSION_DENIED something else has that name: another user's folder, a folder that others may
// open, a link.
absl::Status MakePrivateDirectory(const std::string& path);

// Removes a file, or a folder with everything in it. Never follows a symbolic link: the link itself is
// removed. OK if there is nothing.
absl::Status RemoveTree(const std::string& path);

// A second name for the same bytes: a hard link, or a copy if the file system has no hard links.
absl::Status LinkOrCopy(const std::string& from, const std::string& to);

// Bytes that this user may still write on the file system of `path`.
absl::StatusOr<int64_t> FreeBytes(const std::string& path);

// A new folder in the system's folder for temporary files, removed with everything in it when the object is
// destroyed. `prefix` becomes part of its name.
class ScratchFolder {
 public:
  static absl::StatusOr<ScratchFolder> Make(absl::string_view prefix);
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ~ScratchFolder();

  const std::string& path() const { return path_; }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace quantlab

#endif  // QUANTLAB_PLATFORM_FILES_H_
