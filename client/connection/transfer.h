// Transfers artifacts between this machine and the coordinator's store: only missing ones are sent,
// interrupted transfers are resumed, and every digest is verified.
#ifndef QUANTLAB_CLIENT_CONNECTION_TRANSFER_H_
#define QUANTLAB_CLIENT_CONNECTION_TRANSFER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/connection/client.h"

namespace quantlab::client {

// A file on this machine and the digest of its content.
struct LocalFile {
  std::string path;
  std::string sha256;
  int64_t size = 0;
};

// Bytes transferred so far and in total, of this call's files.
using TransferProgress = std::function<void(int64_t done, int64_t total)>;

// Uploads the files that the store lacks. Files with the same content are sent once.
// Errors: ABORTED a file changed since it was hashed; RESOURCE_EXHAUSTED the store's disk is full.
absl::Status UploadFiles(Client& client, const std::vector<LocalFile>& files,
                         const TransferProgress& progress);

// Downloads the artifact of that digest and size to `path`. An existing file with this content is kept.
// Otherwise the content is written to "<path>.part", which a later call resumes, and is renamed once its
// digest is verified.
// Errors: NOT_FOUND; DATA_LOSS the content does not match the digest (the part is removed);
// RESOURCE_EXHAUSTED the disk is full.
absl::Status DownloadFile(Client& client, const LocalFile& file, const TransferProgress& progress);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_CONNECTION_TRANSFER_H_
