// Keeps two coordinators from using one data folder.
#ifndef QUANTLAB_STORAGE_FOLDER_LOCK_H_
#define QUANTLAB_STORAGE_FOLDER_LOCK_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace quantlab {

// Holds flock on <folder>/lock while it lives. The kernel lets it go when the process dies, however it
// dies, so nothing stale can stay behind.
class FolderLock {
 public:
  // Errors: FAILED_PRECONDITION another process holds it; the message names that process.
  static absl::StatusOr<std::unique_ptr<FolderLock>> Take(const std::string& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  const int fd_;
};

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_FOLDER_LOCK_H_
