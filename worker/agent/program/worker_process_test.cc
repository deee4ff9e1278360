// The program itself over the network: quant-worker as a process against a gRPC server on a Unix socket,
// stopped, killed and started again.
#include <fcntl.h>
#include <fstream>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/testing/temp_folder.h"
#include "platform/files.h"
#include "platform/process.h"
#include "proto/status_bridge.h"
#include "quantlab/v1/artifact.grpc.pb.h"
#include "quantlab/v1/worker.grpc.pb.h"
#include "worker/agent/attempt/attempt.h"
#include "worker/agent/program/testing/fake_coordinator.h"

namespace quantlab::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using Seen = FakeCoordinator::Seen;

// The fake coordinator behind the real services.
class Server : public v1::WorkerService::Service, public v1::ArtifactService::Service {
 public:
  Server(FakeCoordinator* fake, std::string folder) : fake_(fake), folder_(std::move(folder)) {}

  void Start() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address(), grpc::InsecureServerCredentials());
    builder.RegisterService(static_cast<v1::WorkerService::Service*>(this));
    builder.RegisterService(static_cast<v1::ArtifactService::Service*>(this));
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }
  void Stop() {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }
  ~Server() override { Stop(); }
  std::string address() const { return "unix:" + folder_ + "/socket"; }

  grpc::Status Sync(grpc::ServerContext*, const v1::SyncRequest* request,
                    v1::SyncResponse* response) override {
    v1::SyncRequest brief = *request;  // a caller that was killed must not hold up the end of the test
    brief.set_max_wait_seconds(std::min(brief.max_wait_seconds(), 0.5));
    auto answer = fake_->Sync(brief, nullptr);
    if (answer.ok()) *response = *answer;
    return ToGrpcStatus(answer.status());
  }
  grpc::Status ReportEvents(grpc::ServerContext*, const v1::ReportEventsRequest* request,
                            v1::ReportEventsResponse* response) override {
    const auto through = fake_->ReportEvents(*request, nullptr);
    if (through.ok()) response->set_acknowledged_through(*through);
    return ToGrpcStatus(through.status());
  }
  grpc::Status FinishAttempt(grpc::ServerContext*, const v1::FinishAttemptRequest* request,
                             v1::FinishAttemptResponse*) override {
    return ToGrpcStatus(fake_->FinishAttempt(*request, nullptr));
  }
  grpc::Status StatArtifacts(grpc::ServerContext*, const v1::StatArtifactsRequest* request,
                             v1::StatArtifactsResponse* response) override {
    const auto stat = fake_->StatArtifact(request->sha256(0), nullptr);
    if (stat.ok()) *response->add_artifacts() = *stat;
    return ToGrpcStatus(stat.status());
  }
  grpc::Status UploadArtifact(grpc::ServerContext*, grpc::ServerReader<v1::UploadArtifactRequest>* reader,
                              v1::UploadArtifactResponse* response) override {
    v1::UploadArtifactRequest first, chunk;
    if (!reader->Read(&first)) return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "empty stream");
    std::string data = first.data();
    while (reader->Read(&chunk)) data += chunk.data();
    const std::string path = absl::StrCat(folder_, "/upload-", first.sha256());
    std::ofstream(path, std::ios::binary) << std::string(static_cast<size_t>(first.offset()), ' ') << data;
    const auto durable = fake_->UploadArtifact(path, first.sha256(), first.size(), first.offset(), nullptr);
    if (durable.ok()) response->set_size(*durable);
    return ToGrpcStatus(durable.status());
  }
  grpc::Status DownloadArtifact(grpc::ServerContext*, const v1::DownloadArtifactRequest* request,
                                grpc::ServerWriter<v1::DownloadArtifactResponse>* writer) override {
    return ToGrpcStatus(fake_->DownloadArtifact(
        request->sha256(), request->offset(),
        [&](const std::string& data) {
          v1::DownloadArtifactResponse chunk;
          chunk.set_data(data);
          return writer->Write(chunk) ? absl::OkStatus() : absl::CancelledError("gone");
        },
        nullptr));
  }

 private:
  FakeCoordinator* const fake_;
  const std::string folder_;
  std::unique_ptr<grpc::Server> server_;
};

class WorkerProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("QUANTLAB_TEST_FILE", file().c_str(), 1);
    server_.Start();
  }
  void TearDown() override {
    if (pid_ > 0) Kill(SIGKILL);
  }

  // quant-worker with a ready pipe and a lifeline; returns when it is ready.
  void StartWorker(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {QUANTLAB_WORKER,
                                      "--coordinator",
                                      server_.address(),
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
  Server server_{&fake_, folder_.path()};
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
  server_.Stop();
  Touch();
  server_.Start();
  const Seen seen = fake_.AwaitFinish(attempt);
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_SUCCEEDED);
  EXPECT_EQ(seen.finish->attempt().number(), attempt.number());
}

TEST_F(WorkerProcessTest, SecondWorkerOnTheSameFolderIsRefused) {
  StartWorker();
  std::string output;
  EXPECT_EQ(Run({"--coordinator", server_.address(), "--data-dir", folder_ / "data", "--runner",
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
      Run({"--coordinator", server_.address(), "--data-dir", folder_ / "x", "--runner", "/nowhere"}, output),
      3);
  EXPECT_THAT(output, HasSubstr("--runner PATH"));
  EXPECT_EQ(Run({"--coordinator", server_.address(), "--data-dir", folder_ / "x", "--runner",
                 QUANTLAB_MISBEHAVING_RUNNER, "--devices", "cuda"},
                output),
            3);
  EXPECT_EQ(Run({"fetch", "--catalog", folder_ / "none.yaml"}, output), 2);
  EXPECT_EQ(Run({"--help"}, output), 0);
  EXPECT_THAT(output, HasSubstr("Exit codes"));
}

}  // namespace
}  // namespace quantlab::agent
