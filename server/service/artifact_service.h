// ArtifactService: uploads and downloads files in chunks.
#ifndef QUANTLAB_SERVER_SERVICE_ARTIFACT_SERVICE_H_
#define QUANTLAB_SERVER_SERVICE_ARTIFACT_SERVICE_H_

#include <map>
#include <set>
#include <string>

#include "base/mutex.h"
#include "base/repositories.h"
#include "quantlab/v1/artifact.grpc.pb.h"
#include "server/core/coordinator.h"
#include "server/service/rpc.h"
#include "server/service/transfers.h"

namespace quantlab {

// Transfers are few and long and mostly wait for the disk, so each has a thread of gRPC; beyond kMaxTransfers
// they are refused with UNAVAILABLE, and clients retry. Idle ones are cancelled then (transfers.h).
// Borrows the store, the coordinator and what the environment names. Threads: safe.
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

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_ARTIFACT_SERVICE_H_
