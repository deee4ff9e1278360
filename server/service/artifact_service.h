// ArtifactService: uploads and downloads files in chunks.
#ifndef QUANTLAB_SERVER_SERVICE_ARTIFACT_SERVICE_H_
#define QUANTLAB_SERVER_SERVICE_ARTIFACT_SERVICE_H_

#include <memory>

#include <grpcpp/impl/service_type.h>

#include "base/records/repositories.h"
#include "server/core/coordinator.h"
#include "server/service/rpc/rpc.h"

namespace quantlab {

// Borrows the store, the coordinator and what the environment names. Threads: safe.
std::unique_ptr<grpc::Service> MakeArtifactService(const RpcEnvironment& rpc, ArtifactStore* store,
                                                   Coordinator* coordinator);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_ARTIFACT_SERVICE_H_
