// WorkerService, the RPCs of workers. Waiting calls of Sync use no thread.
#ifndef QUANTLAB_SERVER_SERVICE_WORKER_SERVICE_H_
#define QUANTLAB_SERVER_SERVICE_WORKER_SERVICE_H_

#include <memory>

#include <grpcpp/impl/service_type.h>

#include "server/core/coordinator.h"
#include "server/service/rpc/rpc.h"

namespace quantlab {

// Borrows the coordinator and what the environment names. Threads: safe.
std::unique_ptr<grpc::Service> MakeWorkerService(const RpcEnvironment& rpc, Coordinator* coordinator);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_WORKER_SERVICE_H_
