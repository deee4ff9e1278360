// StorageService: what the coordinator stores, and deleting it.
#ifndef QUANTLAB_SERVER_SERVICE_STORAGE_SERVICE_H_
#define QUANTLAB_SERVER_SERVICE_STORAGE_SERVICE_H_

#include <functional>
#include <memory>
#include <string>

#include <grpcpp/impl/service_type.h>

#include "absl/status/status.h"
#include "base/records/repositories.h"
#include "server/service/garbage_collector.h"
#include "server/service/rpc/rpc.h"

namespace quantlab {

// Where the data are, and how the database is copied to a new file.
struct StorageFolder {
  std::string path;
  std::function<absl::Status(const std::string& to)> back_up;
};

// Borrows what the environment names, the repository and the collector. Threads: safe.
std::unique_ptr<grpc::Service> MakeStorageService(const RpcEnvironment& rpc, StateRepository* state,
                                                  GarbageCollector* garbage, StorageFolder folder);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_STORAGE_SERVICE_H_
