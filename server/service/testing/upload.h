// Uploads of small artifacts, for tests.
#ifndef QUANTLAB_SERVER_SERVICE_TESTING_UPLOAD_H_
#define QUANTLAB_SERVER_SERVICE_TESTING_UPLOAD_H_

#include <chrono>
#include <string>

#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"
#include "base/sha256.h"
#include "proto/status_bridge.h"
#include "quantlab/v1/artifact.grpc.pb.h"

namespace quantlab {

// Uploads `content` in one message, waiting at most a minute for the server. An empty token: none is sent.
inline absl::Status UploadContent(v1::ArtifactService::Stub& artifacts, const std::string& content,
                                  const std::string& token = "") {
  grpc::ClientContext context;
  if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
  context.set_wait_for_ready(true);
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  v1::UploadArtifactResponse response;
  const auto writer = artifacts.UploadArtifact(&context, &response);
  v1::UploadArtifactRequest request;
  request.set_sha256(Sha256Hex(content));
  request.set_size(static_cast<int64_t>(content.size()));
  request.set_data(content);
  writer->Write(request);
  writer->WritesDone();
  return FromGrpcStatus(writer->Finish());
}

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_TESTING_UPLOAD_H_
