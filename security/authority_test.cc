#include "security/authority.h"

#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/files.h"
#include "base/testing/temp_folder.h"
#include "openssl/x509v3.h"
#include "security/certificates.h"
#include "security/openssl.h"
#include "security/tls_policy.h"

namespace quantlab {
namespace {

std::string Content(const std::string& path) {
  return *ReadFile(path, 1 << 20);
}

openssl::CertificatePtr Leaf(const std::string& path) {
  const std::string pem = Content(path);
  const openssl::BioPtr text = openssl::Reading(pem);
  return openssl::NextCertificate(text.get());
}

// Whether a TLS client or server that trusts only `authority` accepts the certificate for `purpose` today.
bool Accepts(const std::string& authority, const std::string& certificate, int purpose) {
  const openssl::CertificatePtr root = Leaf(authority), leaf = Leaf(certificate);
  X509_STORE* store = X509_STORE_new();
  X509_STORE_add_cert(store, root.get());
  X509_STORE_CTX* context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store, leaf.get(), nullptr);
  X509_STORE_CTX_set_purpose(context, purpose);
  const bool ok = X509_verify_cert(context) == 1;
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  ERR_clear_error();
  return ok;
}

class AuthorityTest : public testing::Test {
 protected:
  AuthorityOptions Options() const {
    return {folder_ / "ca", {"coordinator.example", "10.1.2.3", "::1"}, {"alice"}, absl::Now()};
  }
  std::string File(const std::string& name) const { return absl::StrCat(folder_.path(), "/ca/", name); }

  const TempFolder folder_;
};

TEST_F(AuthorityTest, MakesCertificatesThatVerifyForTheirPurposeOnly) {
  const auto fingerprint = InitAuthority(Options());
  ASSERT_TRUE(fingerprint.ok()) << fingerprint.status();
  EXPECT_EQ(*fingerprint, *LastFingerprint(Content(File("ca.crt"))));
  EXPECT_EQ(*fingerprint, *LastFingerprint(Content(File("server.crt"))))
      << "the chain ends with the authority";
  EXPECT_TRUE(Accepts(File("ca.crt"), File("server.crt"), X509_PURPOSE_SSL_SERVER));
  EXPECT_FALSE(Accepts(File("ca.crt"), File("server.crt"), X509_PURPOSE_SSL_CLIENT));
  EXPECT_TRUE(Accepts(File("ca.crt"), File("alice.crt"), X509_PURPOSE_SSL_CLIENT));
  EXPECT_FALSE(Accepts(File("ca.crt"), File("alice.crt"), X509_PURPOSE_SSL_SERVER));
  for (const char* host : {"coordinator.example"})
    EXPECT_EQ(X509_check_host(Leaf(File("server.crt")).get(), host, 0, 0, nullptr), 1) << host;
  for (const char* address : {"10.1.2.3", "::1"})
    EXPECT_EQ(X509_check_ip_asc(Leaf(File("server.crt")).get(), address, 0), 1) << address;
  EXPECT_NE(X509_check_host(Leaf(File("server.crt")).get(), "other.example", 0, 0, nullptr), 1);
}

TEST_F(AuthorityTest, KeysAreForTheirOwnerAlone) {
  ASSERT_TRUE(InitAuthority(Options()).ok());
  for (const char* name : {"ca.key", "server.key", "alice.key"}) {
    struct stat info;
    ASSERT_EQ(stat(File(name).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600u) << name;
  }
}

TEST_F(AuthorityTest, TheAuthorityStaysAndTheServerCertificateIsRenewed) {
  const std::string first = *InitAuthority(Options());
  const std::string before = Content(File("server.crt"));
  EXPECT_EQ(*InitAuthority(Options()), first);
  EXPECT_NE(Content(File("server.crt")), before);
  EXPECT_TRUE(Accepts(File("ca.crt"), File("server.crt"), X509_PURPOSE_SSL_SERVER));
}

TEST_F(AuthorityTest, AnotherAuthorityIsNotAccepted) {
  ASSERT_TRUE(InitAuthority(Options()).ok());
  AuthorityOptions other = Options();
  other.folder = folder_ / "other";
  ASSERT_TRUE(InitAuthority(other).ok());
  EXPECT_FALSE(Accepts(other.folder + "/ca.crt", File("server.crt"), X509_PURPOSE_SSL_SERVER));
}

TEST_F(AuthorityTest, NamesThatCouldSayMoreAreRefused) {
  for (const char* host : {"", "a,DNS:evil.example", "a b", "-a", "a\nb"}) {
    AuthorityOptions options = Options();
    options.hosts = {host};
    EXPECT_TRUE(absl::IsInvalidArgument(InitAuthority(options).status())) << host;
    options = Options();
    options.clients = {host};
    EXPECT_TRUE(absl::IsInvalidArgument(InitAuthority(options).status())) << host;
  }
  AuthorityOptions options = Options();
  options.clients = {"../escape"};
  EXPECT_TRUE(absl::IsInvalidArgument(InitAuthority(options).status()));
}

TEST_F(AuthorityTest, ClientsCannotReplaceTheFilesOfTheAuthorityOrTheServer) {
  ASSERT_TRUE(InitAuthority(Options()).ok());
  const std::string authority = Content(File("ca.key")), server = Content(File("server.key"));
  for (const char* name : {"ca", "server"}) {
    AuthorityOptions options = Options();
    options.hosts.clear();
    options.clients = {name};
    EXPECT_TRUE(absl::IsInvalidArgument(InitAuthority(options).status())) << name;
  }
  EXPECT_EQ(Content(File("ca.key")), authority);
  EXPECT_EQ(Content(File("server.key")), server);
}

TEST_F(AuthorityTest, HalfAnAuthorityIsNotReplaced) {
  for (const char* missing : {"ca.crt", "ca.key"}) {
    ASSERT_TRUE(InitAuthority(Options()).ok());
    const std::string other = File(absl::string_view(missing) == "ca.crt" ? "ca.key" : "ca.crt");
    const std::string kept = Content(other);
    ASSERT_EQ(unlink(File(missing).c_str()), 0);
    const absl::Status status = InitAuthority(Options()).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()), testing::StartsWith(File(missing) + " is missing"));
    EXPECT_EQ(Content(other), kept);
    ASSERT_EQ(unlink(other.c_str()), 0);
  }
}

TEST_F(AuthorityTest, AKeyThatOthersMayReadIsNotUsed) {
  ASSERT_TRUE(InitAuthority(Options()).ok());
  ASSERT_EQ(chmod(File("ca.key").c_str(), 0644), 0);
  EXPECT_TRUE(absl::IsPermissionDenied(InitAuthority(Options()).status()));
}

TEST_F(AuthorityTest, KeysAndCertificatesThatDoNotFitAreNamed) {
  ASSERT_TRUE(InitAuthority(Options()).ok());
  const std::string key = Content(File("server.key")), certificate = Content(File("server.crt"));
  EXPECT_TRUE(CheckKeyAndCertificate(key, certificate).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(CheckKeyAndCertificate(Content(File("alice.key")), certificate)));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckKeyAndCertificate("", certificate)));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckKeyAndCertificate(key, "")));
  AuthorityOptions old = Options();
  old.folder = folder_ / "old";
  old.now = absl::Now() - absl::Hours(24 * 500);
  ASSERT_TRUE(InitAuthority(old).ok());
  const absl::Status expired =
      CheckKeyAndCertificate(Content(old.folder + "/server.key"), Content(old.folder + "/server.crt"));
  EXPECT_THAT(std::string(expired.message()), testing::HasSubstr("expired"));
}

TEST(FingerprintTest, IsReadAsPeopleCopyIt) {
  const std::string plain(64, 'a');
  EXPECT_EQ(*ParseFingerprint(plain), plain);
  EXPECT_EQ(*ParseFingerprint("sha256:" + plain), plain);
  std::string colons;
  for (int i = 0; i < 32; ++i) absl::StrAppend(&colons, i > 0 ? ":" : "", "AA");
  EXPECT_EQ(*ParseFingerprint(colons), plain);
  for (const std::string& wrong : {std::string(), plain.substr(1), plain + "a", std::string(64, 'g')})
    EXPECT_TRUE(absl::IsInvalidArgument(ParseFingerprint(wrong).status())) << wrong;
  EXPECT_TRUE(absl::IsInvalidArgument(LastFingerprint("no certificate").status()));
}

}  // namespace
}  // namespace quantlab
