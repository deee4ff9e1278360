// Tells a worker's data folder from a copy of it.
#ifndef QUANTLAB_WORKER_AGENT_PROGRAM_FOLDER_ID_H_
#define QUANTLAB_WORKER_AGENT_PROGRAM_FOLDER_ID_H_

#include <string>

#include "absl/status/statusor.h"

namespace quantlab::agent {

// The fact of a worker that holds its folder's id. Coordinators refuse a worker whose id is in use with
// another folder id (server/core/worker_table.h).
inline constexpr char kFolderIdFact[] = "folder_id";

// A digest of this machine and of the file at `path`, which must be one that is never replaced. It stays the
// same across restarts, and when the folder is renamed; a copy has another one.
absl::StatusOr<std::string> FolderId(const std::string& path);

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_PROGRAM_FOLDER_ID_H_
