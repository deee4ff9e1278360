// Files and folders as the agent handles them: names from outside made harmless, digests that can be
// interrupted, trees removed.
#ifndef QUANTLAB_WORKER_AGENT_FILE_TOOLS_H_
#define QUANTLAB_WORKER_AGENT_FILE_TOOLS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "worker/agent/process.h"

namespace quantlab::agent {

// Asked from time to time; true ends the work with CANCELLED.
using StopCheck = std::function<bool()>;

// Whether `path` is relative, '/'-separated and stays below where it starts: no empty part, "." or "..",
// no control characters, at most 1,024 bytes.
bool IsSafeRelativePath(absl::string_view path);

// "quick-k3f9a2/baseline" as one folder name: what is not [A-Za-z0-9._-] becomes %XX. Different names
// stay different.
std::string EscapeName(absl::string_view name);

struct FileDigest {
  std::string sha256;
  int64_t size = 0;
};

// Follows no symbolic link in the last part of the path.
// Errors: NOT_FOUND; INVALID_ARGUMENT not a regular file; CANCELLED.
absl::StatusOr<FileDigest> DigestFile(const std::string& path, const StopCheck& stop);

// Removes a file or a folder with all that is in it; OK where there is nothing.
absl::Status RemoveTree(const std::string& path);

// The second name for the same bytes: a hard link, or a copy where the file system cannot.
absl::Status LinkOrCopy(const std::string& from, const std::string& to);

// An exclusive lock on a file, held while the object lives; the kernel drops it when the process dies.
class FileLock {
 public:
  // Errors: FAILED_PRECONDITION another process has it.
  static absl::StatusOr<FileLock> TryAcquire(const std::string& path);
  // Waits. `waiting` is called once where the lock is not free. Errors: CANCELLED.
  static absl::StatusOr<FileLock> Acquire(const std::string& path, const std::function<void()>& waiting,
                                          const StopCheck& stop);

 private:
  explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_FILE_TOOLS_H_
