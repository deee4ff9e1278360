#include "server/service/rpc_server.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <sys/stat.h>
#include <unistd.h>

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/impl/server_builder_plugin.h>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace quantlab {
namespace {

// A dataset of a hundred thousand uploaded files is listed file by file.
constexpr int kMaxReceiveBytes = 64 << 20;

// Reflection's library adds itself to every server of the program; this removes it again.
class WithoutReflection : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->erase(
        std::remove_if(plugins->begin(), plugins->end(),
                       [](const auto& plugin) { return plugin->name() == "proto_server_reflection"; }),
        plugins->end());
  }
};

void Configure(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  // Two servers must not share a port by accident.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Detects peers that vanished during a call; long waits may be kept alive. Not without a call: a client
  // that makes none need not read what arrives, and its next call would find the connection closed.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  // For the artifact service, the only one whose calls have threads of their own.
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MAX_POLLERS, 4);
}

}  // namespace

RpcServer::RpcServer(std::unique_ptr<grpc::Server> server, Address address)
    : server_(std::move(server)), address_(std::move(address)) {}

RpcServer::~RpcServer() {
  Shutdown(absl::ZeroDuration());
}

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(const std::vector<grpc::Service*>& services,
                                                            const RpcServerOptions& options) {
  const bool is_socket = options.address.is_socket();
  if (is_socket) QL_RETURN_IF_ERROR(PrepareSocket(options.address.socket));
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  if (!options.reflection) builder.SetOption(std::make_unique<WithoutReflection>());
  Configure(builder);
  int port = 0;
  Address address = options.address;
  builder.AddListeningPort(address.ToGrpcTarget(), grpc::InsecureServerCredentials(), &port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  // No other user may connect, not even between bind and chmod.
  const mode_t before = umask(0177);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  umask(before);
  if (server == nullptr || port <= 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address.ToString(),
                     is_socket ? "; can its folder be written to?"
                               : "; another process may have the port, choose one with --listen"));
  }
  if (is_socket) {
    if (chmod(options.address.socket.c_str(), 0600) != 0)
      return absl::ErrnoToStatus(errno, "cannot protect the socket");
  } else {
    address.port = port;
  }
  return std::unique_ptr<RpcServer>(new RpcServer(std::move(server), std::move(address)));
}

void RpcServer::Shutdown(absl::Duration grace) {
  server_->GetHealthCheckService()->Shutdown();
  server_->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(grace));
  server_->Wait();
}

}  // namespace quantlab
