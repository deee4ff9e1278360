#include "storage/storage.h"

#include <utility>

#include "base/status_macros.h"
#include "platform/files.h"
#include "storage/folder_lock.h"
#include "storage/sql/sql_event_repository.h"
#include "storage/sql/sql_identity_repository.h"
#include "storage/sql/sql_state_repository.h"

namespace quantlab {
namespace {

class FolderStorage : public Storage {
 public:
  FolderStorage(std::unique_ptr<FileLock> lock, std::unique_ptr<Database> database,
                std::unique_ptr<FileArtifactStore> artifacts)
      : lock_(std::move(lock)),
        database_(std::move(database)),
        artifacts_(std::move(artifacts)),
        states_(*database_),
        events_(*database_),
        identities_(*database_) {}

  StateRepository& states() override { return states_; }
  EventRepository& events() override { return events_; }
  FileArtifactStore& artifacts() override { return *artifacts_; }
  IdentityRepository& identities() override { return identities_; }

 private:
  // In this order: the lock goes last.
  const std::unique_ptr<FileLock> lock_;
  const std::unique_ptr<Database> database_;
  const std::unique_ptr<FileArtifactStore> artifacts_;
  SqlStateRepository states_;
  SqlEventRepository events_;
  SqlIdentityRepository identities_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Storage>> OpenStorage(const std::string& folder,
                                                     const StorageOptions& options) {
  QL_RETURN_IF_ERROR(MakeDirectories(folder));
  QL_ASSIGN_OR_RETURN(auto lock, LockDataFolder(folder));
  QL_ASSIGN_OR_RETURN(auto database, OpenSqliteDatabase(folder + "/quantlab.db", options.database));
  QL_ASSIGN_OR_RETURN(auto artifacts, FileArtifactStore::Open(folder + "/artifacts", options.artifacts));
  return std::unique_ptr<Storage>(
      std::make_unique<FolderStorage>(std::move(lock), std::move(database), std::move(artifacts)));
}

}  // namespace quantlab
