// Names of files: which may be joined to a folder, and how any text becomes one.
#ifndef QUANTLAB_PLATFORM_PATHS_H_
#define QUANTLAB_PLATFORM_PATHS_H_

#include <string>

#include "absl/strings/string_view.h"

namespace quantlab {

// The limits of a relative path from outside, in bytes.
inline constexpr size_t kMaxRelativePathBytes = 1024;
inline constexpr size_t kMaxPathPartBytes = 255;

// Why `path` may not be joined to a folder; empty if it may. A path from outside (an artifact's name, a
// catalogue's entry, a file of a saved model) must be relative and '/'-separated, at most 1024 bytes of
// UTF-8, without empty parts, ".", "..", backslashes and control characters, each part at most 255 bytes.
// The text reads as a continuation: "must not be empty".
std::string RelativePathProblem(absl::string_view path);
inline bool IsSafeRelativePath(absl::string_view path) {
  return RelativePathProblem(path).empty();
}

// The same for one part of such a path.
std::string PathPartProblem(absl::string_view part);

// "quick-k3f9a2/baseline" as one folder name: what is not [A-Za-z0-9._-] becomes %XX. Different names
// stay different.
std::string EscapeName(absl::string_view name);

}  // namespace quantlab

#endif  // QUANTLAB_PLATFORM_PATHS_H_
