#include "security/tls_policy.h"

#include <memory>

#include <openssl/conf.h>
#include <openssl/ssl.h>

namespace quantlab {
namespace {

// "system_default" is applied to every SSL_CTX when it is made (SSL_CTX_new(3), config(5)). It switches the
// older protocols off; gRPC's own minimum, which it sets later, does not switch them on again.
constexpr char kConfiguration[] =
    "openssl_conf = quantlab\n"
    "[quantlab]\n"
    "ssl_conf = contexts\n"
    "[contexts]\n"
    "system_default = tls13\n"
    "[tls13]\n"
    "Protocol = -ALL,TLSv1.3\n";

absl::Status Load() {
  OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> text(BIO_new_mem_buf(kConfiguration, -1), BIO_free_all);
  const std::unique_ptr<CONF, decltype(&NCONF_free)> configuration(NCONF_new(nullptr), NCONF_free);
  long line = 0;  // NOLINT(runtime/int): as OpenSSL has it
  if (text == nullptr || configuration == nullptr ||
      NCONF_load_bio(configuration.get(), text.get(), &line) != 1 ||
      CONF_modules_load(configuration.get(), nullptr, 0) != 1) {
    return absl::InternalError("OpenSSL refuses to be limited to TLS 1.3");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RequireTls13() {
  static const auto* const result = new absl::Status(Load());
  return *result;
}

}  // namespace quantlab
