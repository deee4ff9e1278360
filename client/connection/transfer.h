// Artifacts between this machine and the coordinator's store: only what is missing travels, broken
// transfers go on where they stopped, and every digest is checked.
#ifndef QUANTLAB_CLIENT_CONNECTION_TRANSFER_H_
#define QUANTLAB_CLIENT_CONNECTION_TRANSFER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/connection/client.h"

namespace quantlab::client {

// A file on this machine and its content's name.
struct LocalFile {
  std::string path;
  std::string sha256;
  int64_t size = 0;
};

// Bytes that are there (of this call's files), and in all.
using TransferProgress = std::function<void(int64_t done, int64_t total)>;

// Uploads what the store lacks. Files of the same content travel once.
// Errors: ABORTED a file changed since it was hashed; RESOURCE_EXHAUSTED the store's disk is full.
absl::Status UploadFiles(Client& client, const std::vector<LocalFile>& files,
                         const TransferProgress& progress);

// Makes `path` the artifact of that digest and size. A file of that content that is there already is left as
// it is; else the content arrives in "<path>.part", which a later call continues, and is renamed into place
// when its digest is right.
// Errors: NOT_FOUND; DATA_LOSS what arrived is not what the digest says (the part is removed);
// RESOURCE_EXHAUSTED the disk is full.
absl::Status DownloadFile(Client& client, const LocalFile& file, const TransferProgress& progress);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_CONNECTION_TRANSFER_H_
