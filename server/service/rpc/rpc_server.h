// The gRPC server: the services, health, and optionally reflection. Beyond this machine it speaks TLS 1.3
// only.
#ifndef QUANTLAB_SERVER_SERVICE_RPC_RPC_SERVER_H_
#define QUANTLAB_SERVER_SERVICE_RPC_RPC_SERVER_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/service/rpc/listen.h"

namespace quantlab {

// PEM files. They are read again once a second, so that replaced ones serve the connections that follow.
struct TlsFiles {
  std::string certificate;  // with the chain, up to the authority
  std::string key;
  std::string
      client_ca;  // asks clients for certificates of this authority, which they may omit; empty: does not
};

struct RpcServerOptions {
  Address address;
  bool reflection = false;
  // Of `address`; needed unless it is local.
  std::optional<TlsFiles> tls = std::nullopt;
  // Listened on as well, for this machine: a Unix socket.
  std::optional<Address> local = std::nullopt;
};

// The certificate's chain, as the file has it now.
// Errors: INVALID_ARGUMENT or PERMISSION_DENIED, naming the file: unreadable, expired, the key does not
// belong to it, or others may read the key.
absl::StatusOr<std::string> CheckTlsFiles(const TlsFiles& files);

// Threads: Shutdown may be called from any thread, once.
class RpcServer {
 public:
  // Serves until Shutdown. Borrows the services.
  // Errors: FAILED_PRECONDITION or UNAVAILABLE the address is not available; those of CheckTlsFiles.
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

#endif  // QUANTLAB_SERVER_SERVICE_RPC_RPC_SERVER_H_
