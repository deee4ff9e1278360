// The SHA-256 of a file's content, computed so that it can be interrupted.
#ifndef QUANTLAB_PLATFORM_DIGEST_H_
#define QUANTLAB_PLATFORM_DIGEST_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"

namespace quantlab {

// Asked several times a second by work that takes long; true ends it with CANCELLED.
using StopCheck = std::function<bool()>;

struct FileDigest {
  std::string sha256;
  int64_t size = 0;
};

// Follows no symbolic link in the last part of the path. `stop` may be empty.
// Errors: NOT_FOUND; INVALID_ARGUMENT not a regular file; CANCELLED.
absl::StatusOr<FileDigest> DigestFile(const std::string& path, const StopCheck& stop);

}  // namespace quantlab

#endif  // QUANTLAB_PLATFORM_DIGEST_H_
