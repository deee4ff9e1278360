#include "server/service/storage_service.h"

#include <cmath>
#include <fstream>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "platform/files.h"
#include "proto/status_bridge.h"
#include "quantlab/v1/storage.grpc.pb.h"
#include "server/service/access/ownership.h"
#include "server/service/transfers.h"

namespace quantlab {
namespace {

constexpr double kLongestAgeSeconds = 3650.0 * 86400;
constexpr size_t kChunkBytes = 1 << 20;

// Sends a file, then its size and digest.
absl::Status SendFile(std::ifstream& file, const RpcRecord& record, Transfers::Slot& slot,
                      grpc::ServerWriter<v1::BackUpDatabaseResponse>* writer) {
  std::string chunk(kChunkBytes, '\0');
  Sha256 digest;
  v1::BackUpDatabaseResponse message;
  int64_t size = 0;
  while (file.read(chunk.data(), static_cast<std::streamsize>(chunk.size())), file.gcount() > 0) {
    message.set_data(chunk.data(), static_cast<size_t>(file.gcount()));
    digest.Update(message.data());
    size += file.gcount();
    QL_RETURN_IF_ERROR(record.CheckActive());
    if (!writer->Write(message)) return WriteFailed(record);
    slot.Touch();
  }
  if (file.bad() || !file.eof()) return absl::DataLossError("cannot read the copy of the database");
  message.clear_data();
  message.set_sha256(digest.HexDigest());
  message.set_size(size);
  return writer->Write(message) ? absl::OkStatus() : WriteFailed(record);
}

void Fill(const StoredFiles& files, v1::StoredFiles* out) {
  out->set_files(files.files);
  out->set_bytes(files.bytes);
}

void Fill(const ExperimentStorage& experiment, v1::ExperimentStorage* out) {
  out->set_experiment_id(experiment.id);
  const auto own = [&](ArtifactKind kind) {
    const auto found = experiment.own.find(kind);
    return found == experiment.own.end() ? StoredFiles() : found->second;
  };
  Fill(own(ArtifactKind::kModel), out->mutable_models());
  Fill(own(ArtifactKind::kInput), out->mutable_inputs());
  Fill(own(ArtifactKind::kResult), out->mutable_results());
  Fill(experiment.shared, out->mutable_shared());
  out->set_log_entries(experiment.log_entries);
}

absl::StatusOr<absl::Duration> AgeOf(const v1::CollectGarbageRequest& request) {
  if (!request.has_older_than_seconds()) return GarbageCollector::kStandardAge;
  const double seconds = request.older_than_seconds();
  if (seconds >= 0 && seconds <= kLongestAgeSeconds) return absl::Seconds(seconds);
  return absl::InvalidArgumentError(
      absl::StrCat("older_than_seconds is ", seconds, "; allowed: 0 to ", kLongestAgeSeconds));
}

// Most calls run on the pool; the backup is a stream that waits for its reader, on a thread of its own.
using StorageServiceBase = v1::StorageService::WithCallbackMethod_GetStorageUsage<
    v1::StorageService::WithCallbackMethod_DeleteExperiment<
        v1::StorageService::WithCallbackMethod_CollectGarbage<v1::StorageService::Service>>>;

class StorageService final : public StorageServiceBase {
 public:
  // Sent at the same time; each has a thread of gRPC and a copy of the database.
  static constexpr int kMaxBackups = 4;

  StorageService(const RpcEnvironment& rpc, StateRepository* state, GarbageCollector* garbage,
                 StorageFolder folder)
      : rpc_(rpc),
        state_(state),
        garbage_(garbage),
        folder_(std::move(folder)),
        transfers_(kMaxBackups, *rpc.clock) {}

  grpc::ServerUnaryReactor* GetStorageUsage(grpc::CallbackServerContext* context,
                                            const v1::GetStorageUsageRequest* request,
                                            v1::StorageUsage* response) override;
  grpc::ServerUnaryReactor* DeleteExperiment(grpc::CallbackServerContext* context,
                                             const v1::DeleteExperimentRequest* request,
                                             v1::DeleteExperimentResponse* response) override;
  grpc::ServerUnaryReactor* CollectGarbage(grpc::CallbackServerContext* context,
                                           const v1::CollectGarbageRequest* request,
                                           v1::CollectGarbageResponse* response) override;
  grpc::Status BackUpDatabase(grpc::ServerContext* context, const v1::BackUpDatabaseRequest* request,
                              grpc::ServerWriter<v1::BackUpDatabaseResponse>* writer) override;

 private:
  absl::StatusOr<std::ifstream> CopyDatabase();
  absl::Status SendBackup(grpc::ServerContext* context, const RpcRecord& record,
                          grpc::ServerWriter<v1::BackUpDatabaseResponse>* writer);

  const RpcEnvironment rpc_;
  StateRepository* const state_;
  GarbageCollector* const garbage_;
  const StorageFolder folder_;
  Mutex backup_;  // held while the database is copied
  Transfers transfers_;
};

}  // namespace

grpc::ServerUnaryReactor* StorageService::GetStorageUsage(grpc::CallbackServerContext* context,
                                                          const v1::GetStorageUsageRequest* request,
                                                          v1::StorageUsage* response) {
  return RunUnary(rpc_, context, "GetStorageUsage", [=, this](RpcRecord& record) -> absl::Status {
    record.subject.experiment = request->experiment_id();
    QL_ASSIGN_OR_RETURN(const StorageUsage usage, garbage_->Usage(request->experiment_id()));
    for (const ExperimentStorage& experiment : usage.experiments)
      Fill(experiment, response->add_experiments());
    Fill(usage.artifacts, response->mutable_artifacts());
    Fill(usage.shared, response->mutable_shared());
    Fill(usage.unreferenced, response->mutable_unreferenced());
    Fill(usage.partial, response->mutable_partial());
    Fill(usage.damaged, response->mutable_damaged());
    response->set_database_bytes(usage.database_bytes);
    QL_ASSIGN_OR_RETURN(const int64_t free, FreeBytes(folder_.path));
    response->set_free_bytes(free);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* StorageService::DeleteExperiment(grpc::CallbackServerContext* context,
                                                           const v1::DeleteExperimentRequest* request,
                                                           v1::DeleteExperimentResponse* response) {
  return RunUnary(rpc_, context, "DeleteExperiment", [=, this](RpcRecord& record) -> absl::Status {
    record.subject.experiment = request->id();
    QL_RETURN_IF_ERROR(CheckOwner(record, *state_, request->id()));
    QL_ASSIGN_OR_RETURN(const StorageUsage usage, garbage_->Usage(request->id()));
    QL_ASSIGN_OR_RETURN(const StoredFiles removed, garbage_->Delete(request->id()));
    Fill(removed, response->mutable_removed());
    Fill(usage.experiments.front().shared, response->mutable_kept());
    return absl::OkStatus();
  });
}

grpc::Status StorageService::BackUpDatabase(grpc::ServerContext* context, const v1::BackUpDatabaseRequest*,
                                            grpc::ServerWriter<v1::BackUpDatabaseResponse>* writer) {
  RpcRecord record(rpc_, *context, "BackUpDatabase");
  absl::Status status = record.admitted();
  if (status.ok()) {
    record.EndWithIdentity(*context);
    status = CallHandler([&] { return SendBackup(context, record, writer); });
  }
  record.End(status);
  return ToGrpcStatus(status);
}

// Through a file, so that a slow reader does not hold up the database; and one without a name, so that it
// does not hold up the next backup.
absl::StatusOr<std::ifstream> StorageService::CopyDatabase() {
  const std::string path = folder_.path + "/backup.tmp";
  MutexLock lock(backup_);
  // What a process left behind that was killed.
  QL_RETURN_IF_ERROR(RemoveTree(path));
  const absl::Status status = folder_.back_up(path);
  std::ifstream file(path, std::ios::binary);
  RemoveTree(path).IgnoreError();
  QL_RETURN_IF_ERROR(status);
  return file;
}

absl::Status StorageService::SendBackup(grpc::ServerContext* context, const RpcRecord& record,
                                        grpc::ServerWriter<v1::BackUpDatabaseResponse>* writer) {
  QL_ASSIGN_OR_RETURN(std::ifstream file, CopyDatabase());
  Transfers::Slot slot(transfers_, [context] { context->TryCancel(); });
  QL_RETURN_IF_ERROR(slot.status());
  return SendFile(file, record, slot, writer);
}

grpc::ServerUnaryReactor* StorageService::CollectGarbage(grpc::CallbackServerContext* context,
                                                         const v1::CollectGarbageRequest* request,
                                                         v1::CollectGarbageResponse* response) {
  return RunUnary(rpc_, context, "CollectGarbage", [=, this](RpcRecord& record) -> absl::Status {
    record.object = request->dry_run() ? "dry-run" : "";
    QL_ASSIGN_OR_RETURN(const absl::Duration age, AgeOf(*request));
    QL_ASSIGN_OR_RETURN(const Collected collected, garbage_->Collect(age, request->dry_run()));
    Fill(collected.unreferenced, response->mutable_unreferenced());
    Fill(collected.partial, response->mutable_partial());
    Fill(collected.recent, response->mutable_recent());
    return absl::OkStatus();
  });
}

std::unique_ptr<grpc::Service> MakeStorageService(const RpcEnvironment& rpc, StateRepository* state,
                                                  GarbageCollector* garbage, StorageFolder folder) {
  return std::make_unique<StorageService>(rpc, state, garbage, std::move(folder));
}

}  // namespace quantlab
