// Everything durable of one coordinator, in one data folder:
//
//   <folder>/lock          held while a coordinator uses the folder
//   <folder>/quantlab.db   experiments, runs, attempts, events, identities; SQLite, with -wal and -shm files
//   <folder>/artifacts/    files (storage/file_artifact_store.h)
#ifndef QUANTLAB_STORAGE_STORAGE_H_
#define QUANTLAB_STORAGE_STORAGE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/records/deletion.h"
#include "base/records/identities.h"
#include "base/records/repositories.h"
#include "base/records/worker_modes.h"
#include "base/records/write_groups.h"
#include "storage/file_artifact_store.h"
#include "storage/sqlite/sqlite_database.h"

namespace quantlab {

struct StorageOptions {
  SqliteOptions database;
  ArtifactStoreOptions artifacts;
};

// Threads: safe.
class Storage {
 public:
  virtual ~Storage() = default;

  // Valid during the lifetime of this object.
  virtual StateRepository& states() = 0;
  virtual EventRepository& events() = 0;
  virtual FileArtifactStore& artifacts() = 0;
  virtual IdentityRepository& identities() = 0;
  virtual DeletionRepository& deletion() = 0;
  virtual WorkerModeRepository& worker_modes() = 0;
  // Of all of these except the artifacts.
  virtual WriteGroups& groups() = 0;
};

// Opens the folder, creating what is missing.
// Errors: FAILED_PRECONDITION another coordinator uses the folder, or a newer one made the database;
// DATA_LOSS the database is damaged; RESOURCE_EXHAUSTED the disk is full. All have remedies.
absl::StatusOr<std::unique_ptr<Storage>> OpenStorage(const std::string& folder,
                                                     const StorageOptions& options = {});

// Copies the database of a folder that is in use to a new file, as it is at one moment.
// Errors: ALREADY_EXISTS; RESOURCE_EXHAUSTED the disk is full.
absl::Status BackUpStorage(const std::string& folder, const std::string& to);

// Puts a copy of the database back into a folder that nobody uses; makes the folder where it is missing. The
// database that was there stays beside it under another name. Artifacts stay and count as used now. Errors:
// FAILED_PRECONDITION a coordinator uses the folder, or `file` is another program's or a newer version's;
// DATA_LOSS it is damaged. Nothing was changed then.
absl::Status RestoreStorage(const std::string& file, const std::string& folder);

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_STORAGE_H_
