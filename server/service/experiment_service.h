// ExperimentService, the RPCs of users: translates messages and calls the coordinator and the repositories.
#ifndef QUANTLAB_SERVER_SERVICE_EXPERIMENT_SERVICE_H_
#define QUANTLAB_SERVER_SERVICE_EXPERIMENT_SERVICE_H_

#include <memory>
#include <string>

#include <grpcpp/impl/service_type.h>

#include "catalog/catalog.h"
#include "server/core/coordinator.h"
#include "server/service/rpc/rpc.h"

namespace quantlab {

// Everything is borrowed but for the catalogue.
struct ExperimentServiceParts {
  RpcEnvironment rpc;
  Coordinator* coordinator = nullptr;
  StateRepository* state = nullptr;
  EventRepository* events = nullptr;
  ArtifactStore* artifacts = nullptr;
  Catalog catalog;
  std::string version;
};

// Threads: safe.
std::unique_ptr<grpc::Service> MakeExperimentService(ExperimentServiceParts parts);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_EXPERIMENT_SERVICE_H_
