// The gRPC server: the three services, health, and optionally reflection.
#ifndef QUANTLAB_SERVER_SERVICE_RPC_SERVER_H_
#define QUANTLAB_SERVER_SERVICE_RPC_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/service/listen.h"

namespace quantlab {

struct RpcServerOptions {
  Address address;
  bool reflection = false;
};

// Threads: Shutdown may be called from any thread, once.
class RpcServer {
 public:
  // Serves until Shutdown. Borrows the services.
  // Errors: FAILED_PRECONDITION or UNAVAILABLE the address is not available.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(const std::vector<grpc::Service*>& services,
                                                          const RpcServerOptions& options);
  ~RpcServer();

  // Where clients connect, with the port that was taken.
  const Address& address() const { return address_; }

  // Accepts no new calls, waits up to `grace` for running ones to end, then cancels them.
  void Shutdown(absl::Duration grace);

 private:
  RpcServer(std::unique_ptr<grpc::Server> server, Address address);

  const std::unique_ptr<grpc::Server> server_;
  const Address address_;
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_RPC_SERVER_H_
