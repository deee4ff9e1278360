#include "proto/channel.h"

#include <cstdlib>
#include <filesystem>

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/testing/temp_folder.h"
#include "quantlab/v1/worker.grpc.pb.h"

namespace quantlab {
namespace {

// A gRPC server whose service implements nothing.
class Server {
 public:
  explicit Server(Address address) : address_(std::move(address)) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(address_.ToGrpcTarget(), grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    if (!address_.is_socket()) address_.port = port;
  }

  bool listens() const { return server_ != nullptr; }
  bool CanBeReached() const {
    return MakeChannel(address_, {})->WaitForConnected(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
  }

 private:
  Address address_;
  v1::WorkerService::Service service_;
  std::unique_ptr<grpc::Server> server_;
};

TEST(ChannelTest, ProxiesAreIgnoredOnThisMachine) {
  for (const char* name : {"http_proxy", "https_proxy", "grpc_proxy", "all_proxy"})
    setenv(name, "http://127.0.0.1:9", 1);
  for (const char* name : {"no_proxy", "no_grpc_proxy"}) unsetenv(name);
  const Server server(*ParseLocalAddress("127.0.0.1:0", /*port_may_be_zero=*/true));
  ASSERT_TRUE(server.listens());
  EXPECT_TRUE(server.CanBeReached());
  const TempFolder folder;
  const Server socket(*ParseLocalAddress("unix:" + (folder / "s")));
  ASSERT_TRUE(socket.listens());
  EXPECT_TRUE(socket.CanBeReached());
}

TEST(ChannelTest, SocketsMayHaveAnyNameOfAFile) {
  const TempFolder folder;
  for (const char* name : {"plain", "a b", "数据", "a%20b", "a?b#c", "a:b"}) {
    const Server server(*ParseLocalAddress("unix:" + (folder / name)));
    ASSERT_TRUE(server.listens()) << name;
    EXPECT_TRUE(std::filesystem::is_socket(folder / name)) << name;
    EXPECT_TRUE(server.CanBeReached()) << name;
  }
}

}  // namespace
}  // namespace quantlab
