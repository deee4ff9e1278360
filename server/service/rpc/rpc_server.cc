#include "server/service/rpc/rpc_server.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <sys/stat.h>
#include <unistd.h>

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/impl/server_builder_plugin.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "security/certificates.h"
#include "security/secret_file.h"
#include "security/tls_policy.h"

namespace quantlab {
namespace {

// A dataset of a hundred thousand uploaded files is listed file by file.
constexpr int kMaxReceiveBytes = 64 << 20;
constexpr int64_t kMaxPemBytes = 1 << 20;
constexpr int kReloadSeconds = 1;
// Of gRPC's buffers, for all connections together.
constexpr size_t kMostMemory = size_t{2} << 30;

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

// For connections from other machines: what a stranger can hold open is bounded.
void ConfigureForStrangers(grpc::ServerBuilder& builder) {
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 2);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 1000);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 600'000);
  grpc::ResourceQuota quota("quantlab");
  quota.Resize(kMostMemory);
  builder.SetResourceQuota(quota);
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeCredentials(const RpcServerOptions& options) {
  if (!options.tls) {
    if (options.address.is_local()) return grpc::InsecureServerCredentials();
    return absl::FailedPreconditionError(absl::StrCat(
        options.address.ToString(), " is beyond this machine, which needs --tls-cert and --tls-key"));
  }
  const TlsFiles& files = *options.tls;
  QL_RETURN_IF_ERROR(RequireTls13());
  QL_RETURN_IF_ERROR(CheckTlsFiles(files).status());
  auto provider = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      files.key, files.certificate, files.client_ca, kReloadSeconds);
  grpc::experimental::TlsServerCredentialsOptions tls(provider);
  tls.set_identity_cert_name("server");
  tls.watch_identity_key_cert_pairs();
  if (!files.client_ca.empty()) {
    tls.set_root_cert_name("clients");
    tls.watch_root_certs();
    tls.set_cert_request_type(GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return grpc::experimental::TlsServerCredentials(tls);
}

absl::Status CannotListen(const Address& address) {
  return absl::UnavailableError(
      absl::StrCat("cannot listen on ", address.ToString(),
                   address.is_socket() ? "; can its folder be written to?"
                                       : "; another process may have the port, choose one with --listen"));
}

}  // namespace

RpcServer::RpcServer(std::unique_ptr<grpc::Server> server, Address address)
    : server_(std::move(server)), address_(std::move(address)) {}

RpcServer::~RpcServer() {
  Shutdown(absl::ZeroDuration());
}

absl::StatusOr<std::string> CheckTlsFiles(const TlsFiles& files) {
  QL_RETURN_IF_ERROR(CheckSecretFile(files.key));
  QL_ASSIGN_OR_RETURN(const std::string key, ReadFile(files.key, kMaxPemBytes));
  QL_ASSIGN_OR_RETURN(std::string certificate, ReadFile(files.certificate, kMaxPemBytes));
  QL_RETURN_IF_ERROR(Annotate(CheckKeyAndCertificate(key, certificate),
                              absl::StrCat(files.certificate, " and ", files.key)));
  if (files.client_ca.empty()) return certificate;
  QL_ASSIGN_OR_RETURN(const std::string client_ca, ReadFile(files.client_ca, kMaxPemBytes));
  QL_RETURN_IF_ERROR(Annotate(LastFingerprint(client_ca).status(), files.client_ca));
  return certificate;
}

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(const std::vector<grpc::Service*>& services,
                                                            const RpcServerOptions& options) {
  const bool is_socket = options.address.is_socket();
  if (is_socket) QL_RETURN_IF_ERROR(PrepareSocket(options.address.socket));
  if (options.local) QL_RETURN_IF_ERROR(PrepareSocket(options.local->socket));
  QL_ASSIGN_OR_RETURN(const auto credentials, MakeCredentials(options));
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  if (!options.reflection) builder.SetOption(std::make_unique<WithoutReflection>());
  Configure(builder);
  if (options.tls) ConfigureForStrangers(builder);
  int port = 0, local_port = 1;
  Address address = options.address;
  builder.AddListeningPort(address.ToGrpcTarget(), credentials, &port);
  if (options.local)
    builder.AddListeningPort(options.local->ToGrpcTarget(), grpc::InsecureServerCredentials(), &local_port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  // No other user may connect, not even between bind and chmod.
  const mode_t before = umask(0177);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  umask(before);
  if (server == nullptr || port <= 0 || local_port <= 0)
    return CannotListen(port <= 0 ? address : *options.local);
  for (const std::string& socket : {options.address.socket, options.local ? options.local->socket : ""}) {
    if (!socket.empty() && chmod(socket.c_str(), 0600) != 0)
      return absl::ErrnoToStatus(errno, "cannot protect the socket");
  }
  if (!is_socket) address.port = port;
  return std::unique_ptr<RpcServer>(new RpcServer(std::move(server), std::move(address)));
}

void RpcServer::Shutdown(absl::Duration grace) {
  server_->GetHealthCheckService()->Shutdown();
  server_->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(grace));
  server_->Wait();
}

}  // namespace quantlab
