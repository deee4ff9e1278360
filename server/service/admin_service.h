// AdminService: identities that may call the coordinator.
#ifndef QUANTLAB_SERVER_SERVICE_ADMIN_SERVICE_H_
#define QUANTLAB_SERVER_SERVICE_ADMIN_SERVICE_H_

#include <memory>
#include <string>
#include <utility>

#include <grpcpp/impl/service_type.h>

#include "base/mutex.h"
#include "server/core/coordinator.h"
#include "server/service/rpc/rpc.h"

namespace quantlab {

// How other machines reach the coordinator. The port is known only when the server runs; until Set both texts
// are empty, and so they are where other machines cannot. Threads: safe.
class RemoteAccess {
 public:
  struct Address {
    std::string address;
    std::string ca_sha256;
  };

  void Set(Address address) {
    MutexLock lock(mutex_);
    address_ = std::move(address);
  }
  Address Get() const {
    MutexLock lock(mutex_);
    return address_;
  }

 private:
  mutable Mutex mutex_;
  Address address_ ABSL_GUARDED_BY(mutex_);
};

// Borrows the coordinator, `remote` and what the environment names. Threads: safe.
std::unique_ptr<grpc::Service> MakeAdminService(const RpcEnvironment& rpc, Coordinator* coordinator,
                                                const RemoteAccess* remote);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_ADMIN_SERVICE_H_
