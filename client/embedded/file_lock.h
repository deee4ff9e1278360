// A lock that belongs to an open file: the kernel lets go of it when its process ends, however it ends.
#ifndef QUANTLAB_CLIENT_EMBEDDED_FILE_LOCK_H_
#define QUANTLAB_CLIENT_EMBEDDED_FILE_LOCK_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace quantlab::client {

// Threads: one object belongs to one thread at a time. Children do not inherit it.
class FileLock {
 public:
  enum class Mode { kShared, kExclusive };

  // Never waits: null where another process holds it in a way that excludes `mode`.
  static absl::StatusOr<std::unique_ptr<FileLock>> Try(const std::string& path, Mode mode);

  // Lets go.
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  // Replaces the content of the locked file.
  absl::Status Write(const std::string& content);

 private:
  FileLock(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  const std::string path_;
  const int fd_;
};

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_EMBEDDED_FILE_LOCK_H_
