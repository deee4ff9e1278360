// A lock that belongs to an open file: the kernel releases it when its process ends, however it ends.
#ifndef QUANTLAB_PLATFORM_FILE_LOCK_H_
#define QUANTLAB_PLATFORM_FILE_LOCK_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "platform/unique_fd.h"

namespace quantlab {

// Creates the file (0600) if it is missing; never follows a link. Child processes do not inherit the lock.
// Threads: one object belongs to one thread at a time.
class FileLock {
 public:
  enum class Mode { kShared, kExclusive };

  // Does not wait: null if another holder excludes `mode`.
  static absl::StatusOr<std::unique_ptr<FileLock>> Try(const std::string& path, Mode mode = Mode::kExclusive);

  // Waits for an exclusive lock. `waiting` (may be empty) is called once if the lock is not free; `stop`
  // (may be empty) is asked several times a second. Errors: CANCELLED when `stop` says true.
  static absl::StatusOr<std::unique_ptr<FileLock>> Acquire(const std::string& path,
                                                           const std::function<void()>& waiting,
                                                           const std::function<bool()>& stop);

  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  // Replaces the content of the locked file: who holds it, for messages.
  absl::Status Write(const std::string& content);

 private:
  FileLock(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  const std::string path_;
  const UniqueFd fd_;
};

}  // namespace quantlab

#endif  // QUANTLAB_PLATFORM_FILE_LOCK_H_
