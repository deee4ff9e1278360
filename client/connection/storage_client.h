// Calls of a coordinator's StorageService, with the deadlines and the patience of a Client.
#ifndef QUANTLAB_CLIENT_CONNECTION_STORAGE_CLIENT_H_
#define QUANTLAB_CLIENT_CONNECTION_STORAGE_CLIENT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/connection/client.h"
#include "quantlab/v1/storage.grpc.pb.h"

namespace quantlab::client {

// Borrows the client, over whose options it connects. Threads: safe. Errors: those of Client.
class StorageClient {
 public:
  explicit StorageClient(Client& client);

  // Empty: of all experiments.
  absl::StatusOr<v1::StorageUsage> GetUsage(const std::string& experiment_id);
  // Where a lost answer made the call come twice, the second finds nothing: NOT_FOUND.
  absl::StatusOr<v1::DeleteExperimentResponse> DeleteExperiment(const std::string& id);
  absl::StatusOr<v1::CollectGarbageResponse> CollectGarbage(const v1::CollectGarbageRequest& request);
  // Writes a copy of the coordinator's database to a new file of this user alone, whole or not at all.
  // Errors: ALREADY_EXISTS there is a file of that name; DATA_LOSS what arrived is not what was sent.
  absl::Status BackUpDatabase(const std::string& path);

 private:
  using Stub = v1::StorageService::StubInterface;
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request);

  absl::Status ReceiveBackup(const std::string& part);

  Client& client_;
  const std::unique_ptr<Stub> stub_;
};

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_CONNECTION_STORAGE_CLIENT_H_
