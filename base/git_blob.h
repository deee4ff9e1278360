// The id that Git gives to a file's content, by which a hub names files that are not in LFS.
#ifndef QUANTLAB_BASE_GIT_BLOB_H_
#define QUANTLAB_BASE_GIT_BLOB_H_

#include <string>

#include "absl/strings/string_view.h"

namespace quantlab {

// SHA-1 over "blob <size>\0<content>", 40 lower-case hex digits. SHA-1 does not withstand an attacker who
// chooses both contents; it detects damage.
std::string GitBlobId(absl::string_view content);

// Whether `text` is 40 lower-case hex digits.
bool IsGitId(absl::string_view text);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_GIT_BLOB_H_
