// ArtifactService: uploads and downloads files in chunks.
#ifndef QUANTLAB_SERVER_SERVICE_ARTIFACT_SERVICE_H_
#define QUANTLAB_SERVER_SERVICE_ARTIFACT_SERVICE_H_

#include "base/repositories.h"
#include "quantlab/v1/artifact.grpc.pb.h"
#include "server/service/rpc.h"
#include "server/service/transfers.h"

namespace quantlab {

// Transfers are few and long and mostly wait for the disk, so each has a thread of gRPC; beyond kMaxTransfers
// they are refused with UNAVAILABLE, and clients retry. Idle ones are cancelled then (transfers.h).
// Borrows the store and what the environment names. Threads: safe.
class ArtifactService final : public v1::ArtifactService::Service {
 public:
  static constexpr int kMaxTransfers = 64;

  ArtifactService(const RpcEnvironment& rpc, ArtifactStore* store)
      : rpc_(rpc), store_(store), transfers_(kMaxTransfers, *rpc.clock) {}

  grpc::Status StatArtifacts(grpc::ServerContext* context, const v1::StatArtifactsRequest* request,
                             v1::StatArtifactsResponse* response) override;
  grpc::Status UploadArtifact(grpc::ServerContext* context,
                              grpc::ServerReader<v1::UploadArtifactRequest>* reader,
                              v1::UploadArtifactResponse* response) override;
  grpc::Status DownloadArtifact(grpc::ServerContext* context, const v1::DownloadArtifactRequest* request,
                                grpc::ServerWriter<v1::DownloadArtifactResponse>* writer) override;

 private:
  absl::Status Upload(grpc::ServerReader<v1::UploadArtifactRequest>* reader, Transfers::Slot& slot,
                      v1::UploadArtifactResponse* response);
  absl::Status Damaged(const std::string& sha256);
  absl::Status Download(const v1::DownloadArtifactRequest& request, Transfers::Slot& slot,
                        grpc::ServerWriter<v1::DownloadArtifactResponse>* writer);

  const RpcEnvironment rpc_;
  ArtifactStore* const store_;
  Transfers transfers_;
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_ARTIFACT_SERVICE_H_
