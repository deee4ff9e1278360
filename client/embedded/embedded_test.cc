// Supervision with small scripts as children: each test waits for what must happen, with a limit, and never
// for a time to pass.
#include "client/embedded/embedded.h"

#include <filesystem>
#include <functional>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/testing/temp_folder.h"
#include "tests/fakes/fake_coordinator.h"

namespace quantlab::client {
namespace {

using ::quantlab::testing::ReadAll;
using ::testing::HasSubstr;

bool Eventually(const std::function<bool()>& condition) {
  for (const absl::Time deadline = absl::Now() + absl::Seconds(60); absl::Now() < deadline;) {
    if (condition()) return true;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return condition();
}

bool Alive(pid_t pid) {
  return pid > 0 && kill(pid, 0) == 0;
}

std::string Script(const TempFolder& folder, const std::string& name, const std::string& body) {
  const std::string path = folder.Write(name, "#!/bin/sh\n" + body);
  chmod(path.c_str(), 0755);
  return path;
}

// Says its pid and that it is ready, then lives until its lifeline ends.
constexpr char kGoodChild[] = "echo $$ >> \"$0.pids\"\necho ready >&4\nexec 4>&-\nexec cat <&3 >/dev/null\n";

std::vector<pid_t> Pids(const std::string& script) {
  std::vector<pid_t> pids;
  for (const auto& line : absl::StrSplit(ReadAll(script + ".pids"), '\n', absl::SkipEmpty())) {
    pid_t pid = 0;
    if (absl::SimpleAtoi(line, &pid)) pids.push_back(pid);
  }
  return pids;
}

// A folder of programs in which everything but quantctl is a script.
class EmbeddedTest : public ::testing::Test {
 protected:
  EmbeddedTest() {
    options_.data_dir = folder_ / "data";
    options_.self = QUANTCTL;
    options_.program_folder = folder_ / "bin";
    // The coordinator's socket is waited for: a file stands for it.
    coordinator_ = Script(folder_, "bin/quant-coordinator",
                          absl::StrCat("touch ", folder_ / "data/coordinator.sock", "\n", kGoodChild));
    worker_ = Script(folder_, "bin/quant-worker", kGoodChild);
    Script(folder_, "bin/quant-runner", "exit 0\n");
  }

  ~EmbeddedTest() override {
    const auto state = InspectEmbedded(options_.data_dir);
    if (state.ok() && state->running) StopEmbedded(options_.data_dir, absl::Seconds(30)).IgnoreError();
  }

  std::unique_ptr<EmbeddedService> Open(bool want_worker) {
    EmbeddedOptions options = options_;
    options.want_worker = want_worker;
    auto service = EmbeddedService::Open(options);
    EXPECT_TRUE(service.ok()) << service.status();
    return service.ok() ? *std::move(service) : nullptr;
  }

  bool Running() { return InspectEmbedded(options_.data_dir)->running; }
  int SupervisorPid() { return InspectEmbedded(options_.data_dir)->pid; }

  TempFolder folder_;
  EmbeddedOptions options_;
  std::string coordinator_, worker_;
};

TEST_F(EmbeddedTest, StartsWhatIsNeededAndLeavesNothingBehind) {
  auto service = Open(true);
  ASSERT_NE(service, nullptr);
  EXPECT_EQ(service->address(), "unix:" + (folder_ / "data/coordinator.sock"));
  ASSERT_TRUE(Eventually([&] { return Pids(worker_).size() == 1; }));
  const pid_t coordinator = Pids(coordinator_).at(0), worker = Pids(worker_).at(0);
  EXPECT_TRUE(Alive(coordinator));
  EXPECT_TRUE(service->Close(absl::Seconds(60)));
  EXPECT_FALSE(Running());
  EXPECT_FALSE(Alive(coordinator));
  EXPECT_FALSE(Alive(worker));
}

TEST_F(EmbeddedTest, AWorkerStartsOnlyWhenSomebodyWantsOne) {
  auto service = Open(false);
  ASSERT_NE(service, nullptr);
  EXPECT_TRUE(Pids(worker_).empty());
  ASSERT_TRUE(service->WantWorker().ok());
  EXPECT_TRUE(Eventually([&] { return Pids(worker_).size() == 1; }));
}

TEST_F(EmbeddedTest, UsersShareOneServiceUntilTheLastHasGone) {
  auto first = Open(false);
  auto second = Open(false);
  EXPECT_EQ(Pids(coordinator_).size(), 1u);
  EXPECT_FALSE(first->Close(absl::Seconds(60))) << "another user is there";
  EXPECT_TRUE(Running());
  EXPECT_TRUE(second->Close(absl::Seconds(60)));
  EXPECT_FALSE(Running());
}

TEST_F(EmbeddedTest, AKilledCoordinatorOrWorkerComesBack) {
  auto service = Open(true);
  ASSERT_TRUE(Eventually([&] { return Pids(worker_).size() == 1; }));
  kill(Pids(coordinator_).at(0), SIGKILL);
  kill(Pids(worker_).at(0), SIGKILL);
  EXPECT_TRUE(Eventually([&] { return Pids(coordinator_).size() == 2 && Pids(worker_).size() == 2; }));
}

TEST_F(EmbeddedTest, AKilledSupervisorTakesItsProgramsAlongAndIsReplaced) {
  auto service = Open(true);
  ASSERT_TRUE(Eventually([&] { return Pids(worker_).size() == 1; }));
  const pid_t coordinator = Pids(coordinator_).at(0), worker = Pids(worker_).at(0);
  kill(SupervisorPid(), SIGKILL);
  EXPECT_TRUE(Eventually([&] { return !Alive(coordinator) && !Alive(worker); }));
  ASSERT_TRUE(Eventually([&] { return !Running(); }));
  EXPECT_TRUE(service->EnsureRunning().ok());
  EXPECT_TRUE(Eventually([&] { return Pids(coordinator_).size() == 2 && Pids(worker_).size() == 2; }));
}

TEST_F(EmbeddedTest, AUserThatIsKilledLeavesNothingRunning) {
  const pid_t user = fork();
  if (user == 0) {
    EmbeddedOptions options = options_;
    options.want_worker = true;
    const auto service = EmbeddedService::Open(options);
    pause();
    _exit(service.ok() ? 0 : 1);
  }
  ASSERT_TRUE(Eventually([&] { return Pids(worker_).size() == 1; }));
  const pid_t coordinator = Pids(coordinator_).at(0), worker = Pids(worker_).at(0);
  kill(user, SIGKILL);
  waitpid(user, nullptr, 0);
  EXPECT_TRUE(Eventually([&] { return !Running() && !Alive(coordinator) && !Alive(worker); }));
}

TEST_F(EmbeddedTest, ARemovedDataFolderEndsTheService) {
  auto service = Open(false);
  ASSERT_NE(service, nullptr);
  const pid_t coordinator = Pids(coordinator_).at(0);
  std::filesystem::remove_all(options_.data_dir);
  EXPECT_TRUE(Eventually([&] { return !Alive(coordinator); }));
}

TEST_F(EmbeddedTest, KeptServicesOutliveTheirUsersUntilTheyAreStopped) {
  auto service = Open(false);
  ASSERT_TRUE(service->Keep().ok());
  EXPECT_FALSE(service->Close(absl::Seconds(1)));
  service.reset();
  EXPECT_TRUE(InspectEmbedded(options_.data_dir)->kept);
  const absl::Status stopped = StopEmbedded(options_.data_dir, absl::Seconds(60));
  EXPECT_TRUE(stopped.ok()) << stopped;
  EXPECT_FALSE(Alive(Pids(coordinator_).at(0)));
  EXPECT_EQ(StopEmbedded(options_.data_dir, absl::Seconds(1)).code(), absl::StatusCode::kNotFound);
}

TEST_F(EmbeddedTest, ACoordinatorThatDoesNotStartIsToldWithItsLog) {
  Script(folder_, "bin/quant-coordinator", "echo the database is damaged >&2\nexit 3\n");
  const absl::Status status = EmbeddedService::Open(options_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("the database is damaged"));
}

TEST_F(EmbeddedTest, AMissingProgramIsNamed) {
  std::filesystem::remove(folder_ / "bin/quant-worker");
  const absl::Status status = EmbeddedService::Open(options_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("quant-worker is missing"));
}

}  // namespace
}  // namespace quantlab::client
