// StorageService: what the coordinator stores, and deleting it.
#ifndef QUANTLAB_SERVER_SERVICE_STORAGE_SERVICE_H_
#define QUANTLAB_SERVER_SERVICE_STORAGE_SERVICE_H_

#include <string>

#include "base/repositories.h"
#include "quantlab/v1/storage.grpc.pb.h"
#include "server/service/garbage_collector.h"
#include "server/service/rpc.h"

namespace quantlab {

// Borrows what the environment names, the repository and the collector. `folder` is the store's, whose file
// system's free space is reported. Threads: safe.
class StorageService final : public v1::StorageService::CallbackService {
 public:
  StorageService(const RpcEnvironment& rpc, StateRepository* state, GarbageCollector* garbage,
                 std::string folder)
      : rpc_(rpc), state_(state), garbage_(garbage), folder_(std::move(folder)) {}

  grpc::ServerUnaryReactor* GetStorageUsage(grpc::CallbackServerContext* context,
                                            const v1::GetStorageUsageRequest* request,
                                            v1::StorageUsage* response) override;
  grpc::ServerUnaryReactor* DeleteExperiment(grpc::CallbackServerContext* context,
                                             const v1::DeleteExperimentRequest* request,
                                             v1::DeleteExperimentResponse* response) override;
  grpc::ServerUnaryReactor* CollectGarbage(grpc::CallbackServerContext* context,
                                           const v1::CollectGarbageRequest* request,
                                           v1::CollectGarbageResponse* response) override;

 private:
  const RpcEnvironment rpc_;
  StateRepository* const state_;
  GarbageCollector* const garbage_;
  const std::string folder_;
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_STORAGE_SERVICE_H_
