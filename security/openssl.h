// OpenSSL's objects with owners. For this folder alone.
#ifndef QUANTLAB_SECURITY_OPENSSL_H_
#define QUANTLAB_SECURITY_OPENSSL_H_

#include <memory>
#include <string>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "absl/strings/string_view.h"
#include "base/sha256.h"

namespace quantlab::openssl {

template <auto kFree>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using BioPtr = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Deleter<X509_free>>;
using ContextPtr = std::unique_ptr<SSL_CTX, Deleter<SSL_CTX_free>>;
using ConnectionPtr = std::unique_ptr<SSL, Deleter<SSL_free>>;

inline BioPtr Reading(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

inline std::string TextOf(BIO* bio) {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

// The next certificate of a PEM text; null at the end.
inline CertificatePtr NextCertificate(BIO* pem) {
  CertificatePtr certificate(PEM_read_bio_X509(pem, nullptr, nullptr, nullptr));
  if (certificate == nullptr) ERR_clear_error();
  return certificate;
}

inline std::string Fingerprint(const X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  if (size <= 0) return "";
  const std::string digest =
      Sha256Hex(absl::string_view(reinterpret_cast<char*>(der), static_cast<size_t>(size)));
  OPENSSL_free(der);
  return digest;
}

}  // namespace quantlab::openssl

#endif  // QUANTLAB_SECURITY_OPENSSL_H_
