#include "client/connection/client.h"

#include <atomic>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"
#include "platform/unique_fd.h"
#include "tests/fakes/fake_coordinator.h"

namespace quantlab::client {
namespace {

using ::quantlab::testing::EndChange;
using ::quantlab::testing::FakeCoordinator;
using ::quantlab::testing::FakeState;
using ::quantlab::testing::MakeExperiment;
using ::quantlab::testing::RunChange;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ClientTest : public ::testing::Test {
 protected:
  ClientTest() : fake_(folder_ / "c.sock") {
    options_.address = fake_.address();
    options_.first_patience = absl::Seconds(5);
    options_.cancellation = &cancellation_;
  }

  Client& client() {
    if (client_ == nullptr) client_ = Client::Create(options_).value();
    return *client_;
  }

  void Have(const std::vector<std::string>& ids) {
    fake_.With([&](FakeState& state) {
      for (const std::string& id : ids)
        state.experiments.push_back(MakeExperiment(id, {"baseline", "dynamic_quantization"}));
    });
  }

  void Fail(std::vector<absl::Status> failures) {
    fake_.With([&](FakeState& state) { state.failures = std::move(failures); });
  }

  TempFolder folder_;
  FakeCoordinator fake_;
  Cancellation cancellation_;
  ClientOptions options_;
  std::unique_ptr<Client> client_;
};

TEST_F(ClientTest, ListsEveryPage) {
  Have({"a-1", "b-2", "c-3", "d-4", "e-5"});
  const auto all = client().ListExperiments({}, 0);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->size(), 5u);
  EXPECT_EQ(all->back().id(), "e-5");
}

TEST_F(ClientTest, ListsNoMoreThanTheLimit) {
  Have({"a-1", "b-2", "c-3", "d-4", "e-5"});
  EXPECT_EQ(client().ListExperiments({}, 3)->size(), 3u);
}

TEST_F(ClientTest, RepeatsACallWhileTheCoordinatorIsAway) {
  Have({"a-1"});
  Fail({absl::UnavailableError("restarting"), absl::UnavailableError("restarting")});
  const auto experiment = client().GetExperiment("a-1");
  ASSERT_TRUE(experiment.ok()) << experiment.status();
  EXPECT_EQ(fake_.With([](FakeState& s) { return s.calls; }), 3);
}

TEST_F(ClientTest, DoesNotRepeatARefusal) {
  Fail({absl::InvalidArgumentError("no")});
  EXPECT_EQ(client().GetExperiment("a-1").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(fake_.With([](FakeState& s) { return s.calls; }), 1);
}

TEST_F(ClientTest, DoesNotRepeatARetry) {
  Have({"a-1"});
  Fail({absl::UnavailableError("restarting")});
  v1::RetryExperimentRequest request;
  request.set_id("a-1");
  EXPECT_EQ(client().Retry(request).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(fake_.With([](FakeState& s) { return s.retries; }), 1);
}

TEST_F(ClientTest, RepeatsASubmissionUnderTheSameRequestId) {
  Have({"a-1"});
  Fail({absl::UnavailableError("the answer was lost")});
  v1::SubmitExperimentRequest request;
  request.set_request_id("r1");
  ASSERT_TRUE(client().Submit(request).ok());
  fake_.With([](FakeState& state) {
    ASSERT_EQ(state.submits.size(), 2u);
    EXPECT_EQ(state.submits[0].request_id(), "r1");
    EXPECT_EQ(state.submits[1].request_id(), "r1");
  });
}

// Accepts connections and ends each once a call has arrived, as a coordinator does that a request kills.
class EndingServer {
 public:
  explicit EndingServer(const std::string& path) : listener_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{AF_UNIX, {}};
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(listener_.get(), 8), 0);
    thread_ = std::thread([this] { Serve(); });
  }
  ~EndingServer() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  int calls() const { return calls_; }

 private:
  void Serve() {
    while (true) {
      const UniqueFd connection(accept(listener_.get(), nullptr, nullptr));
      if (!connection.valid()) return;
      // An empty SETTINGS frame of HTTP/2 (RFC 9113, 6.5) lets the client send its call.
      EXPECT_EQ(send(connection.get(), "\0\0\0\4\0\0\0\0\0", 9, MSG_NOSIGNAL), 9);
      std::string received;
      char buffer[4096];
      ssize_t got;
      while (received.find("application/grpc") == std::string::npos &&
             (got = recv(connection.get(), buffer, sizeof(buffer), 0)) > 0) {
        received.append(buffer, static_cast<size_t>(got));
      }
      ++calls_;
    }
  }

  const UniqueFd listener_;
  std::atomic<int> calls_{0};
  std::thread thread_;
};

TEST_F(ClientTest, ARequestThatEndsTheConnectionIsSentTwiceAtMost) {
  const EndingServer server(folder_ / "e.sock");
  options_.address = "unix:" + (folder_ / "e.sock");
  options_.first_patience = absl::Minutes(1);
  const absl::Status status = client().GetExperiment("a").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("not sent again"));
  EXPECT_EQ(server.calls(), 2);
}

TEST_F(ClientTest, ACoordinatorThatIsNotThereIsNamedWithTheRemedy) {
  options_.address = "unix:" + (folder_ / "nobody.sock");
  options_.first_patience = absl::Milliseconds(100);
  const absl::Status status = client().GetExperiment("a").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("nobody.sock"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("QUANTLAB_COORDINATOR"));
}

TEST_F(ClientTest, WhoeverWatchesOverTheCoordinatorMayEndTheWaiting) {
  options_.address = "unix:" + (folder_ / "nobody.sock");
  options_.on_unavailable = [](const absl::Status&) { return absl::FailedPreconditionError("given up"); };
  EXPECT_EQ(client().GetExperiment("a").status().message(), "given up");
}

TEST_F(ClientTest, CancellationEndsWaiting) {
  options_.address = "unix:" + (folder_ / "nobody.sock");
  options_.first_patience = absl::Hours(1);
  options_.on_unavailable = [this](const absl::Status&) {
    cancellation_.Cancel();
    return absl::OkStatus();
  };
  EXPECT_EQ(client().GetExperiment("a").status().code(), absl::StatusCode::kCancelled);
}

TEST_F(ClientTest, WatchGoesOnAfterABrokenStreamWithEachChangeOnce) {
  fake_.With([](FakeState& state) {
    state.changes = {RunChange(1, "a-1/baseline", v1::RUN_STATE_QUEUED),
                     RunChange(4, "a-1/baseline", v1::RUN_STATE_RUNNING),
                     RunChange(7, "a-1/baseline", v1::RUN_STATE_SUCCEEDED),
                     EndChange(9, v1::EXPERIMENT_STATE_SUCCEEDED)};
    state.break_watch_after = 2;
  });
  std::vector<int64_t> seen;
  v1::WatchExperimentRequest request;
  request.set_id("a-1");
  const absl::Status status = client().Watch(
      request, [&](const v1::WatchExperimentResponse& change) { seen.push_back(change.sequence()); });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(seen, ElementsAre(1, 4, 7, 9));
  fake_.With([](FakeState& state) {
    ASSERT_EQ(state.watches.size(), 2u);
    EXPECT_EQ(state.watches[1].after_sequence(), 4);
  });
}

TEST_F(ClientTest, WatchStartsWhereItIsTold) {
  fake_.With([](FakeState& state) {
    state.changes = {RunChange(1, "a-1/x", v1::RUN_STATE_QUEUED), EndChange(2, v1::EXPERIMENT_STATE_FAILED)};
  });
  std::vector<int64_t> seen;
  v1::WatchExperimentRequest request;
  request.set_after_sequence(1);
  ASSERT_TRUE(client().Watch(request, [&](const auto& change) { seen.push_back(change.sequence()); }).ok());
  EXPECT_THAT(seen, ElementsAre(2));
}

TEST_F(ClientTest, WatchReportsARefusal) {
  Fail({absl::NotFoundError("no such experiment")});
  EXPECT_EQ(client().Watch({}, [](const auto&) {}).code(), absl::StatusCode::kNotFound);
}

TEST_F(ClientTest, CancellationEndsAWatch) {
  fake_.With([](FakeState& state) { state.changes = {RunChange(1, "a-1/x", v1::RUN_STATE_QUEUED)}; });
  const absl::Status status =
      client().Watch({}, [&](const auto&) { std::thread([this] { cancellation_.Cancel(); }).detach(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
}

TEST_F(ClientTest, NamesMayBeCutToAUniqueBeginning) {
  Have({"quick-k3f9a2", "quick-m1", "other-z9"});
  EXPECT_EQ(*client().ResolveExperiment("latest"), "quick-k3f9a2");
  EXPECT_EQ(*client().ResolveExperiment("o"), "other-z9");
  EXPECT_EQ(*client().ResolveExperiment("quick-m1"), "quick-m1");
  const absl::Status several = client().ResolveExperiment("quick").status();
  EXPECT_EQ(several.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(several.message()), HasSubstr("quick-k3f9a2, quick-m1"));
  EXPECT_EQ(client().ResolveExperiment("nothing").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ClientTest, AFullNameWinsOverLongerOnes) {
  Have({"quick-1", "quick-12"});
  EXPECT_EQ(*client().ResolveExperiment("quick-1"), "quick-1");
}

TEST_F(ClientTest, RunsAreNamedWithTheirExperiment) {
  Have({"quick-1"});
  EXPECT_EQ(*client().ResolveRun("latest/base"), "quick-1/baseline");
  EXPECT_THAT(std::string(client().ResolveRun("latest/qat").status().message()),
              HasSubstr("baseline, dynamic_quantization"));
  EXPECT_EQ(client().ResolveRun("latest").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ClientAddressTest, OnlyThisMachineCanBeReached) {
  EXPECT_EQ(Client::Create({.address = "127.0.0.1.example.org:80"}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Client::Create({.address = "unix:relative"}).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace quantlab::client
