#include "security/certificates.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/messages/access.h"
#include "base/messages/message_catalogue.h"
#include "security/openssl.h"

namespace quantlab {

using openssl::CertificatePtr;

absl::StatusOr<std::string> LastFingerprint(const std::string& pem) {
  const openssl::BioPtr text = openssl::Reading(pem);
  std::string last;
  while (const CertificatePtr certificate = openssl::NextCertificate(text.get()))
    last = openssl::Fingerprint(certificate.get());
  if (last.empty()) return absl::InvalidArgumentError("there is no certificate in PEM form");
  return last;
}

absl::StatusOr<std::string> ParseFingerprint(const std::string& text) {
  absl::string_view rest = text;
  absl::ConsumePrefix(&rest, "sha256:");
  std::string digits;
  for (const char c : rest) {
    if (c != ':') digits.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
  }
  if (!IsSha256Hex(digits))
    return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kFingerprintWrong(text));
  return digits;
}

absl::Status CheckKeyAndCertificate(const std::string& key_pem, const std::string& certificate_pem) {
  const openssl::BioPtr certificate_text = openssl::Reading(certificate_pem);
  const CertificatePtr certificate = openssl::NextCertificate(certificate_text.get());
  if (certificate == nullptr) return absl::InvalidArgumentError("there is no certificate in PEM form");
  const openssl::BioPtr key_text = openssl::Reading(key_pem);
  const openssl::KeyPtr key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (key == nullptr)
    return absl::InvalidArgumentError("there is no private key in PEM form without password");
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError("the private key belongs to another certificate");
  }
  if (X509_cmp_current_time(X509_get0_notAfter(certificate.get())) < 0)
    return absl::InvalidArgumentError("the certificate has expired; run quantctl admin init-ca again");
  return absl::OkStatus();
}

}  // namespace quantlab
