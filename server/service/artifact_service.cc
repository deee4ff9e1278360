#include "server/service/artifact_service.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/config/run_config.h"
#include "base/messages/access.h"
#include "base/messages/message_catalogue.h"
#include "base/mutex.h"
#include "base/records/error_reason.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "proto/convert.h"
#include "proto/status_bridge.h"
#include "quantlab/v1/artifact.grpc.pb.h"
#include "server/service/transfers.h"

namespace quantlab {
namespace {

constexpr int kMaxStats = 10000;
constexpr int64_t kChunkBytes = 1 << 20;

absl::Status CheckDigest(const std::string& sha256) {
  if (IsSha256Hex(sha256)) return absl::OkStatus();
  return absl::InvalidArgumentError("sha256 must be 64 lower-case hex digits");
}

// Transfers are few and long and mostly wait for the disk, so each has a thread of gRPC; beyond kMaxTransfers
// they are refused with UNAVAILABLE, and clients retry. Idle ones are cancelled then (transfers.h).
class ArtifactService final : public v1::ArtifactService::Service {
 public:
  static constexpr int kMaxTransfers = 64;

  ArtifactService(const RpcEnvironment& rpc, ArtifactStore* store, Coordinator* coordinator)
      : rpc_(rpc), store_(store), coordinator_(coordinator), transfers_(kMaxTransfers, *rpc.clock) {}

  grpc::Status StatArtifacts(grpc::ServerContext* context, const v1::StatArtifactsRequest* request,
                             v1::StatArtifactsResponse* response) override;
  grpc::Status UploadArtifact(grpc::ServerContext* context,
                              grpc::ServerReader<v1::UploadArtifactRequest>* reader,
                              v1::UploadArtifactResponse* response) override;
  grpc::Status DownloadArtifact(grpc::ServerContext* context, const v1::DownloadArtifactRequest* request,
                                grpc::ServerWriter<v1::DownloadArtifactResponse>* writer) override;

 private:
  // The inputs of the run that a worker executes, kept for its next downloads.
  struct Inputs {
    AttemptKey attempt;
    std::set<std::string> digests;
  };

  absl::Status Stat(const v1::StatArtifactsRequest& request, const RpcRecord& record,
                    v1::StatArtifactsResponse* response);
  absl::Status Upload(grpc::ServerReader<v1::UploadArtifactRequest>* reader, RpcRecord& record,
                      Transfers::Slot& slot, v1::UploadArtifactResponse* response);
  // Of a piece that has arrived and is to be stored.
  absl::Status CountUpload(const RpcRecord& record, int64_t bytes);
  absl::Status CheckExecutes(const RpcRecord& record);
  absl::Status CheckAssigned(const RpcRecord& record, const std::string& sha256);
  absl::StatusOr<Inputs> ReadInputs(const std::string& worker_id);
  absl::Status Damaged(const std::string& sha256);
  absl::Status Download(const v1::DownloadArtifactRequest& request, const RpcRecord& record,
                        Transfers::Slot& slot, grpc::ServerWriter<v1::DownloadArtifactResponse>* writer);

  const RpcEnvironment rpc_;
  ArtifactStore* const store_;
  Coordinator* const coordinator_;
  Transfers transfers_;
  Mutex mutex_;
  std::map<std::string, Inputs> inputs_ ABSL_GUARDED_BY(mutex_);  // by worker id
};

}  // namespace

// ---- who may ---------------------------------------------------------------------------------------------

// Workers may ask for artifacts and store them only while they execute a run.
absl::Status ArtifactService::CheckExecutes(const RpcRecord& record) {
  if (record.grant() != Grant::kUpload) return absl::OkStatus();
  const IdentityRecord& identity = *record.caller().identity;
  if (coordinator_->HeldBy(identity.worker_id)) return absl::OkStatus();
  return WithReason(MessageStatus(absl::StatusCode::kAborted, messages::kNoAttemptToUploadFor(identity.name)),
                    "ATTEMPT_FENCED");
}

absl::Status ArtifactService::CountUpload(const RpcRecord& record, int64_t bytes) {
  if (record.grant() != Grant::kUpload && record.grant() != Grant::kQuota) return absl::OkStatus();
  return rpc_.access->limits().CountUpload(record.caller().name(), bytes);
}

absl::StatusOr<ArtifactService::Inputs> ArtifactService::ReadInputs(const std::string& worker_id) {
  QL_ASSIGN_OR_RETURN(const std::optional<Assignment> assignment, coordinator_->AssignmentOf(worker_id));
  Inputs inputs;
  if (!assignment) return inputs;
  inputs.attempt = assignment->attempt;
  QL_ASSIGN_OR_RETURN(const RunConfig config, RunConfigFromJson(assignment->run.config_json));
  for (const AssetRef* asset : {&config.model, &config.dataset.asset}) {
    for (const AssetFile& file : asset->files) inputs.digests.insert(file.sha256);
  }
  for (const AssignmentInput& input : assignment->inputs) {
    for (const Artifact& file : input.files) inputs.digests.insert(file.sha256);
  }
  if (assignment->checkpoint) inputs.digests.insert(assignment->checkpoint->file.sha256);
  return inputs;
}

absl::Status ArtifactService::CheckAssigned(const RpcRecord& record, const std::string& sha256) {
  if (record.grant() != Grant::kAssigned) return absl::OkStatus();
  const IdentityRecord& identity = *record.caller().identity;
  const std::optional<AttemptKey> attempt = coordinator_->HeldBy(identity.worker_id);
  bool known = false, assigned = false;
  {
    MutexLock lock(mutex_);
    const auto cached = inputs_.find(identity.worker_id);
    known = attempt && cached != inputs_.end() && cached->second.attempt == *attempt;
    assigned = known && cached->second.digests.count(sha256) > 0;
  }
  if (attempt && !known) {
    QL_ASSIGN_OR_RETURN(Inputs inputs, ReadInputs(identity.worker_id));
    assigned = inputs.digests.count(sha256) > 0;
    MutexLock lock(mutex_);
    inputs_[identity.worker_id] = std::move(inputs);
  }
  if (assigned) return absl::OkStatus();
  return WithReason(MessageStatus(absl::StatusCode::kPermissionDenied,
                                  messages::kArtifactNotAssigned(sha256, identity.name)),
                    "ARTIFACT_NOT_ASSIGNED");
}

// ---- calls -----------------------------------------------------------------------------------------------

grpc::Status ArtifactService::StatArtifacts(grpc::ServerContext* context,
                                            const v1::StatArtifactsRequest* request,
                                            v1::StatArtifactsResponse* response) {
  RpcRecord record(rpc_, *context, "StatArtifacts");
  record.frequent = true;
  absl::Status status = record.admitted();
  if (status.ok()) status = CallHandler([&] { return Stat(*request, record, response); });
  record.End(status);
  return ToGrpcStatus(status);
}

absl::Status ArtifactService::Stat(const v1::StatArtifactsRequest& request, const RpcRecord& record,
                                   v1::StatArtifactsResponse* response) {
  QL_RETURN_IF_ERROR(CheckExecutes(record));
  if (request.sha256_size() > kMaxStats) {
    return absl::InvalidArgumentError(absl::StrCat(request.sha256_size(), " digests; allowed: ", kMaxStats));
  }
  for (const std::string& sha256 : request.sha256()) {
    QL_RETURN_IF_ERROR(CheckDigest(sha256));
    QL_ASSIGN_OR_RETURN(const ArtifactStore::Stat stat, store_->GetStat(sha256));
    v1::ArtifactStat* out = response->add_artifacts();
    out->set_sha256(sha256);
    out->set_present(stat.present);
    out->set_size(stat.size);
  }
  return absl::OkStatus();
}

grpc::Status ArtifactService::UploadArtifact(grpc::ServerContext* context,
                                             grpc::ServerReader<v1::UploadArtifactRequest>* reader,
                                             v1::UploadArtifactResponse* response) {
  RpcRecord record(rpc_, *context, "UploadArtifact");
  absl::Status status = record.admitted();
  if (status.ok()) status = CheckExecutes(record);
  if (status.ok()) {
    record.EndWithIdentity(*context);
    Transfers::Slot slot(transfers_, [context] { context->TryCancel(); });
    status = slot.status();
    if (status.ok()) status = CallHandler([&] { return Upload(reader, record, slot, response); });
  }
  record.End(status);
  return ToGrpcStatus(status);
}

absl::Status ArtifactService::Upload(grpc::ServerReader<v1::UploadArtifactRequest>* reader, RpcRecord& record,
                                     Transfers::Slot& slot, v1::UploadArtifactResponse* response) {
  v1::UploadArtifactRequest message;
  if (!reader->Read(&message)) {
    QL_RETURN_IF_ERROR(record.CheckActive());
    return absl::InvalidArgumentError("an upload without a message");
  }
  const std::string sha256 = message.sha256();
  const int64_t size = message.size();
  QL_RETURN_IF_ERROR(CheckDigest(sha256));
  record.object = sha256;
  if (size < 0 || message.offset() < 0)
    return absl::InvalidArgumentError("size and offset must not be negative");
  auto writer = store_->OpenWriter(sha256, size, message.offset());
  if (absl::IsAlreadyExists(writer.status())) {  // another upload finished first
    QL_ASSIGN_OR_RETURN(const ArtifactStore::Stat stat, store_->GetStat(sha256));
    response->set_size(stat.size);
    return absl::OkStatus();
  }
  QL_RETURN_IF_ERROR(writer.status());
  do {
    if (static_cast<int64_t>(message.data().size()) > kChunkBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("a chunk of ", message.data().size(), " bytes; allowed: ", kChunkBytes));
    }
    QL_RETURN_IF_ERROR(record.CheckActive());
    QL_RETURN_IF_ERROR(CountUpload(record, static_cast<int64_t>(message.data().size())));
    QL_RETURN_IF_ERROR((*writer)->Append(message.data()));
    rpc_.metrics->OnArtifactBytes(Transfer::kReceived, static_cast<int64_t>(message.data().size()));
    slot.Touch();
  } while (reader->Read(&message));
  // Also when the caller is gone: the received part is kept, and the upload can be resumed.
  QL_ASSIGN_OR_RETURN(const int64_t durable, (*writer)->Close());
  response->set_size(durable);
  return record.CheckActive();
}

grpc::Status ArtifactService::DownloadArtifact(grpc::ServerContext* context,
                                               const v1::DownloadArtifactRequest* request,
                                               grpc::ServerWriter<v1::DownloadArtifactResponse>* writer) {
  RpcRecord record(rpc_, *context, "DownloadArtifact");
  absl::Status status = record.admitted();
  if (status.ok()) status = CheckDigest(request->sha256());
  if (status.ok()) record.object = request->sha256();
  if (status.ok()) status = CallHandler([&] { return CheckAssigned(record, request->sha256()); });
  if (status.ok()) {
    record.EndWithIdentity(*context);
    Transfers::Slot slot(transfers_, [context] { context->TryCancel(); });
    status = slot.status();
    if (status.ok()) status = CallHandler([&] { return Download(*request, record, slot, writer); });
  }
  record.End(status);
  return ToGrpcStatus(status);
}

// Found while it was read, before its last piece was sent.
absl::Status ArtifactService::Damaged(const std::string& sha256) {
  QL_RETURN_IF_ERROR(store_->SetAside(sha256));
  return WithReason(absl::DataLossError(absl::StrCat(
                        "artifact ", sha256,
                        " no longer has its digest and was set aside; retry the run that made it, or submit "
                        "again what uploaded it")),
                    "ARTIFACT_DAMAGED");
}

absl::Status ArtifactService::Download(const v1::DownloadArtifactRequest& request, const RpcRecord& record,
                                       Transfers::Slot& slot,
                                       grpc::ServerWriter<v1::DownloadArtifactResponse>* writer) {
  QL_ASSIGN_OR_RETURN(const auto reader, store_->OpenReader(request.sha256()));
  if (request.offset() < 0 || request.offset() > reader->size()) {
    return absl::OutOfRangeError(
        absl::StrCat("offset is ", request.offset(), "; the file has ", reader->size(), " bytes"));
  }
  v1::DownloadArtifactResponse message;
  message.set_size(reader->size());
  int64_t offset = request.offset();
  Sha256 hash;  // of the whole file; a resumed download is checked by its receiver

  do {
    QL_ASSIGN_OR_RETURN(std::string data, reader->Read(offset, kChunkBytes));
    if (data.empty() && offset < reader->size()) {
      return absl::DataLossError(absl::StrCat("artifact ", request.sha256(), " ends at byte ", offset));
    }
    offset += static_cast<int64_t>(data.size());
    hash.Update(data);
    if (request.offset() == 0 && offset == reader->size() && hash.HexDigest() != request.sha256())
      return Damaged(request.sha256());
    message.set_data(std::move(data));
    QL_RETURN_IF_ERROR(record.CheckActive());
    if (!writer->Write(message)) return WriteFailed(record);
    rpc_.metrics->OnArtifactBytes(Transfer::kSent, static_cast<int64_t>(message.data().size()));
    slot.Touch();
    message.clear_size();
  } while (offset < reader->size());
  return absl::OkStatus();
}

std::unique_ptr<grpc::Service> MakeArtifactService(const RpcEnvironment& rpc, ArtifactStore* store,
                                                   Coordinator* coordinator) {
  return std::make_unique<ArtifactService>(rpc, store, coordinator);
}

}  // namespace quantlab
