#include "server/service/rpc/rpc.h"

#include <atomic>
#include <future>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/records/error_reason.h"
#include "base/testing/temp_folder.h"
#include "quantlab/v1/artifact.grpc.pb.h"
#include "server/service/metrics.h"
#include "server/service/rpc/listen.h"
#include "server/service/rpc/rpc_server.h"

namespace quantlab {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

TEST(CallHandlerTest, ExceptionsBecomeStatuses) {
  EXPECT_TRUE(CallHandler([] { return absl::OkStatus(); }).ok());
  EXPECT_TRUE(absl::IsNotFound(CallHandler([] { return absl::NotFoundError("x"); })));
  const absl::Status memory = CallHandler([]() -> absl::Status { throw std::bad_alloc(); });
  EXPECT_TRUE(absl::IsResourceExhausted(memory));
  EXPECT_EQ(ReasonOf(memory), "OUT_OF_MEMORY");
  const absl::Status fault = CallHandler([]() -> absl::Status { throw std::runtime_error("a bug"); });
  EXPECT_TRUE(absl::IsInternal(fault));
  EXPECT_THAT(std::string(fault.message()), HasSubstr("a bug"));
}

TEST(WorkPoolTest, ATaskThatThrowsDoesNotEndThePool) {
  std::atomic<int> done{0};
  {
    WorkPool pool(1, 10);
    EXPECT_TRUE(pool.Submit([] { throw std::bad_alloc(); }, Lane::kChange));
    EXPECT_TRUE(pool.Submit([&] { ++done; }, Lane::kChange));
  }
  EXPECT_EQ(done, 1);
}

TEST(WorkPoolTest, ALaneThatIsFullOrStuckDoesNotStopTheOthers) {
  std::promise<void> go, read, planned;
  const std::shared_future<void> gone = go.get_future().share();
  WorkPool pool(1, 2);
  EXPECT_TRUE(pool.Submit([gone] { gone.wait(); }, Lane::kChange));
  while (pool.Submit([] {}, Lane::kChange)) {  // until the queue of changes is full
  }
  EXPECT_TRUE(pool.Submit([&] { read.set_value(); }, Lane::kRead));
  EXPECT_TRUE(pool.Submit([&] { planned.set_value(); }, Lane::kPlan));
  read.get_future().wait();
  planned.get_future().wait();
  go.set_value();
}

TEST(PageSizeTest, ZeroIsTheStandardAndTheRestHasARange) {
  EXPECT_EQ(*CheckPageSize(0, 50, 100), 50);
  EXPECT_EQ(*CheckPageSize(100, 50, 100), 100);
  for (const int size : {-1, 101})
    EXPECT_TRUE(absl::IsInvalidArgument(CheckPageSize(size, 50, 100).status()));
}

TEST(RpcNamesTest, EveryServiceIsAmongTheDescriptors) {
  EXPECT_EQ(RpcNames().size(), 28u);
  for (const char* name : {"SubmitExperiment", "Sync", "DownloadArtifact"})
    EXPECT_THAT(RpcNames(), Contains(name));
}

// gRPC stops accepting when files run out; the kernel still takes connections.
TEST(CheckServesTest, AListenerThatDoesNotAcceptIsNoticed) {
  const TempFolder folder;
  const std::string path = folder / "s";
  EXPECT_TRUE(absl::IsUnavailable(CheckServes(*ParseListenAddress("unix:" + path), absl::Milliseconds(100))));
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(fd, 5), 0);
  EXPECT_TRUE(
      absl::IsDeadlineExceeded(CheckServes(*ParseListenAddress("unix:" + path), absl::Milliseconds(100))));
  close(fd);
}

TEST(CheckServesTest, AServerAnswersOnSocketsAndOnLoopback) {
  const TempFolder folder;
  for (const std::string& address : {absl::StrCat("unix:", folder / "a b"), std::string("127.0.0.1:0")}) {
    v1::ArtifactService::Service service;
    const auto server = RpcServer::Start({&service}, {*ParseListenAddress(address), false});
    ASSERT_TRUE(server.ok()) << server.status();
    const absl::Status status = CheckServes((*server)->address(), absl::Seconds(20));
    EXPECT_TRUE(status.ok()) << status;
  }
}

}  // namespace
}  // namespace quantlab
