// Certificates as PEM texts, and what the rest of the project wants to know of them.
#ifndef QUANTLAB_SECURITY_CERTIFICATES_H_
#define QUANTLAB_SECURITY_CERTIFICATES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace quantlab {

// SHA-256 of the last certificate (as DER) of a PEM text, 64 lower-case hex digits: of the authority, where
// the text is a chain that ends with it. Errors: INVALID_ARGUMENT there is no certificate.
absl::StatusOr<std::string> LastFingerprint(const std::string& pem);

// A fingerprint as people copy it ("AB:CD:…", "sha256:…"), as 64 lower-case hex digits.
// Errors: INVALID_ARGUMENT.
absl::StatusOr<std::string> ParseFingerprint(const std::string& text);

// OK when the key fits the first certificate, and the certificate is valid now.
// Errors: INVALID_ARGUMENT, naming what is wrong.
absl::Status CheckKeyAndCertificate(const std::string& key_pem, const std::string& certificate_pem);

}  // namespace quantlab

#endif  // QUANTLAB_SECURITY_CERTIFICATES_H_
