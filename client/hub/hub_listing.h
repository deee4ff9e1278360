// What a hub reports about a model: its commit and its files.
#ifndef QUANTLAB_CLIENT_HUB_HUB_LISTING_H_
#define QUANTLAB_CLIENT_HUB_HUB_LISTING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantlab::client {

struct HubFile {
  std::string path;    // relative to the repository
  int64_t size = 0;    // bytes
  std::string digest;  // SHA-256 of a file in LFS, else the id of its Git blob
};

struct HubListing {
  std::string commit;          // 40 hex digits
  std::vector<HubFile> files;  // only those with a safe path, a size and a digest
};

// Reads the answer of GET /api/models/OWNER/NAME/revision/REVISION?blobs=true. Other fields are ignored.
// Errors: INVALID_ARGUMENT it is no such answer, or has more files than any model.
absl::StatusOr<HubListing> ParseListing(absl::string_view json);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_HUB_HUB_LISTING_H_
