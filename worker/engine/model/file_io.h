// Files that are there whole or not at all.
#ifndef QUANTLAB_WORKER_ENGINE_MODEL_FILE_IO_H_
#define QUANTLAB_WORKER_ENGINE_MODEL_FILE_IO_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantlab::engine {

// The system's reason (errno) as a status: "writing /a/b: No space left on device".
// Disk full and quotas become RESOURCE_EXHAUSTED, a missing file NOT_FOUND, no permission PERMISSION_DENIED.
absl::Status SystemError(absl::string_view doing, const std::string& path, int error);

// A file written beside its final place and renamed into it by Commit. Destroyed before that, or after an
// error, it leaves nothing behind and the old file, if any, as it was.
//
// Threads: one at a time.
class AtomicFile {
 public:
  static absl::StatusOr<AtomicFile> Create(const std::string& path);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) = delete;
  ~AtomicFile();

  absl::Status Write(const void* data, size_t size);
  // Flushes to disk (file and folder) and puts the file into its place.
  absl::Status Commit();

 private:
  AtomicFile(int fd, std::string path, std::string temporary);

  int fd_;
  std::string path_;
  std::string temporary_;
};

// AtomicFile in one call.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view content);

absl::StatusOr<std::string> ReadWholeFile(const std::string& path);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MODEL_FILE_IO_H_
