// AdminService: identities that may call the coordinator.
#ifndef QUANTLAB_SERVER_SERVICE_ADMIN_SERVICE_H_
#define QUANTLAB_SERVER_SERVICE_ADMIN_SERVICE_H_

#include <string>
#include <utility>

#include "base/mutex.h"
#include "quantlab/v1/admin.grpc.pb.h"
#include "server/core/coordinator.h"
#include "server/service/rpc.h"

namespace quantlab {

// How other machines reach the coordinator; empty where they cannot.
struct RemoteAccess {
  std::string address;
  std::string ca_sha256;
};

// Borrows the coordinator and what the environment names. Threads: safe.
class AdminService final : public v1::AdminService::CallbackService {
 public:
  AdminService(const RpcEnvironment& rpc, Coordinator* coordinator) : rpc_(rpc), coordinator_(coordinator) {}

  // The port is known only when the server runs; earlier calls answer without an address.
  void SetRemoteAccess(RemoteAccess remote) {
    MutexLock lock(mutex_);
    remote_ = std::move(remote);
  }

  grpc::ServerUnaryReactor* CreateIdentity(grpc::CallbackServerContext* context,
                                           const v1::CreateIdentityRequest* request,
                                           v1::CreateIdentityResponse* response) override;
  grpc::ServerUnaryReactor* RevokeIdentity(grpc::CallbackServerContext* context,
                                           const v1::RevokeIdentityRequest* request,
                                           v1::Identity* response) override;
  grpc::ServerUnaryReactor* ListIdentities(grpc::CallbackServerContext* context,
                                           const v1::ListIdentitiesRequest* request,
                                           v1::ListIdentitiesResponse* response) override;
  grpc::ServerUnaryReactor* JoinWorker(grpc::CallbackServerContext* context,
                                       const v1::JoinWorkerRequest* request,
                                       v1::JoinWorkerResponse* response) override;

 private:
  absl::Status CheckNewWorkerId(const std::string& worker_id);

  const RpcEnvironment rpc_;
  Coordinator* const coordinator_;
  Mutex mutex_;
  RemoteAccess remote_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_ADMIN_SERVICE_H_
