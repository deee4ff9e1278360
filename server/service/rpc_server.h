// The gRPC server: the three services, health, and reflection where asked for.
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
  ListenAddress address;
  bool reflection = false;
};

// Threads: Shutdown may be called from any thread, once.
class RpcServer {
 public:
  // Serves until Shutdown. Borrows the services.
  // Errors: FAILED_PRECONDITION or UNAVAILABLE the address cannot be had.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(const std::vector<grpc::Service*>& services,
                                                          const RpcServerOptions& options);
  ~RpcServer();

  // "unix:/path" or "127.0.0.1:8500", with the port that was taken: what clients connect to.
  const std::string& target() const { return target_; }

  // Takes no new calls, lets those that run end for up to `grace`, then cancels them.
  void Shutdown(absl::Duration grace);

 private:
  RpcServer(std::unique_ptr<grpc::Server> server, std::string target, std::string socket);

  const std::unique_ptr<grpc::Server> server_;
  const std::string target_;
  const std::string socket_;
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_RPC_SERVER_H_
