#include "security/authority.h"

#include <arpa/inet.h>
#include <sys/stat.h>
#include <utility>

#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "security/certificates.h"
#include "security/openssl.h"
#include "security/plain_name.h"
#include "security/secret_file.h"

namespace quantlab {
namespace {

using openssl::CertificatePtr;
using openssl::KeyPtr;

constexpr absl::Duration kAuthorityLife = absl::Hours(24 * 3650);
// The longest that common clients accept of server certificates.
constexpr absl::Duration kCertificateLife = absl::Hours(24 * 397);
// Clocks of other machines may be behind.
constexpr absl::Duration kClockSkew = absl::Hours(1);
constexpr int64_t kMaxPem = 1 << 20;

struct Signed {
  CertificatePtr certificate;
  KeyPtr key;
};

absl::Status Failed() {
  char text[256];
  ERR_error_string_n(ERR_get_error(), text, sizeof(text));
  ERR_clear_error();
  return absl::InternalError(absl::StrCat("OpenSSL could not make a certificate: ", text));
}

bool SetExtension(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
  if (extension == nullptr) return false;
  const bool added = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

bool SetSerial(X509* certificate) {
  unsigned char bytes[16];
  if (RAND_bytes(bytes, sizeof(bytes)) != 1) return false;
  bytes[0] &= 0x7f;  // positive
  BIGNUM* number = BN_bin2bn(bytes, sizeof(bytes), nullptr);
  const bool set =
      number != nullptr && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  return set;
}

bool SetName(X509* certificate, const std::string& common_name) {
  return X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(common_name.data()),
                                    static_cast<int>(common_name.size()), -1, 0) == 1;
}

bool SetTimes(X509* certificate, absl::Time now, absl::Duration life) {
  return ASN1_TIME_set(X509_getm_notBefore(certificate), absl::ToTimeT(now - kClockSkew)) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), absl::ToTimeT(now + life)) != nullptr;
}

// What differs between kinds of certificates; values as in openssl's x509v3_config(5).
struct Kind {
  std::string common_name;
  absl::Duration life;
  std::vector<std::pair<int, std::string>> extensions;
};

// Signed by `issuer`; by itself where that is null.
absl::StatusOr<Signed> Sign(const Kind& kind, const Signed* issuer, absl::Time now) {
  Signed made{CertificatePtr(X509_new()), KeyPtr(EVP_EC_gen("P-256"))};
  X509* certificate = made.certificate.get();
  if (certificate == nullptr || made.key == nullptr) return Failed();
  const Signed& signer = issuer != nullptr ? *issuer : made;
  bool ok = X509_set_version(certificate, X509_VERSION_3) == 1 && SetSerial(certificate) &&
            SetName(certificate, kind.common_name) && SetTimes(certificate, now, kind.life) &&
            X509_set_issuer_name(certificate, X509_get_subject_name(signer.certificate.get())) == 1 &&
            X509_set_pubkey(certificate, made.key.get()) == 1;
  for (const auto& [id, value] : kind.extensions)
    ok = ok && SetExtension(certificate, signer.certificate.get(), id, value);
  if (!ok || X509_sign(certificate, signer.key.get(), EVP_sha256()) <= 0) return Failed();
  return made;
}

std::string PemOf(X509* certificate) {
  const openssl::BioPtr text(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(text.get(), certificate);
  return openssl::TextOf(text.get());
}

std::string PemOf(EVP_PKEY* key) {
  const openssl::BioPtr text(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(text.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return openssl::TextOf(text.get());
}

absl::StatusOr<Signed> LoadAuthority(const std::string& folder) {
  QL_RETURN_IF_ERROR(CheckSecretFile(folder + "/ca.key"));
  QL_ASSIGN_OR_RETURN(const std::string key, ReadFile(folder + "/ca.key", kMaxPem));
  QL_ASSIGN_OR_RETURN(const std::string certificate, ReadFile(folder + "/ca.crt", kMaxPem));
  QL_RETURN_IF_ERROR(Annotate(CheckKeyAndCertificate(key, certificate), folder + "/ca.crt"));
  const openssl::BioPtr certificate_text = openssl::Reading(certificate);
  const openssl::BioPtr key_text = openssl::Reading(key);
  return Signed{openssl::NextCertificate(certificate_text.get()),
                KeyPtr(PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr))};
}

absl::StatusOr<Signed> MakeAuthority(const AuthorityOptions& options) {
  const Kind kind{"Quantlab certificate authority",
                  kAuthorityLife,
                  {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                   {NID_key_usage, "critical,keyCertSign,cRLSign"},
                   {NID_subject_key_identifier, "hash"}}};
  QL_ASSIGN_OR_RETURN(Signed authority, Sign(kind, nullptr, options.now));
  QL_RETURN_IF_ERROR(WriteSecretFile(options.folder + "/ca.key", PemOf(authority.key.get())));
  QL_RETURN_IF_ERROR(WriteFileAtomically(options.folder + "/ca.crt", PemOf(authority.certificate.get())));
  return authority;
}

bool IsIpAddress(const std::string& host) {
  in6_addr ignored;
  return inet_pton(AF_INET, host.c_str(), &ignored) == 1 || inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

// Letters, digits, '.', '-' and '_': nothing that OpenSSL's text form of extensions would read as syntax.
// Whether a file is called so; a link to nothing counts.
bool Exists(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0;
}

// Makes the authority where neither of its files exists. With only one of them, a new authority would end the
// trust of all who have its certificate.
absl::StatusOr<Signed> OpenAuthority(const AuthorityOptions& options) {
  const std::string key = options.folder + "/ca.key", certificate = options.folder + "/ca.crt";
  const bool has_key = Exists(key), has_certificate = Exists(certificate);
  if (has_key && has_certificate) return LoadAuthority(options.folder);
  if (!has_key && !has_certificate) return MakeAuthority(options);
  return absl::InvalidArgumentError(
      absl::StrCat(has_key ? certificate : key, " is missing beside ", has_key ? key : certificate,
                   "; restore it, or remove the other file for a new authority, which everyone must then be "
                   "given again"));
}

absl::Status CheckClientName(const std::string& name) {
  if (!IsPlainName(name))
    return absl::InvalidArgumentError(absl::StrCat("'", name, "' is not allowed as the name of an identity"));
  if (name == "ca" || name == "server")
    return absl::InvalidArgumentError(absl::StrCat("a client certificate cannot be called '", name,
                                                   "': ", name, ".crt and ", name,
                                                   ".key have another purpose; choose another name"));
  return absl::OkStatus();
}

absl::StatusOr<std::string> AlternativeNames(const std::vector<std::string>& hosts) {
  std::vector<std::string> names;
  for (const std::string& host : hosts) {
    const bool is_ip = IsIpAddress(host);
    if (!is_ip && !IsPlainName(host)) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", host, "' is neither a host name of at most 64 characters nor an IP address"));
    }
    names.push_back(absl::StrCat(is_ip ? "IP:" : "DNS:", host));
  }
  return absl::StrJoin(names, ",");
}

absl::Status WritePair(const std::string& stem, const Signed& pair, const std::string& chain) {
  QL_RETURN_IF_ERROR(ReplaceSecretFile(stem + ".key", PemOf(pair.key.get())));
  return WriteFileAtomically(stem + ".crt", PemOf(pair.certificate.get()) + chain);
}

}  // namespace

absl::StatusOr<std::string> InitAuthority(const AuthorityOptions& options) {
  QL_ASSIGN_OR_RETURN(const std::string names, AlternativeNames(options.hosts));
  for (const std::string& client : options.clients) QL_RETURN_IF_ERROR(CheckClientName(client));
  QL_RETURN_IF_ERROR(MakeDirectories(options.folder));
  QL_ASSIGN_OR_RETURN(const Signed authority, OpenAuthority(options));
  if (!options.hosts.empty()) {
    const Kind kind{options.hosts[0],
                    kCertificateLife,
                    {{NID_basic_constraints, "critical,CA:FALSE"},
                     {NID_key_usage, "critical,digitalSignature"},
                     {NID_ext_key_usage, "serverAuth"},
                     {NID_subject_alt_name, names}}};
    QL_ASSIGN_OR_RETURN(const Signed server, Sign(kind, &authority, options.now));
    // The chain goes to its end, so that a client that knows the authority's fingerprint finds it there.
    QL_RETURN_IF_ERROR(WritePair(options.folder + "/server", server, PemOf(authority.certificate.get())));
  }
  for (const std::string& client : options.clients) {
    const Kind kind{client,
                    kCertificateLife,
                    {{NID_basic_constraints, "critical,CA:FALSE"},
                     {NID_key_usage, "critical,digitalSignature"},
                     {NID_ext_key_usage, "clientAuth"}}};
    QL_ASSIGN_OR_RETURN(const Signed made, Sign(kind, &authority, options.now));
    QL_RETURN_IF_ERROR(WritePair(absl::StrCat(options.folder, "/", client), made, ""));
  }
  return openssl::Fingerprint(authority.certificate.get());
}

}  // namespace quantlab
