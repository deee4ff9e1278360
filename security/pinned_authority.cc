#include "security/pinned_authority.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "absl/strings/str_cat.h"
#include "base/message_catalogue.h"
#include "base/messages.h"
#include "base/status_macros.h"
#include "platform/unique_fd.h"
#include "security/openssl.h"

namespace quantlab {
namespace {

absl::Status CannotConnect(const Address& address, absl::string_view why) {
  return absl::UnavailableError(absl::StrCat("cannot connect to ", address.ToString(), ": ", why));
}

// Waits until the connection stands or has failed, and returns errno.
int FinishConnecting(int fd, absl::Duration timeout) {
  pollfd entry{fd, POLLOUT, 0};
  if (poll(&entry, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout))) <= 0) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof(error);
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

// A blocking socket whose reads and writes time out.
absl::StatusOr<UniqueFd> Connect(const Address& address, absl::Duration timeout) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int resolved =
      getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (resolved != 0) return CannotConnect(address, gai_strerror(resolved));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  int error = ENOENT;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    UniqueFd fd(socket(entry->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid()) continue;
    error = connect(fd.get(), entry->ai_addr, entry->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS) error = FinishConnecting(fd.get(), timeout);
    if (error != 0) continue;
    const timeval limit = absl::ToTimeval(timeout);
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    fcntl(fd.get(), F_SETFL, 0);
    return fd;
  }
  return CannotConnect(address, std::strerror(error));
}

}  // namespace

absl::StatusOr<std::string> FetchAuthority(const Address& address, const std::string& fingerprint,
                                           absl::Duration timeout) {
  QL_ASSIGN_OR_RETURN(const UniqueFd socket, Connect(address, timeout));
  const openssl::ContextPtr context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);  // the fingerprint decides
  const openssl::ConnectionPtr connection(SSL_new(context.get()));
  SSL_set_fd(connection.get(), socket.get());
  SSL_set_tlsext_host_name(connection.get(), address.host.c_str());
  static constexpr unsigned char kHttp2[] = {2, 'h', '2'};
  SSL_set_alpn_protos(connection.get(), kHttp2, sizeof(kHttp2));
  if (SSL_connect(connection.get()) != 1) {
    ERR_clear_error();
    return CannotConnect(address, "it does not answer with TLS 1.3");
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
