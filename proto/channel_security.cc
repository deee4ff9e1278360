#include "proto/channel_security.h"

#include "base/files.h"
#include "base/messages/access.h"
#include "base/messages/message_catalogue.h"
#include "base/status_macros.h"
#include "security/certificates.h"
#include "security/pinned_authority.h"
#include "security/secret_file.h"

namespace quantlab {
namespace {

constexpr int64_t kMaxPemBytes = 1 << 20;

absl::StatusOr<std::string> ReadAuthority(const Address& address, const SecurityFiles& files,
                                          absl::Duration timeout) {
  if (address.is_socket()) return "";
  if (!files.ca.empty()) {
    QL_ASSIGN_OR_RETURN(std::string pem, ReadFile(files.ca, kMaxPemBytes));
    QL_RETURN_IF_ERROR(Annotate(LastFingerprint(pem).status(), files.ca));
    return pem;
  }
  if (!files.ca_fingerprint.empty()) {
    QL_ASSIGN_OR_RETURN(const std::string fingerprint, ParseFingerprint(files.ca_fingerprint));
    return FetchAuthority(address, fingerprint, timeout);
  }
  if (address.is_local()) return "";
  return MessageStatus(absl::StatusCode::kFailedPrecondition, messages::kAddressNeedsCa(address.ToString()));
}

}  // namespace

absl::StatusOr<ChannelSecurity> LoadSecurity(const Address& address, const SecurityFiles& files,
                                             absl::Duration timeout) {
  ChannelSecurity security;
  if (!files.token.empty()) {
    QL_ASSIGN_OR_RETURN(security.token, ReadTokenFile(files.token));
  }
  if (files.certificate.empty() != files.key.empty())
    return absl::InvalidArgumentError("a client certificate and its key belong together");
  if (!files.certificate.empty()) {
    QL_RETURN_IF_ERROR(CheckSecretFile(files.key));
    QL_ASSIGN_OR_RETURN(security.key, ReadFile(files.key, kMaxPemBytes));
    QL_ASSIGN_OR_RETURN(security.certificate, ReadFile(files.certificate, kMaxPemBytes));
    QL_RETURN_IF_ERROR(
        Annotate(CheckKeyAndCertificate(security.key, security.certificate), files.certificate));
  }
  QL_ASSIGN_OR_RETURN(security.authority, ReadAuthority(address, files, timeout));
  return security;
}

}  // namespace quantlab
