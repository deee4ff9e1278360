#include "platform/probe.h"

#include <filesystem>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"

namespace quantlab {
namespace {

class ProbeTest : public ::testing::Test {
 protected:
  ProbeTest() { address_.socket = folder_ / "s.sock"; }

  UniqueFd Listen() {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    address_.socket.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(fd.get(), 8), 0);
    return fd;
  }

  TempFolder folder_;
  Address address_;
};

TEST_F(ProbeTest, NobodyIsUnavailable) {
  EXPECT_TRUE(absl::IsUnavailable(CheckServes(address_, absl::Seconds(1))));
  { const UniqueFd listener = Listen(); }
  EXPECT_TRUE(absl::IsUnavailable(CheckServes(address_, absl::Seconds(1))))
      << "a socket that nobody listens on";
  Address tcp;
  tcp.host = "127.0.0.1";
  tcp.port = 1;
  EXPECT_TRUE(absl::IsUnavailable(CheckServes(tcp, absl::Seconds(1))));
}

TEST_F(ProbeTest, ConnectingIsNotEnough) {
  const UniqueFd listener = Listen();
  EXPECT_TRUE(ConnectTo(address_, absl::Seconds(1)).ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(CheckServes(address_, absl::Milliseconds(50))));
}

TEST(ConnectToTest, NamesAreResolved) {
  const UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&own), sizeof(own)), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  socklen_t size = sizeof(own);
  ASSERT_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&own), &size), 0);
  const auto connected = ConnectTo({"", "localhost", ntohs(own.sin_port)}, absl::Seconds(20));
  EXPECT_TRUE(connected.ok()) << connected.status();
}

TEST_F(ProbeTest, ASocketFileIsReplacedOnceItIsGoneOrAnother) {
  const UniqueFd listener = Listen();
  const SocketFile file(address_);
  EXPECT_FALSE(file.replaced());
  std::filesystem::rename(address_.socket, address_.socket + ".away");
  EXPECT_TRUE(file.replaced());
  const UniqueFd other = Listen();
  EXPECT_TRUE(file.replaced());
  std::filesystem::rename(address_.socket + ".away", address_.socket);
  EXPECT_FALSE(file.replaced());
  EXPECT_FALSE(SocketFile(Address{}).replaced()) << "no socket";
}

}  // namespace
}  // namespace quantlab
