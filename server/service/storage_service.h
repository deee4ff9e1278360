// StorageService: what the coordinator stores, and deleting it.
#ifndef QUANTLAB_SERVER_SERVICE_STORAGE_SERVICE_H_
#define QUANTLAB_SERVER_SERVICE_STORAGE_SERVICE_H_

#include <fstream>
#include <functional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "base/repositories.h"
#include "quantlab/v1/storage.grpc.pb.h"
#include "server/service/garbage_collector.h"
#include "server/service/rpc.h"
#include "server/service/transfers.h"

namespace quantlab {

// Where the data are, and how the database is copied to a new file.
struct StorageFolder {
  std::string path;
  std::function<absl::Status(const std::string& to)> back_up;
};

// Most calls run on the pool; the backup is a stream that waits for its reader, on a thread of its own.
using StorageServiceBase = v1::StorageService::WithCallbackMethod_GetStorageUsage<
    v1::StorageService::WithCallbackMethod_DeleteExperiment<
        v1::StorageService::WithCallbackMethod_CollectGarbage<v1::StorageService::Service>>>;

// Borrows what the environment names, the repository and the collector. Threads: safe.
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

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_STORAGE_SERVICE_H_
