#include "server/service/admin_service.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "base/messages/access.h"
#include "base/messages/message_catalogue.h"
#include "base/records/error_reason.h"
#include "base/status_macros.h"
#include "proto/convert.h"
#include "proto/convert_role.h"
#include "quantlab/v1/admin.grpc.pb.h"

namespace quantlab {
namespace {

constexpr double kShortestSeconds = 60;
constexpr double kLongestSeconds = 315'360'000;
constexpr absl::Duration kStandardLife = absl::Hours(24 * 365);
constexpr size_t kMaxWorkerIdBytes = 64;

v1::Identity IdentityToProto(const IdentityRecord& record) {
  v1::Identity out;
  out.set_name(record.name);
  out.set_role(ToProto(record.role));
  *out.mutable_create_time() = ToProto(record.create_time);
  *out.mutable_expire_time() = ToProto(record.expire_time);
  if (record.revoke_time) *out.mutable_revoke_time() = ToProto(*record.revoke_time);
  out.set_worker_id(record.worker_id);
  out.set_waits_for_join(record.joins);
  return out;
}

absl::StatusOr<absl::Duration> LifetimeOf(double seconds) {
  if (seconds == 0) return kStandardLife;
  if (!(seconds >= kShortestSeconds && seconds <= kLongestSeconds)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "valid_seconds is ", seconds, "; allowed: ", kShortestSeconds, " to ", kLongestSeconds, ", or 0"));
  }
  return absl::Seconds(seconds);
}

class AdminService final : public v1::AdminService::CallbackService {
 public:
  AdminService(const RpcEnvironment& rpc, Coordinator* coordinator, const RemoteAccess* remote)
      : rpc_(rpc), coordinator_(coordinator), remote_(remote) {}

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
  const RemoteAccess* const remote_;
};

}  // namespace

grpc::ServerUnaryReactor* AdminService::CreateIdentity(grpc::CallbackServerContext* context,
                                                       const v1::CreateIdentityRequest* request,
                                                       v1::CreateIdentityResponse* response) {
  return RunUnary(rpc_, context, "CreateIdentity", [=, this](RpcRecord& record) -> absl::Status {
    record.object = request->name();
    QL_ASSIGN_OR_RETURN(const Role role, FromProto(request->role()));
    QL_ASSIGN_OR_RETURN(const absl::Duration lifetime, LifetimeOf(request->valid_seconds()));
    QL_ASSIGN_OR_RETURN(const auto created,
                        rpc_.access->identities().Create(request->name(), role, lifetime));
    *response->mutable_identity() = IdentityToProto(created.record);
    response->set_token(created.token);
    const RemoteAccess::Address remote = remote_->Get();
    response->set_remote_address(remote.address);
    response->set_ca_sha256(remote.ca_sha256);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* AdminService::RevokeIdentity(grpc::CallbackServerContext* context,
                                                       const v1::RevokeIdentityRequest* request,
                                                       v1::Identity* response) {
  return RunUnary(rpc_, context, "RevokeIdentity", [=, this](RpcRecord& record) -> absl::Status {
    record.object = request->name();
    QL_ASSIGN_OR_RETURN(const IdentityRecord revoked, rpc_.access->identities().Revoke(request->name()));
    *response = IdentityToProto(revoked);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* AdminService::ListIdentities(grpc::CallbackServerContext* context,
                                                       const v1::ListIdentitiesRequest*,
                                                       v1::ListIdentitiesResponse* response) {
  return RunUnary(rpc_, context, "ListIdentities", [=, this](RpcRecord&) {
    for (const IdentityRecord& record : rpc_.access->identities().List())
      *response->add_identities() = IdentityToProto(record);
    return absl::OkStatus();
  });
}

// A worker that is connected now, with or without an identity, keeps its id: whoever could take it over would
// hold its attempts.
absl::Status AdminService::CheckNewWorkerId(const std::string& worker_id) {
  if (worker_id.empty() || worker_id.size() > kMaxWorkerIdBytes)
    return absl::InvalidArgumentError(absl::StrCat("worker_id needs 1 to ", kMaxWorkerIdBytes, " bytes"));
  for (const WorkerStatus& status : coordinator_->Workers()) {
    if (status.worker.id != worker_id || (status.state == WorkerState::kGone && !status.attempt)) continue;
    return MessageStatus(absl::StatusCode::kAlreadyExists, messages::kWorkerIdTaken(worker_id));
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* AdminService::JoinWorker(grpc::CallbackServerContext* context,
                                                   const v1::JoinWorkerRequest* request,
                                                   v1::JoinWorkerResponse* response) {
  return RunUnary(rpc_, context, "JoinWorker", [=, this](RpcRecord& record) -> absl::Status {
    const std::optional<IdentityRecord>& caller = record.caller().identity;
    if (!caller || !caller->joins) {
      return WithReason(MessageStatus(absl::StatusCode::kFailedPrecondition, messages::kTokenDoesNotJoin()),
                        "TOKEN_DOES_NOT_JOIN");
    }
    record.object = request->worker_id();
    QL_RETURN_IF_ERROR(CheckNewWorkerId(request->worker_id()));
    QL_ASSIGN_OR_RETURN(const auto exchanged,
                        rpc_.access->identities().Exchange(*caller, request->worker_id()));
    *response->mutable_identity() = IdentityToProto(exchanged.record);
    response->set_token(exchanged.token);
    return absl::OkStatus();
  });
}

std::unique_ptr<grpc::Service> MakeAdminService(const RpcEnvironment& rpc, Coordinator* coordinator,
                                                const RemoteAccess* remote) {
  return std::make_unique<AdminService>(rpc, coordinator, remote);
}

}  // namespace quantlab
