// Recognizes files that are not what their names say, by how they begin.
#ifndef QUANTLAB_MODEL_FOLDER_FIRST_BYTES_H_
#define QUANTLAB_MODEL_FOLDER_FIRST_BYTES_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantlab {

// How many bytes of a file DescribeForeign wants to see.
inline constexpr size_t kFirstBytes = 512;

// The first kFirstBytes bytes of a file, or all where it has fewer.
// Errors: NOT_FOUND, PERMISSION_DENIED, each naming the path.
absl::StatusOr<std::string> ReadFirstBytes(const std::string& path);

// What a file is instead of weights or JSON, with the remedy: "is a Git LFS pointer, not the file itself; …",
// "is an HTML page; …". "" where it begins like neither.
std::string DescribeForeign(absl::string_view first_bytes);

// The same, and "begins with text" for any text at all: for files that are binary.
std::string DescribeText(absl::string_view first_bytes);

}  // namespace quantlab

#endif  // QUANTLAB_MODEL_FOLDER_FIRST_BYTES_H_
