#include "storage/storage.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "platform/files.h"
#include "storage/folder_lock.h"
#include "storage/sql/sql_deletion_repository.h"
#include "storage/sql/sql_event_repository.h"
#include "storage/sql/sql_identity_repository.h"
#include "storage/sql/sql_state_repository.h"
#include "storage/sql/sql_worker_mode_repository.h"
#include "storage/sqlite/backup.h"

namespace quantlab {
namespace {

constexpr char kDatabase[] = "/quantlab.db";
constexpr char kArtifacts[] = "/artifacts";

absl::StatusOr<int64_t> DatabaseFileBytes(const std::string& folder) {
  int64_t bytes = 0;
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::error_code error;
    const auto size = std::filesystem::file_size(absl::StrCat(folder, kDatabase, suffix), error);
    if (!error) bytes += static_cast<int64_t>(size);
  }
  return bytes;
}

// Files that only the replaced database refers to count as used now, so that it can be put back within the
// time that unreferenced files stay.
absl::Status KeepForNow(const std::string& artifacts) {
  QL_ASSIGN_OR_RETURN(const auto store, FileArtifactStore::Open(artifacts, ArtifactStoreOptions()));
  QL_ASSIGN_OR_RETURN(const std::vector<ArtifactFiles::File> files, store->ListStored());
  for (const ArtifactFiles::File& file : files) QL_RETURN_IF_ERROR(store->GetStat(file.name).status());
  return absl::OkStatus();
}

class FolderStorage : public Storage {
 public:
  FolderStorage(const std::string& folder, std::unique_ptr<FileLock> lock, std::unique_ptr<Database> database,
                std::unique_ptr<FileArtifactStore> artifacts)
      : lock_(std::move(lock)),
        database_(std::move(database)),
        artifacts_(std::move(artifacts)),
        states_(*database_),
        events_(*database_),
        identities_(*database_),
        deletion_(*database_, [folder] { return DatabaseFileBytes(folder); }),
        worker_modes_(*database_) {}

  StateRepository& states() override { return states_; }
  EventRepository& events() override { return events_; }
  FileArtifactStore& artifacts() override { return *artifacts_; }
  IdentityRepository& identities() override { return identities_; }
  DeletionRepository& deletion() override { return deletion_; }
  WorkerModeRepository& worker_modes() override { return worker_modes_; }
  WriteGroups& groups() override { return *database_; }

 private:
  // In this order: the lock goes last.
  const std::unique_ptr<FileLock> lock_;
  const std::unique_ptr<Database> database_;
  const std::unique_ptr<FileArtifactStore> artifacts_;
  SqlStateRepository states_;
  SqlEventRepository events_;
  SqlIdentityRepository identities_;
  SqlDeletionRepository deletion_;
  SqlWorkerModeRepository worker_modes_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Storage>> OpenStorage(const std::string& folder,
                                                     const StorageOptions& options) {
  QL_RETURN_IF_ERROR(MakeDirectories(folder));
  QL_ASSIGN_OR_RETURN(auto lock, LockDataFolder(folder));
  QL_RETURN_IF_ERROR(CheckNotRestoring(folder + kDatabase));
  QL_ASSIGN_OR_RETURN(auto database, OpenSqliteDatabase(folder + kDatabase, options.database));
  QL_ASSIGN_OR_RETURN(auto artifacts, FileArtifactStore::Open(folder + kArtifacts, options.artifacts));
  return std::unique_ptr<Storage>(
      std::make_unique<FolderStorage>(folder, std::move(lock), std::move(database), std::move(artifacts)));
}

absl::Status BackUpStorage(const std::string& folder, const std::string& to) {
  return BackUpSqlite(folder + kDatabase, to);
}

absl::Status RestoreStorage(const std::string& file, const std::string& folder) {
  QL_RETURN_IF_ERROR(MakeDirectories(folder));
  QL_ASSIGN_OR_RETURN(const auto lock, LockDataFolder(folder));
  QL_RETURN_IF_ERROR(RestoreSqlite(file, folder + kDatabase, Clock::Real().Now()));
  return Annotate(KeepForNow(folder + kArtifacts), "the database is restored; run it again for the files");
}

}  // namespace quantlab
