#include "server/service/access/access.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/messages/access.h"
#include "base/messages/message_catalogue.h"
#include "base/records/error_reason.h"
#include "base/status_macros.h"
#include "security/token.h"

namespace quantlab {
namespace {

constexpr char kAuthorization[] = "authorization";  // RFC 6750
constexpr char kBearer[] = "Bearer ";
constexpr char kTransportProperty[] = "transport_security_type";
constexpr char kJoinMethod[] = "JoinWorker";

std::string ToString(const grpc::string_ref& text) {
  return {text.data(), text.size()};
}

bool IsTls(const grpc::AuthContext& context) {
  for (const grpc::string_ref& kind : context.FindPropertyValues(kTransportProperty)) {
    if (kind == "tls" || kind == "ssl") return true;
  }
  return false;
}

// The names of a client certificate that TLS has verified; none without one.
std::vector<std::string> CertificateNames(const grpc::AuthContext& context) {
  std::vector<std::string> names;
  if (!context.IsPeerAuthenticated()) return names;
  for (const char* property : {GRPC_X509_CN_PROPERTY_NAME, GRPC_PEER_DNS_PROPERTY_NAME}) {
    for (const grpc::string_ref& name : context.FindPropertyValues(property)) names.push_back(ToString(name));
  }
  return names;
}

absl::Status Denied(const Message& message, absl::string_view reason) {
  return WithReason(MessageStatus(absl::StatusCode::kPermissionDenied, message), reason);
}

absl::Status TokenMissing() {
  return WithReason(MessageStatus(absl::StatusCode::kUnauthenticated, messages::kTokenMissing()),
                    "TOKEN_MISSING");
}

absl::StatusOr<IdentityRecord> ByHeader(const IdentityDirectory& identities, const grpc::string_ref& header) {
  const std::string value = ToString(header);
  if (!absl::StartsWith(value, kBearer)) return TokenMissing();
  return identities.FindByToken(value.substr(sizeof(kBearer) - 1));
}

}  // namespace

absl::StatusOr<Caller> Access::Identify(const grpc::ServerContextBase& context) const {
  const auto& metadata = context.client_metadata();
  if (metadata.count(kAuthorization) > 1) return TokenMissing();
  if (const auto header = metadata.find(kAuthorization); header != metadata.end()) {
    QL_ASSIGN_OR_RETURN(IdentityRecord record, ByHeader(*identities_, header->second));
    return Caller{std::move(record)};
  }
  const std::shared_ptr<const grpc::AuthContext> security = context.auth_context();
  if (security != nullptr && IsTls(*security)) {
    const std::vector<std::string> names = CertificateNames(*security);
    if (names.empty()) return TokenMissing();
    QL_ASSIGN_OR_RETURN(IdentityRecord record, identities_->FindByCertificate(names));
    return Caller{std::move(record)};
  }
  const bool is_socket = absl::StartsWith(context.peer(), "unix:");
  if (require_auth_ && !is_socket) return TokenMissing();
  return Caller{};
}

absl::StatusOr<Admission> Access::Admit(const grpc::ServerContextBase& context, const std::string& method,
                                        Caller* caller) {
  QL_ASSIGN_OR_RETURN(*caller, Identify(context));
  const AccessRule* rule = FindAccessRule(method);
  if (rule == nullptr) return absl::InternalError(absl::StrCat(method, " has no rule of access"));
  Admission admission{*caller, Grant::kYes, rule->lane, nullptr};
  if (!caller->identity) return admission;
  const IdentityRecord& identity = *caller->identity;
  QL_RETURN_IF_ERROR(limits_->CountRequest(identity.name));
  admission.grant = rule->For(identity.role);
  if (admission.grant == Grant::kNo)
    return Denied(messages::kRoleMayNot(identity.name, RoleName(identity.role), method), "ROLE_MAY_NOT");
  if (identity.joins && method != kJoinMethod)
    return Denied(messages::kTokenJoinsOnly(identity.name), "TOKEN_JOINS_ONLY");
  if (rule->stream) {
    QL_ASSIGN_OR_RETURN(admission.open_call, limits_->OpenCall(identity.name));
  }
  return admission;
}

void Access::Audit(AuditEntry entry, const Caller& caller, const absl::Status& status) const {
  if (audit_ == nullptr) return;
  const bool refused = absl::IsPermissionDenied(status) || absl::IsUnauthenticated(status);
  const AccessRule* rule = FindAccessRule(entry.method);
  if (!refused && (rule == nullptr || !rule->audited)) return;
  if (caller.identity) {
    entry.role = RoleName(caller.identity->role);
  } else if (!absl::IsUnauthenticated(status)) {
    entry.caller = "local";
    entry.role = "local";
  }
  audit_->Write(entry, status);
}

}  // namespace quantlab
