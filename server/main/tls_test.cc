// The coordinator beyond this machine, played by a TLS port on loopback: who can connect, as whom, and how
// certificates are exchanged while it serves.
#include <fstream>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/records/error_reason.h"
#include "proto/channel_security.h"
#include "proto/status_bridge.h"
#include "quantlab/v1/experiment.grpc.pb.h"
#include "security/authority.h"
#include "security/pinned_authority.h"
#include "security/secret_file.h"
#include "server/main/testing/tls_fixture.h"

namespace quantlab {
namespace {

using ::testing::HasSubstr;

TEST_F(TlsTest, ATokenSignsInAndItsAbsenceIsRefused) {
  const v1::CreateIdentityResponse alice = Create("alice", v1::ROLE_VIEWER);
  EXPECT_EQ(alice.ca_sha256(), fingerprint_);
  ChannelSecurity security = Trusting();
  EXPECT_EQ(ReasonOf(ListWith(security)), "TOKEN_MISSING");
  security.token = alice.token();
  EXPECT_TRUE(ListWith(security).ok());
  security.token = std::string(security.token.size(), 'x');
  EXPECT_EQ(ReasonOf(ListWith(security)), "TOKEN_UNKNOWN");
}

TEST_F(TlsTest, PlainTextAndOlderTlsAreRefused) {
  grpc::ChannelArguments arguments;
  const absl::Status plain =
      List(grpc::CreateCustomChannel(app_->target(), grpc::InsecureChannelCredentials(), arguments));
  EXPECT_TRUE(absl::IsUnavailable(plain)) << plain;
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_clear_options(context, SSL_OP_NO_TLSv1_2);
  SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  BIO* connection = BIO_new_ssl_connect(context);
  BIO_set_conn_hostname(connection, app_->target().c_str());
  EXPECT_LE(BIO_do_handshake(connection), 0) << "TLS 1.2 must not be spoken";
  BIO_free_all(connection);
  SSL_CTX_free(context);
}

TEST_F(TlsTest, AClientDoesNotTrustAnotherAuthorityNorAnotherHost) {
  ASSERT_TRUE(InitAuthority({folder_ / "other", {"127.0.0.1"}, {}, absl::Now()}).ok());
  EXPECT_TRUE(absl::IsUnavailable(ListWith({.authority = Content(folder_ / "other/ca.crt")})));
  // The same authority, but a certificate for another host.
  ASSERT_TRUE(InitAuthority({folder_ / "ca", {"elsewhere.example"}, {}, absl::Now()}).ok());
  absl::Status status;
  const absl::Time end = absl::Now() + absl::Seconds(30);  // the file is read again within a second
  do {
    status = ListWith(Trusting());
  } while (!absl::IsUnavailable(status) && absl::Now() < end);
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

TEST_F(TlsTest, AClientCertificateIsTheIdentityOfItsName) {
  ChannelSecurity security = Trusting();
  security.certificate = Content(File("alice.crt"));
  security.key = Content(File("alice.key"));
  EXPECT_EQ(ReasonOf(ListWith(security)), "CERTIFICATE_UNKNOWN");
  Create("alice", v1::ROLE_VIEWER);
  EXPECT_TRUE(ListWith(security).ok());
  security.certificate = Content(File("mallory.crt"));
  security.key = Content(File("mallory.key"));
  EXPECT_EQ(ReasonOf(ListWith(security)), "CERTIFICATE_UNKNOWN");
  // The right name by another authority: the handshake fails.
  ASSERT_TRUE(InitAuthority({folder_ / "other", {}, {"alice"}, absl::Now()}).ok());
  security.certificate = Content(folder_ / "other/alice.crt");
  security.key = Content(folder_ / "other/alice.key");
  EXPECT_TRUE(absl::IsUnavailable(ListWith(security)));
}

TEST_F(TlsTest, ACoordinatorIsKnownByTheFingerprintOfItsAuthority) {
  ASSERT_TRUE(WriteSecretFile(folder_ / "token", Create("alice", v1::ROLE_VIEWER).token() + "\n").ok());
  SecurityFiles files{.token = folder_ / "token", .ca_fingerprint = "sha256:" + fingerprint_};
  const auto security = LoadSecurity(address_, files, absl::Seconds(20));
  ASSERT_TRUE(security.ok()) << security.status();
  EXPECT_TRUE(ListWith(*security).ok());
  files.ca_fingerprint = std::string(64, 'a');
  EXPECT_TRUE(absl::IsPermissionDenied(LoadSecurity(address_, files, absl::Seconds(20)).status()));
}

TEST_F(TlsTest, ReplacedCertificatesServeWithoutARestart) {
  ChannelSecurity security = Trusting();
  security.token = Create("alice", v1::ROLE_VIEWER).token();
  const auto old_channel = MakeChannel(address_, {.security = security});
  ASSERT_TRUE(List(old_channel).ok());
  // A new authority in place of the old one: clients of the new one are served after a moment.
  ASSERT_TRUE(InitAuthority({folder_ / "new", {"127.0.0.1"}, {}, absl::Now()}).ok());
  for (const char* name : {"server.key", "server.crt"}) {
    ASSERT_EQ(rename(absl::StrCat(folder_.path(), "/new/", name).c_str(), File(name).c_str()), 0);
  }
  security.authority = Content(folder_ / "new/ca.crt");
  absl::Status status;
  const absl::Time end = absl::Now() + absl::Seconds(30);
  do {
    status = ListWith(security);
  } while (!status.ok() && absl::Now() < end);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(List(old_channel).ok()) << "open connections go on";
  EXPECT_TRUE(app_->CheckServes().ok());
}

TEST_F(TlsTest, ServingIsNoticed) {
  EXPECT_TRUE(CheckServesTls(address_, Content(File("server.crt")), absl::Seconds(20)).ok());
  const Address stopped = address_;
  app_->Stop();
  app_.reset();
  EXPECT_FALSE(CheckServesTls(stopped, Content(File("server.crt")), absl::Seconds(5)).ok());
}

TEST_F(TlsTest, ARemovedLocalSocketIsNoticed) {
  EXPECT_TRUE(app_->CheckSocket().ok());
  EXPECT_TRUE(app_->CheckServes().ok());
  ASSERT_EQ(unlink(options_.local->socket.c_str()), 0);
  const absl::Status removed = app_->CheckSocket();
  EXPECT_TRUE(absl::IsUnavailable(removed)) << removed;
  EXPECT_THAT(std::string(removed.message()), HasSubstr(options_.local->ToString()));
  absl::Status serves;
  for (int i = 0; i < 6; ++i) serves = app_->CheckServes();
  EXPECT_FALSE(serves.ok()) << "the port alone does not count as serving";
}

TEST_F(TlsTest, WorkersJoinWhereTheServerListensOrIsAdvertised) {
  EXPECT_EQ(Create("a", v1::ROLE_WORKER).remote_address(), app_->target()) << "with the port that was taken";
  options_.listen = *ParseListenAddress("0.0.0.0:0", /*tls=*/true);
  Restart();
  EXPECT_EQ(Create("b", v1::ROLE_WORKER).remote_address(), "") << "a wildcard is no address to connect to";
  options_.advertise = "coordinator.example:7420";
  Restart();
  EXPECT_EQ(Create("c", v1::ROLE_WORKER).remote_address(), options_.advertise);
}

TEST(ListenAddressTest, WildcardsAreRecognisedInEverySpelling) {
  for (const char* host : {"0.0.0.0", "::", "0:0:0:0:0:0:0:0"})
    EXPECT_TRUE(IsWildcard({"", host, 1})) << host;
  for (const char* host : {"127.0.0.1", "::1", "coordinator.example"})
    EXPECT_FALSE(IsWildcard({"", host, 1})) << host;
}

TEST_F(TlsTest, BeyondThisMachineNothingStartsWithoutTls) {
  app_.reset();
  options_.listen = *ParseAddress("0.0.0.0:0", /*port_may_be_zero=*/true);
  const std::optional<TlsFiles> files = std::exchange(options_.tls, std::nullopt);
  int exit_code = -1;
  EXPECT_TRUE(absl::IsFailedPrecondition(App::Start(options_, &exit_code).status()));
  EXPECT_EQ(exit_code, kExitListen);
  options_.tls = files;
  ASSERT_EQ(chmod(File("server.key").c_str(), 0644), 0);
  EXPECT_TRUE(absl::IsPermissionDenied(App::Start(options_, &exit_code).status()));
  ASSERT_EQ(chmod(File("server.key").c_str(), 0600), 0);
  options_.tls->certificate = File("alice.crt");
  EXPECT_TRUE(absl::IsInvalidArgument(App::Start(options_, &exit_code).status()));
}

TEST_F(TlsTest, AChannelBeyondThisMachineWithoutAnAuthorityCannotCall) {
  const absl::Status status =
      List(MakeChannel(*ParseAddress("192.0.2.1:1"), {.security = {.token = "secret"}}));
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  const auto refused = LoadSecurity(*ParseAddress("192.0.2.1:1"), {}, absl::Seconds(1));
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status()));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("--ca-fingerprint"));
}

// ---- the command line ------------------------------------------------------------------------------------

ParsedCommandLine Parse(std::vector<std::string> words) {
  words.insert(words.begin(), {"--data-dir", "/data", "--catalog", "c"});
  return ParseCommandLine(words);
}

TEST(OptionsTest, BeyondLoopbackTlsIsNeeded) {
  const ParsedCommandLine refused = Parse({"--listen", "0.0.0.0:7420"});
  EXPECT_EQ(refused.exit_code, kExitUsage);
  EXPECT_THAT(refused.text, HasSubstr("--tls-cert"));
  const ParsedCommandLine taken = Parse({"--listen", "0.0.0.0:7420", "--tls-cert", "c", "--tls-key", "k"});
  EXPECT_FALSE(taken.exits) << taken.text;
  ASSERT_TRUE(taken.options.tls && taken.options.local);
  EXPECT_EQ(taken.options.local->ToString(), "unix:/data/coordinator.sock");
  EXPECT_EQ(taken.options.audit_log, "/data/audit.log");
}

TEST(OptionsTest, LoopbackCanBeClosedAndStaysOpenOtherwise) {
  const ParsedCommandLine open = Parse({"--listen", "127.0.0.1:7420"});
  EXPECT_FALSE(open.exits);
  EXPECT_FALSE(open.options.require_auth || open.options.local || open.options.tls);
  EXPECT_EQ(open.options.audit_log, "");
  const ParsedCommandLine closed = Parse({"--listen", "127.0.0.1:7420", "--require-auth"});
  EXPECT_TRUE(closed.options.require_auth && closed.options.local);
}

TEST(OptionsTest, WhatDoesNotFitTogetherIsRefused) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"--tls-cert", "c"},
           {"--tls-key", "k"},
           {"--tls-cert", "c", "--tls-key", "k"},  // on the default socket
           {"--listen", "127.0.0.1:1", "--tls-client-ca", "c"},
           {"--listen", "0.0.0.0:1", "--tls-cert", "c", "--tls-key", "k", "--reflection"},
           {"--advertise", "nothing"},
           {"--max-open-calls", "0"}}) {
    EXPECT_EQ(Parse(words).exit_code, kExitUsage) << testing::PrintToString(words);
  }
}

}  // namespace
}  // namespace quantlab
