#include "security/pinned_authority.h"

#include <poll.h>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/messages/access.h"
#include "base/messages/message_catalogue.h"
#include "base/status_macros.h"
#include "platform/probe.h"
#include "platform/unique_fd.h"
#include "security/openssl.h"

namespace quantlab {
namespace {

// SSL_connect on a non-blocking socket.
bool Handshake(SSL* connection, int fd, absl::Duration deadline) {
  while (true) {
    const int result = SSL_connect(connection);
    if (result == 1) return true;
    const int wanted = SSL_get_error(connection, result);
    ERR_clear_error();
    if (wanted != SSL_ERROR_WANT_READ && wanted != SSL_ERROR_WANT_WRITE) return false;
    if (!WaitUntilReady(fd, wanted == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline)) return false;
  }
}

}  // namespace

absl::StatusOr<std::string> FetchAuthority(const Address& address, const std::string& fingerprint,
                                           absl::Duration timeout) {
  const absl::Duration deadline = Clock::Real().Monotonic() + timeout;
  QL_ASSIGN_OR_RETURN(const UniqueFd socket, ConnectTo(address, timeout));
  const openssl::ContextPtr context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);  // the fingerprint decides
  const openssl::ConnectionPtr connection(SSL_new(context.get()));
  SSL_set_fd(connection.get(), socket.get());
  SSL_set_tlsext_host_name(connection.get(), address.host.c_str());
  static constexpr unsigned char kHttp2[] = {2, 'h', '2'};
  SSL_set_alpn_protos(connection.get(), kHttp2, sizeof(kHttp2));
  if (!Handshake(connection.get(), socket.get(), deadline)) {
    return absl::UnavailableError(
        absl::StrCat("cannot connect to ", address.ToString(), ": it does not answer with TLS 1.3"));
  }
  STACK_OF(X509)* const chain = SSL_get_peer_cert_chain(connection.get());
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    X509* const certificate = sk_X509_value(chain, i);
    if (openssl::Fingerprint(certificate) != fingerprint) continue;
    const openssl::BioPtr text(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(text.get(), certificate);
    return openssl::TextOf(text.get());
  }
  return MessageStatus(absl::StatusCode::kPermissionDenied,
                       messages::kFingerprintMismatch(address.ToString(), fingerprint));
}

}  // namespace quantlab
