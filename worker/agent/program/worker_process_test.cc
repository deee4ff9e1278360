// The program itself over the network: quant-worker as a process against a gRPC server on a Unix socket,
// stopped, killed and started again.
#include <fcntl.h>
#include <fstream>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/testing/temp_folder.h"
#include "platform/files.h"
#include "platform/process.h"
#include "worker/agent/attempt/attempt.h"
#include "worker/agent/program/testing/fake_coordinator.h"

namespace quantlab::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using Seen = FakeCoordinator::Seen;

class WorkerProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("QUANTLAB_TEST_FILE", file().c_str(), 1);
    fake_.Serve(folder_ / "socket");
  }
  void TearDown() override {
    if (pid_ > 0) Kill(SIGKILL);
  }

  // quant-worker with a ready pipe and a lifeline; returns when it is ready.
  void StartWorker(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {QUANTLAB_WORKER,
                                      "--coordinator",
                                      fake_.address(),
                                      "--data-dir",
                                      folder_ / "data",
                                      "--runner",
                                      QUANTLAB_MISBEHAVING_RUNNER,
                                      "--grace",
                                      "1",
                                      "--ready-fd",
                                      "500",
                                      "--lifeline-fd",
                                      "501"};
    words.insert(words.end(), more.begin(), more.end());
    int ready[2], lifeline[2];
    ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
    ASSERT_EQ(pipe2(lifeline, O_CLOEXEC), 0);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(ready[1], 500);
      dup2(lifeline[0], 501);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(ready[1]);
    close(lifeline[0]);
    lifeline_ = UniqueFd(lifeline[1]);
    char text[64] = "";
    const ssize_t got = read(ready[0], text, sizeof(text) - 1);
    close(ready[0]);
    ASSERT_GT(got, 0) << "the worker ended before it was ready";
    EXPECT_THAT(std::string(text), HasSubstr("ready worker-"));
  }
  int Kill(int signal) {
    kill(pid_, signal);
    return Wait();
  }
  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    return status;
  }
  // Runs quant-worker to its end; its exit code.
  int Run(std::vector<std::string> words, std::string& output) {
    words.insert(words.begin(), QUANTLAB_WORKER);
    ProcessSpec spec;
    spec.argv = words;
    const auto result = RunCommand(*MakeProcessLauncher(), spec, {.timeout = absl::Seconds(60)});
    output = result.ok() ? result->output : result.status().ToString();
    return result.ok() ? result->exit.code : -1;
  }
  v1::AttemptRef StartRun(const std::string& behaviour) {
    const v1::AttemptRef attempt = fake_.Queue(behaviour);
    fake_.Await(attempt, [](const Seen& seen) { return !seen.events.empty(); });
    return attempt;
  }
  std::string file() const { return folder_ / "go"; }
  void Touch() { std::ofstream(file()) << "go"; }

  TempFolder folder_;
  FakeCoordinator fake_;
  pid_t pid_ = 0;
  UniqueFd lifeline_;
};

TEST_F(WorkerProcessTest, RunsOverTheNetworkAndStopsOnSigterm) {
  StartWorker();
  const v1::AttemptRef attempt = fake_.Queue("succeed");
  const Seen seen = fake_.AwaitFinish(attempt);
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_SUCCEEDED) << seen.finish->message();
  EXPECT_EQ(fake_.artifacts().count(Sha256Hex(std::string(100'000, 'm'))), 1u);
  EXPECT_EQ(fake_.worker().methods(0).name(), "dynamic_quantization");
  EXPECT_THAT(fake_.worker().runner_sha256(), SizeIs(64));
  EXPECT_EQ(Kill(SIGTERM), 0);
}

TEST_F(WorkerProcessTest, SigtermGivesTheRunBackAndClosingTheLifelineToo) {
  StartWorker();
  v1::AttemptRef attempt = StartRun("stop_when_asked");
  EXPECT_EQ(Kill(SIGTERM), 0);
  EXPECT_EQ(fake_.Look(attempt).finish->outcome(), v1::RUN_STATE_PREEMPTED);
  StartWorker();
  attempt = StartRun("stop_when_asked");
  lifeline_ = UniqueFd();
  EXPECT_EQ(Wait(), 0);
  EXPECT_EQ(fake_.Look(attempt).finish->outcome(), v1::RUN_STATE_PREEMPTED);
}

TEST_F(WorkerProcessTest, KilledWorkerTakesItsRunnerWithItAndGivesTheRunBackWhenItReturns) {
  StartWorker();
  const std::string id = fake_.worker().id();
  const v1::AttemptRef attempt = StartRun("wait_for_file");
  const size_t events = fake_.Look(attempt).events.size();
  Kill(SIGKILL);
  // The runner would finish now, were it still there.
  Touch();
  StartWorker();
  const Seen seen = fake_.AwaitFinish(attempt);
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_LOST);
  EXPECT_GE(seen.events.size(), events);
  EXPECT_EQ(fake_.worker().id(), id);
  EXPECT_EQ(fake_.AwaitFinish(fake_.Queue("succeed")).finish->outcome(), v1::RUN_STATE_SUCCEEDED);
}

TEST_F(WorkerProcessTest, CoordinatorThatGoesAndComesBackFindsTheSameAttempt) {
  StartWorker();
  const v1::AttemptRef attempt = StartRun("wait_for_file");
  fake_.StopServing();
  Touch();
  fake_.Serve(folder_ / "socket");
  const Seen seen = fake_.AwaitFinish(attempt);
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_SUCCEEDED);
  EXPECT_EQ(seen.finish->attempt().number(), attempt.number());
}

TEST_F(WorkerProcessTest, SecondWorkerOnTheSameFolderIsRefused) {
  StartWorker();
  std::string output;
  EXPECT_EQ(Run({"--coordinator", fake_.address(), "--data-dir", folder_ / "data", "--runner",
                 QUANTLAB_MISBEHAVING_RUNNER},
                output),
            4);
  EXPECT_THAT(output, HasSubstr("give each worker a --data-dir of its own"));
}

TEST_F(WorkerProcessTest, WrongUseIsSaidToBeSo) {
  std::string output;
  EXPECT_EQ(Run({}, output), 2);
  EXPECT_THAT(output, HasSubstr("--coordinator and --data-dir are needed"));
  EXPECT_EQ(Run({"--nonsense"}, output), 2);
  EXPECT_EQ(Run({"--coordinator", "example.org:7070", "--data-dir", folder_ / "x"}, output), 2);
  EXPECT_THAT(output, HasSubstr("is beyond this machine"));
  EXPECT_EQ(Run({"--coordinator", "nonsense", "--data-dir", folder_ / "x"}, output), 2);
  EXPECT_EQ(
      Run({"--coordinator", fake_.address(), "--data-dir", folder_ / "x", "--runner", "/nowhere"}, output),
      3);
  EXPECT_THAT(output, HasSubstr("--runner PATH"));
  EXPECT_EQ(Run({"--coordinator", fake_.address(), "--data-dir", folder_ / "x", "--runner",
                 QUANTLAB_MISBEHAVING_RUNNER, "--devices", "cuda"},
                output),
            3);
  EXPECT_EQ(Run({"fetch", "--catalog", folder_ / "none.yaml"}, output), 2);
  EXPECT_EQ(Run({"--help"}, output), 0);
  EXPECT_THAT(output, HasSubstr("Exit codes"));
}

}  // namespace
}  // namespace quantlab::agent
