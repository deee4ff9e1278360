// Files with secrets: only their owner can read them.
#ifndef QUANTLAB_SECURITY_SECRET_FILE_H_
#define QUANTLAB_SECURITY_SECRET_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantlab {

// Creates `path` with the mode 0600 from its first moment on, and syncs it.
// Errors: ALREADY_EXISTS something has that name; otherwise as base/files.h.
absl::Status WriteSecretFile(const std::string& path, absl::string_view content);

// The same, in place of a file that exists.
absl::Status ReplaceSecretFile(const std::string& path, absl::string_view content);

// OK when `path` is a regular file of this user (or of root) that group and others cannot read or write.
// Errors: PERMISSION_DENIED otherwise, with the remedy; NOT_FOUND.
absl::Status CheckSecretFile(const std::string& path);

// The one token in a file that CheckSecretFile accepts.
// Errors: those of CheckSecretFile; INVALID_ARGUMENT the file holds something else.
absl::StatusOr<std::string> ReadTokenFile(const std::string& path);

}  // namespace quantlab

#endif  // QUANTLAB_SECURITY_SECRET_FILE_H_
