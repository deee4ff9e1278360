// Large files that are there whole or not at all. For small ones see base/files.h.
#ifndef QUANTLAB_WORKER_ENGINE_TENSORS_ATOMIC_FILE_H_
#define QUANTLAB_WORKER_ENGINE_TENSORS_ATOMIC_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace quantlab::engine {

// A file written beside its final place and renamed into it by Commit. Destroyed before that, or after an
// error, it leaves nothing behind and the old file, if any, as it was.
//
// Threads: one at a time.
// Errors:  those of base/files.h: RESOURCE_EXHAUSTED for a full disk, and the path in every message.
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

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TENSORS_ATOMIC_FILE_H_
