// quant-coordinator as a process: how supervisors start it, stop it and kill it.
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/testing/temp_folder.h"
#include "proto/status_bridge.h"
#include "quantlab/v1/artifact.grpc.pb.h"
#include "quantlab/v1/experiment.grpc.pb.h"
#include "quantlab/v1/storage.grpc.pb.h"
#include "quantlab/v1/worker.grpc.pb.h"
#include "server/service/testing/upload.h"

extern char** environ;

namespace quantlab {
namespace {

using ::testing::HasSubstr;

class ProcessTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(pipe2(lifeline_, O_CLOEXEC), 0); }
  void TearDown() override {
    Kill(SIGKILL);
    for (const int fd : {lifeline_[0], lifeline_[1]}) {
      if (fd >= 0) close(fd);
    }
  }

  // Starts it with the lifeline as descriptor 3 and waits until it says on descriptor 4 that it serves.
  std::string Start() {
    int ready[2];
    EXPECT_EQ(pipe2(ready, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    // Through high numbers, so that no dup2 closes what the next one needs.
    posix_spawn_file_actions_adddup2(&actions, lifeline_[0], 103);
    posix_spawn_file_actions_adddup2(&actions, ready[1], 104);
    posix_spawn_file_actions_adddup2(&actions, 103, 3);
    posix_spawn_file_actions_adddup2(&actions, 104, 4);
    posix_spawn_file_actions_addclose(&actions, 103);
    posix_spawn_file_actions_addclose(&actions, 104);
    std::vector<std::string> words = {COORDINATOR,
                                      "--data-dir",
                                      folder_,
                                      "--catalog",
                                      CATALOG,
                                      "--log-file",
                                      folder_ + "/log",
                                      "--lease-seconds",
                                      "5",
                                      "--lifeline-fd",
                                      "3",
                                      "--ready-fd",
                                      "4"};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    EXPECT_EQ(posix_spawn(&pid_, COORDINATOR, &actions, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ready[1]);
    std::string line;
    char buffer[256];
    for (ssize_t got; (got = read(ready[0], buffer, sizeof(buffer))) > 0;)
      line.append(buffer, static_cast<size_t>(got));
    close(ready[0]);
    return line;
  }

  // The exit code, or 128 + signal.
  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  int Kill(int signal) {
    if (pid_ <= 0) return -1;
    kill(pid_, signal);
    return Wait();
  }

  const TempFolder temp_;
  const std::string& folder_ = temp_.path();
  int lifeline_[2] = {-1, -1};
  pid_t pid_ = -1;
};

TEST_F(ProcessTest, ServesSaysSoAndStopsGentlyOnATerminationSignal) {
  EXPECT_EQ(Start(), absl::StrCat("unix:", folder_, "/coordinator.sock\n"));
  EXPECT_EQ(Kill(SIGTERM), 0);
  EXPECT_EQ(Start(), absl::StrCat("unix:", folder_, "/coordinator.sock\n"));
  EXPECT_EQ(Kill(SIGINT), 0);
}

TEST_F(ProcessTest, StopsWhenItsLifelineCloses) {
  Start();
  close(lifeline_[1]);
  lifeline_[1] = -1;
  EXPECT_EQ(Wait(), 0);
}

TEST_F(ProcessTest, AnExperimentSurvivesBeingKilledAtEveryStep) {
  const std::string target = absl::StrCat("unix:", folder_, "/coordinator.sock");
  // Every call on a channel of its own to a process of its own, killed right after it (or during the
  // next): nothing that was answered is ever forgotten.
  const auto call = [&](auto&& rpc) {
    Start();
    const auto channel = grpc::CreateChannel(target, grpc::InsecureChannelCredentials());
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    const absl::Status status = FromGrpcStatus(rpc(channel, context));
    Kill(SIGKILL);
    return status;
  };
  v1::SubmitExperimentRequest submit;
  submit.set_request_id("killed");
  submit.add_files()->set_name("killed.yaml");
  submit.mutable_files(0)->set_content(
      "experiments: {baseline: {}, dynamic_quantization: {}}\nevaluation: {metrics: [accuracy]}\n");
  v1::SubmitExperimentResponse submitted;
  for (int twice = 0; twice < 2; ++twice) {
    ASSERT_TRUE(call([&](auto channel, auto& context) {
                  return v1::ExperimentService::NewStub(channel)->SubmitExperiment(&context, submit,
                                                                                   &submitted);
                }).ok());
  }
  EXPECT_FALSE(submitted.created());
  for (const char* name : {"baseline", "dynamic_quantization"}) {
    v1::SyncRequest sync;
    sync.mutable_worker()->set_id("w");
    sync.mutable_worker()->add_devices("cpu");
    sync.mutable_worker()->add_methods()->set_name("dynamic_quantization");
    sync.mutable_worker()->mutable_methods(0)->set_version(1);
    sync.set_wants_run(true);
    v1::SyncResponse assigned;
    for (int twice = 0; twice < 2; ++twice) {
      ASSERT_TRUE(call([&](auto channel, auto& context) {
                    return v1::WorkerService::NewStub(channel)->Sync(&context, sync, &assigned);
                  }).ok());
      ASSERT_TRUE(assigned.has_assignment()) << name;
      EXPECT_THAT(assigned.assignment().attempt().run_id(), HasSubstr(name));
      EXPECT_EQ(assigned.assignment().attempt().number(), 1) << "handed out again, not anew";
    }
    v1::FinishAttemptRequest finish;
    *finish.mutable_attempt() = assigned.assignment().attempt();
    finish.set_outcome(v1::RUN_STATE_SUCCEEDED);
    v1::FinishAttemptResponse finished;
    for (int twice = 0; twice < 2; ++twice) {
      ASSERT_TRUE(call([&](auto channel, auto& context) {
                    return v1::WorkerService::NewStub(channel)->FinishAttempt(&context, finish, &finished);
                  }).ok());
    }
  }
  v1::GetExperimentRequest get;
  get.set_id(submitted.experiment().id());
  v1::Experiment experiment;
  ASSERT_TRUE(call([&](auto channel, auto& context) {
                return v1::ExperimentService::NewStub(channel)->GetExperiment(&context, get, &experiment);
              }).ok());
  EXPECT_EQ(experiment.state(), v1::EXPERIMENT_STATE_SUCCEEDED);
}

// Deletes experiments in a process that is killed at any moment, with another experiment that shares a file
// with each of them and must stay whole.
class DeletionProcessTest : public ProcessTest {
 protected:
  // Starts the process and connects to it.
  void Connect() {
    Start();
    const auto channel = grpc::CreateCustomChannel(absl::StrCat("unix:", folder_, "/coordinator.sock"),
                                                   grpc::InsecureChannelCredentials(), [] {
                                                     grpc::ChannelArguments arguments;
                                                     arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
                                                     return arguments;
                                                   }());
    experiments_ = v1::ExperimentService::NewStub(channel);
    workers_ = v1::WorkerService::NewStub(channel);
    artifacts_ = v1::ArtifactService::NewStub(channel);
    storage_ = v1::StorageService::NewStub(channel);
  }

  template <typename Stub, typename Request, typename Response>
  static absl::Status Call(Stub& stub,
                           grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                           const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    return FromGrpcStatus((stub.*method)(&context, request, response));
  }

  void Upload(const std::string& content) { ASSERT_TRUE(UploadContent(*artifacts_, content).ok()); }

  // The id of an experiment that has ended; its one run wrote these files.
  std::string Ended(const std::string& name, const std::vector<std::string>& contents) {
    v1::SubmitExperimentRequest submit;
    submit.set_request_id(name);
    submit.add_files()->set_name(name + ".yaml");
    submit.mutable_files(0)->set_content("experiments: {baseline: {}}\nevaluation: {metrics: [accuracy]}\n");
    v1::SubmitExperimentResponse submitted;
    EXPECT_TRUE(Call(*experiments_, &v1::ExperimentService::Stub::SubmitExperiment, submit, &submitted).ok());
    v1::SyncRequest sync;
    sync.mutable_worker()->set_id("w");
    sync.mutable_worker()->add_devices("cpu");
    sync.set_wants_run(true);
    v1::SyncResponse assigned;
    EXPECT_TRUE(Call(*workers_, &v1::WorkerService::Stub::Sync, sync, &assigned).ok());
    v1::FinishAttemptRequest finish;
    *finish.mutable_attempt() = assigned.assignment().attempt();
    finish.set_outcome(v1::RUN_STATE_SUCCEEDED);
    for (const std::string& content : contents) {
      Upload(content);
      v1::Artifact* artifact = finish.add_artifacts();
      artifact->set_name(absl::StrCat("model/", finish.artifacts_size()));
      artifact->set_sha256(Sha256Hex(content));
      artifact->set_size(static_cast<int64_t>(content.size()));
    }
    v1::FinishAttemptResponse finished;
    EXPECT_TRUE(Call(*workers_, &v1::WorkerService::Stub::FinishAttempt, finish, &finished).ok());
    return submitted.experiment().id();
  }

  absl::StatusOr<v1::StorageUsage> Usage(const std::string& id) {
    v1::GetStorageUsageRequest request;
    request.set_experiment_id(id);
    v1::StorageUsage usage;
    const absl::Status status = Call(*storage_, &v1::StorageService::Stub::GetStorageUsage, request, &usage);
    if (!status.ok()) return status;
    return usage;
  }

  std::string Download(const std::string& sha256) {
    grpc::ClientContext context;
    v1::DownloadArtifactRequest request;
    request.set_sha256(sha256);
    const auto reader = artifacts_->DownloadArtifact(&context, request);
    v1::DownloadArtifactResponse response;
    std::string content;
    while (reader->Read(&response)) content += response.data();
    return reader->Finish().ok() ? content : "";
  }

  std::unique_ptr<v1::ExperimentService::Stub> experiments_;
  std::unique_ptr<v1::WorkerService::Stub> workers_;
  std::unique_ptr<v1::ArtifactService::Stub> artifacts_;
  std::unique_ptr<v1::StorageService::Stub> storage_;
};

TEST_F(DeletionProcessTest, KilledWhileItDeletesItLosesNothingThatStaysAndFinishesLater) {
  constexpr int kRounds = 12;
  std::vector<std::string> shared;
  for (int round = 0; round < kRounds; ++round) shared.push_back(absl::StrCat("shared ", round));
  Connect();
  const std::string kept = Ended("kept", shared);
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::string> contents = {shared[static_cast<size_t>(round)]};
    for (int i = 0; i < 40; ++i) contents.push_back(absl::StrCat("own ", round, " ", i));
    const std::string goes = Ended(absl::StrCat("goes-", round), contents);
    std::thread killer([&] {
      usleep(static_cast<useconds_t>(round) * 2000);
      kill(pid_, SIGKILL);
    });
    v1::DeleteExperimentRequest request;
    request.set_id(goes);
    v1::DeleteExperimentResponse response;
    grpc::ClientContext context;
    const bool answered = storage_->DeleteExperiment(&context, request, &response).ok();
    killer.join();
    EXPECT_EQ(Wait(), 128 + SIGKILL);
    Connect();
    const bool there = Usage(goes).ok();
    EXPECT_FALSE(answered && there) << "what was answered is not forgotten";
    if (there) {
      EXPECT_EQ(Usage(goes)->experiments(0).models().files(), 40) << "deleted in whole or not at all";
      ASSERT_TRUE(Call(*storage_, &v1::StorageService::Stub::DeleteExperiment, request, &response).ok());
    }
  }
  // Deletions that were interrupted are finished without being asked for again.
  v1::CollectGarbageResponse collected;
  ASSERT_TRUE(
      Call(*storage_, &v1::StorageService::Stub::CollectGarbage, v1::CollectGarbageRequest(), &collected)
          .ok());
  const absl::StatusOr<v1::StorageUsage> usage = Usage(kept);
  ASSERT_TRUE(usage.ok()) << usage.status();
  EXPECT_EQ(usage->experiments(0).models().files(), kRounds);
  EXPECT_EQ(usage->artifacts().files(), kRounds) << "nothing else is left in the store";
  for (const std::string& content : shared) EXPECT_EQ(Download(Sha256Hex(content)), content);
}

}  // namespace
}  // namespace quantlab
