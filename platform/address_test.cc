#include "platform/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab {
namespace {

using ::testing::HasSubstr;

TEST(AddressTest, SocketsArePathsFromTheRoot) {
  EXPECT_EQ(ParseAddress("unix:/run/q.sock")->socket, "/run/q.sock");
  EXPECT_EQ(ParseAddress("unix:///run/q.sock")->socket, "/run/q.sock");
  EXPECT_EQ(ParseAddress("unix:/run/q.sock")->ToString(), "unix:/run/q.sock");
  EXPECT_TRUE(ParseAddress("unix:/" + std::string(106, 'x')).ok());
  for (const std::string& wrong :
       {std::string("unix:"), std::string("unix:relative"), std::string("unix:./a"),
        std::string("unix://host/a"), std::string("unix:/a\nb"), "unix:/" + std::string(107, 'x')}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseAddress(wrong).status())) << wrong;
  }
  EXPECT_THAT(std::string(ParseAddress("unix:/" + std::string(200, 'x')).status().message()),
              HasSubstr("107 are allowed"));
}

TEST(AddressTest, PathsAreEncodedForGrpc) {
  EXPECT_EQ(ParseAddress("unix:/run/q-1.sock")->ToGrpcTarget(), "unix:/run/q-1.sock");
  EXPECT_EQ(ParseAddress("unix:/a b/数%.sock")->ToGrpcTarget(), "unix:/a%20b/%E6%95%B0%25.sock");
}

TEST(AddressTest, HostsAndPorts) {
  const auto v6 = ParseAddress("[::1]:7420");
  ASSERT_TRUE(v6.ok()) << v6.status();
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->port, 7420);
  EXPECT_EQ(v6->ToString(), "[::1]:7420");
  EXPECT_EQ(ParseAddress("example.org:80")->ToGrpcTarget(), "example.org:80");
  EXPECT_EQ(ParseAddress("127.0.0.1:0", /*port_may_be_zero=*/true)->port, 0);
  for (const char* wrong : {"",
                            "host",
                            "host:",
                            ":1",
                            "127.0.0.1",
                            "127.0.0.1:0",
                            "127.0.0.1:70000",
                            "127.0.0.1:-1",
                            "127.0.0.1:+1",
                            "127.0.0.1: 1",
                            "127.0.0.1:x",
                            "::1:80",
                            "[::1]",
                            "[::1:80",
                            "[]:80",
                            "[host]:80",
                            "a/b:80",
                            "dns:///x:80",
                            "a b:80",
                            "http://a:80"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseAddress(wrong).status())) << wrong;
  }
}

TEST(AddressTest, LoopbackIsJudgedByTheAddress) {
  for (const char* local : {"unix:/a", "localhost:1", "LOCALHOST:1", "127.0.0.1:1", "127.0.0.2:1",
                            "127.255.255.254:1", "[::1]:1", "[0:0:0:0:0:0:0:1]:1", "[::ffff:127.0.0.1]:1"}) {
    EXPECT_TRUE(ParseLocalAddress(local).ok()) << local << ": " << ParseLocalAddress(local).status();
  }
  for (const char* remote :
       {"127.0.0.1.example.org:1", "127.example.org:1", "127.0.0:1", "127.1:1", "128.0.0.1:1", "0.0.0.0:1",
        "[::]:1", "[::2]:1", "[::ffff:10.0.0.1]:1", "localhost.example.org:1", "10.0.0.1:1"}) {
    const absl::Status status = ParseLocalAddress(remote).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << remote << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("--tls-cert"));
  }
}

}  // namespace
}  // namespace quantlab
