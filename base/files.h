// Small files, read whole and written so that a crash leaves the old content or the new, never half.
//
// Errors of all functions name the path and, where possible, the remedy: NOT_FOUND,
// PERMISSION_DENIED, RESOURCE_EXHAUSTED (disk full, or the file larger than allowed), and otherwise
// what absl::ErrnoToStatus makes of it.
// Threads: safe; two writers of one path both succeed, and the content is that of one of them.
#ifndef QUANTLAB_BASE_FILES_H_
#define QUANTLAB_BASE_FILES_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantlab {

// Writes a temporary file beside `path`, syncs it, renames it over `path` and syncs the folder. When
// it returns OK the content survives a power failure. No file is left behind on an error.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view content);

// The whole file. RESOURCE_EXHAUSTED where it has more than `max_bytes`; INVALID_ARGUMENT where it is
// no regular file.
absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes);

// The folder and its parents, as far as they are missing, open to their user alone (0700).
absl::Status MakeDirectories(const std::string& path);

// Makes the names in a folder durable: created, renamed and removed files.
absl::Status SyncDirectory(const std::string& path);

// The status for `errno_value` at `path`, with the wording of all file operations of the project. `action` is
// a verb: "write" gives "cannot write /a/b: No space left on device; free some space …".
absl::Status FileError(int errno_value, absl::string_view action, absl::string_view path);

// "/a/b/c" gives "/a/b"; "c" gives ".".
std::string DirectoryOf(const std::string& path);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_FILES_H_
