// Results without a second copy of the bytes, where the coordinator's artifact store is on this machine.
#ifndef QUANTLAB_CLIENT_RESULTS_STORED_FILE_H_
#define QUANTLAB_CLIENT_RESULTS_STORED_FILE_H_

#include <string>

#include "client/connection/transfer.h"

namespace quantlab::client {

// Creates `file.path` from the store's file of that digest, sharing its bytes: a clone that is copied when
// either is written (FICLONE: btrfs, XFS), or else a hard link. The caller checks the digest afterwards.
//
// A hard link is the store's own file under a second name, so it is made only where nobody writes to it by
// accident: the file is made read-only for everyone, and this user is not root, who may write to read-only
// files.
//
// False where neither is possible, the store has no such file, or `file.path` exists: nothing was created.
bool ShareStoredFile(const std::string& store, const LocalFile& file);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_RESULTS_STORED_FILE_H_
