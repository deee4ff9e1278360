// WorkerService, the RPCs of workers. Waiting calls of Sync use no thread.
#ifndef QUANTLAB_SERVER_SERVICE_WORKER_SERVICE_H_
#define QUANTLAB_SERVER_SERVICE_WORKER_SERVICE_H_

#include "quantlab/v1/worker.grpc.pb.h"
#include "server/core/coordinator.h"
#include "server/service/rpc.h"

namespace quantlab {

// Borrows the coordinator and what the environment names. Threads: safe.
class WorkerService final : public v1::WorkerService::CallbackService {
 public:
  WorkerService(const RpcEnvironment& rpc, Coordinator* coordinator) : rpc_(rpc), coordinator_(coordinator) {}

  grpc::ServerUnaryReactor* Sync(grpc::CallbackServerContext* context, const v1::SyncRequest* request,
                                 v1::SyncResponse* response) override;
  grpc::ServerUnaryReactor* ReportEvents(grpc::CallbackServerContext* context,
                                         const v1::ReportEventsRequest* request,
                                         v1::ReportEventsResponse* response) override;
  grpc::ServerUnaryReactor* FinishAttempt(grpc::CallbackServerContext* context,
                                          const v1::FinishAttemptRequest* request,
                                          v1::FinishAttemptResponse* response) override;
  grpc::ServerUnaryReactor* ListWorkers(grpc::CallbackServerContext* context,
                                        const v1::ListWorkersRequest* request,
                                        v1::ListWorkersResponse* response) override;
  grpc::ServerUnaryReactor* SetWorkerMode(grpc::CallbackServerContext* context,
                                          const v1::SetWorkerModeRequest* request,
                                          v1::WorkerStatus* response) override;

 private:
  const RpcEnvironment rpc_;
  Coordinator* const coordinator_;
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_WORKER_SERVICE_H_
