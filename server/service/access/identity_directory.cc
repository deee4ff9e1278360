#include "server/service/access/identity_directory.h"

#include <utility>

#include "base/messages/access.h"
#include "base/messages/message_catalogue.h"
#include "base/records/error_reason.h"
#include "base/status_macros.h"
#include "security/plain_name.h"
#include "security/token.h"

namespace quantlab {
namespace {

constexpr absl::Duration kJoinTime = absl::Hours(1);

absl::Status Unauthenticated(const Message& message, absl::string_view reason) {
  return WithReason(MessageStatus(absl::StatusCode::kUnauthenticated, message), reason);
}

std::string DateOf(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d", time, absl::UTCTimeZone());
}

}  // namespace

absl::Status IdentityDirectory::Load() {
  QL_ASSIGN_OR_RETURN(std::vector<IdentityRecord> all, repository_->ListIdentities());
  MutexLock lock(mutex_);
  by_name_.clear();
  name_of_token_.clear();
  for (IdentityRecord& record : all) {
    name_of_token_[record.token_sha256] = record.name;
    by_name_[record.name] = std::move(record);
  }
  return absl::OkStatus();
}

absl::StatusOr<IdentityRecord> IdentityDirectory::Checked(const IdentityRecord& record) const {
  if (record.revoke_time) return Unauthenticated(messages::kTokenRevoked(record.name), "TOKEN_REVOKED");
  if (clock_->Now() >= record.expire_time) {
    return Unauthenticated(messages::kTokenExpired(record.name, DateOf(record.expire_time)), "TOKEN_EXPIRED");
  }
  return record;
}

absl::StatusOr<IdentityRecord> IdentityDirectory::FindByDigest(const std::string& token_sha256) const {
  MutexLock lock(mutex_);
  const auto name = name_of_token_.find(token_sha256);
  if (name == name_of_token_.end()) return Unauthenticated(messages::kTokenUnknown(), "TOKEN_UNKNOWN");
  return Checked(by_name_.at(name->second));
}

absl::StatusOr<IdentityRecord> IdentityDirectory::FindByToken(const std::string& token) const {
  return FindByDigest(TokenDigest(token));
}

absl::Status IdentityDirectory::CheckActive(const IdentityRecord& caller) const {
  return FindByDigest(caller.token_sha256).status();
}

absl::StatusOr<IdentityRecord> IdentityDirectory::FindByCertificate(
    const std::vector<std::string>& names) const {
  MutexLock lock(mutex_);
  for (const std::string& name : names) {
    const auto found = by_name_.find(name);
    if (found == by_name_.end() || !found->second.Active(clock_->Now())) continue;
    return found->second;
  }
  return Unauthenticated(messages::kCertificateUnknown(names.empty() ? "" : names[0]), "CERTIFICATE_UNKNOWN");
}

absl::StatusOr<IdentityRecord> IdentityDirectory::Get(const std::string& name) const {
  MutexLock lock(mutex_);
  const auto found = by_name_.find(name);
  if (found == by_name_.end())
    return MessageStatus(absl::StatusCode::kNotFound, messages::kNoSuchIdentity(name));
  return found->second;
}

absl::StatusOr<IdentityDirectory::Created> IdentityDirectory::Create(const std::string& name, Role role,
                                                                     absl::Duration lifetime) {
  if (!IsPlainName(name))
    return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kIdentityNameWrong(name));
  Created created{{}, NewToken()};
  IdentityRecord& record = created.record;
  record.name = name;
  record.role = role;
  record.token_sha256 = TokenDigest(created.token);
  record.joins = role == Role::kWorker;
  record.create_time = clock_->Now();
  record.expire_time = record.create_time + (record.joins ? kJoinTime : lifetime);
  record.lifetime = lifetime;
  MutexLock changing(changing_);
  QL_RETURN_IF_ERROR(repository_->CreateIdentity(record));
  QL_RETURN_IF_ERROR(Load());
  return created;
}

absl::StatusOr<IdentityRecord> IdentityDirectory::Revoke(const std::string& name) {
  MutexLock changing(changing_);
  QL_RETURN_IF_ERROR(repository_->RevokeIdentity(name, clock_->Now()));
  QL_RETURN_IF_ERROR(Load());
  return Get(name);
}

absl::StatusOr<IdentityDirectory::Created> IdentityDirectory::Exchange(const IdentityRecord& caller,
                                                                       const std::string& worker_id) {
  const std::string token = NewToken();
  const absl::Time now = clock_->Now();
  MutexLock changing(changing_);
  QL_RETURN_IF_ERROR(repository_->ReplaceToken(caller.token_sha256, TokenDigest(token), worker_id, now,
                                               now + caller.lifetime));
  QL_RETURN_IF_ERROR(Load());
  QL_ASSIGN_OR_RETURN(IdentityRecord record, Get(caller.name));
  return Created{std::move(record), token};
}

std::vector<IdentityRecord> IdentityDirectory::List() const {
  MutexLock lock(mutex_);
  std::vector<IdentityRecord> all;
  for (const auto& [name, record] : by_name_) all.push_back(record);
  return all;
}

}  // namespace quantlab
