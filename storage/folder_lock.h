// Keeps two coordinators from using one data folder.
#ifndef QUANTLAB_STORAGE_FOLDER_LOCK_H_
#define QUANTLAB_STORAGE_FOLDER_LOCK_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "platform/file_lock.h"

namespace quantlab {

// Locks <folder>/lock and writes this process's id there.
// Errors: FAILED_PRECONDITION another process holds it; the message names that process.
absl::StatusOr<std::unique_ptr<FileLock>> LockDataFolder(const std::string& folder);

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_FOLDER_LOCK_H_
