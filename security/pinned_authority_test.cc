#include "security/pinned_authority.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <thread>

#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "base/files.h"
#include "base/testing/temp_folder.h"
#include "platform/unique_fd.h"
#include "security/authority.h"
#include "security/certificates.h"
#include "security/openssl.h"
#include "security/tls_policy.h"

namespace quantlab {
namespace {

// Accepts one connection and greets it with `context`; without one it only closes.
class OneConnection {
 public:
  explicit OneConnection(SSL_CTX* context) : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(listener_.get(), 1), 0);
    socklen_t size = sizeof(address);
    getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    address_.host = "127.0.0.1";
    address_.port = ntohs(address.sin_port);
    thread_ = std::thread([this, context] { Serve(context); });
  }
  ~OneConnection() { thread_.join(); }
  const Address& address() const { return address_; }

 private:
  void Serve(SSL_CTX* context) {
    const UniqueFd peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (context == nullptr) return;
    const openssl::ConnectionPtr connection(SSL_new(context));
    SSL_set_fd(connection.get(), peer.get());
    if (SSL_accept(connection.get()) == 1) SSL_shutdown(connection.get());
    ERR_clear_error();
  }

  const UniqueFd listener_;
  Address address_;
  std::thread thread_;
};

class PinnedAuthorityTest : public testing::Test {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);  // as every program of the project does
    const auto made = InitAuthority({folder_ / "ca", {"127.0.0.1"}, {}, absl::Now()});
    ASSERT_TRUE(made.ok()) << made.status();
    fingerprint_ = *made;
    context_.reset(SSL_CTX_new(TLS_server_method()));
    ASSERT_EQ(SSL_CTX_use_certificate_chain_file(context_.get(), (folder_ / "ca/server.crt").c_str()), 1);
    ASSERT_EQ(
        SSL_CTX_use_PrivateKey_file(context_.get(), (folder_ / "ca/server.key").c_str(), SSL_FILETYPE_PEM),
        1);
  }

  const TempFolder folder_;
  std::string fingerprint_;
  openssl::ContextPtr context_;
};

TEST_F(PinnedAuthorityTest, FindsTheAuthorityInTheChain) {
  const OneConnection server(context_.get());
  const auto pem = FetchAuthority(server.address(), fingerprint_, absl::Seconds(20));
  ASSERT_TRUE(pem.ok()) << pem.status();
  EXPECT_EQ(*LastFingerprint(*pem), fingerprint_);
  EXPECT_EQ(*pem, *ReadFile(folder_ / "ca/ca.crt", 1 << 20));
}

TEST_F(PinnedAuthorityTest, AnotherFingerprintIsRefused) {
  const OneConnection server(context_.get());
  EXPECT_TRUE(absl::IsPermissionDenied(
      FetchAuthority(server.address(), std::string(64, 'a'), absl::Seconds(20)).status()));
}

TEST_F(PinnedAuthorityTest, OlderProtocolsAndPlainPeersAreRefused) {
  SSL_CTX_set_max_proto_version(context_.get(), TLS1_2_VERSION);
  {
    const OneConnection old(context_.get());
    EXPECT_TRUE(absl::IsUnavailable(FetchAuthority(old.address(), fingerprint_, absl::Seconds(20)).status()));
  }
  const OneConnection plain(nullptr);
  EXPECT_TRUE(absl::IsUnavailable(FetchAuthority(plain.address(), fingerprint_, absl::Seconds(20)).status()));
}

TEST_F(PinnedAuthorityTest, APeerThatSendsNothingIsUnavailable) {
  const UniqueFd silent(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(silent.get(), reinterpret_cast<sockaddr*>(&own), sizeof(own)), 0);
  ASSERT_EQ(listen(silent.get(), 1), 0);
  socklen_t size = sizeof(own);
  getsockname(silent.get(), reinterpret_cast<sockaddr*>(&own), &size);
  const Address address{"", "127.0.0.1", ntohs(own.sin_port)};
  EXPECT_TRUE(absl::IsUnavailable(FetchAuthority(address, fingerprint_, absl::Milliseconds(50)).status()));
}

TEST_F(PinnedAuthorityTest, NobodyThereIsUnavailable) {
  Address nobody;
  nobody.host = "127.0.0.1";
  nobody.port = 1;
  EXPECT_TRUE(absl::IsUnavailable(FetchAuthority(nobody, fingerprint_, absl::Seconds(5)).status()));
}

// Last in this file's order of effect: it changes every context that is made afterwards.
TEST_F(PinnedAuthorityTest, ThePolicySwitchesOlderProtocolsOffInNewContexts) {
  ASSERT_TRUE(RequireTls13().ok());
  const openssl::ContextPtr fresh(SSL_CTX_new(TLS_server_method()));
  // As gRPC does after it made a context.
  SSL_CTX_set_min_proto_version(fresh.get(), TLS1_2_VERSION);
  const auto options = SSL_CTX_get_options(fresh.get());
  EXPECT_NE(options & SSL_OP_NO_TLSv1_2, 0u);
  EXPECT_EQ(options & SSL_OP_NO_TLSv1_3, 0u);
}

}  // namespace
}  // namespace quantlab
