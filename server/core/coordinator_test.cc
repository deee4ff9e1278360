// The coordinator against repositories in memory and a fake clock.
#include "server/core/coordinator.h"

#include <atomic>
#include <future>
#include <memory>
#include <new>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/messages/queue.h"
#include "base/records/checkpoint_names.h"
#include "base/records/error_reason.h"
#include "base/sha256.h"
#include "server/core/checkpoints.h"
#include "tests/fakes/memory_repository.h"

namespace quantlab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class CoordinatorTest : public testing::Test {
 protected:
  CoordinatorTest() { Restart(); }

  // As after kill -9: all that is left is in the repositories.
  void Restart() {
    coordinator_ = std::make_unique<Coordinator>(
        CoordinatorParts{&repository_, &repository_, &artifacts_, &clock_, &observer_, &repository_},
        CoordinatorOptions{});
    ASSERT_TRUE(coordinator_->Recover().ok());
  }

  static WorkerRecord Worker(const std::string& id, const std::string& device = "cpu") {
    WorkerRecord worker;
    worker.id = id;
    worker.hostname = "host-" + id;
    worker.devices = {device};
    worker.methods = {{"dynamic_quantization", 1}};
    worker.fingerprint = "fp";
    worker.runner_sha256 = "runner";
    return worker;
  }

  static RunRecord NewRun(const std::string& experiment, const std::string& name,
                          std::vector<RunDependency> needs) {
    RunRecord run;
    run.id = MakeRunId(experiment, name);
    run.experiment_id = experiment;
    run.name = name;
    run.device = "cpu";
    run.needs = std::move(needs);
    run.input_key = "key of " + name;
    run.time_limit = absl::Hours(1);
    return run;
  }

  // baseline <- dynamic <- comparison
  void Submit(const std::string& id, int priority = 0, bool reuse = true, const std::string& device = "cpu") {
    ExperimentRecord experiment;
    experiment.id = id;
    experiment.request_id = "request " + id;
    experiment.priority = priority;
    experiment.reuse = reuse;
    experiment.create_time = clock_.Now();
    std::vector<RunRecord> runs = {NewRun(id, "baseline", {}), NewRun(id, "dynamic", {{"baseline", true}}),
                                   NewRun(id, "comparison", {{"baseline", true}, {"dynamic", false}})};
    runs[1].kind = RunKind::kQuantization;
    runs[1].method = "dynamic_quantization";
    runs[1].method_version = 1;
    runs[2].kind = RunKind::kComparison;
    runs[2].input_key = "";
    for (RunRecord& run : runs) run.device = device;
    const auto created = coordinator_->Submit(experiment, runs);
    ASSERT_TRUE(created.ok()) << created.status();
    ASSERT_TRUE(created->created);
  }

  // The answer, when it came at once.
  std::optional<SyncAnswer> Sync(const std::string& worker, std::optional<AttemptKey> attempt = std::nullopt,
                                 absl::Duration max_wait = absl::ZeroDuration(),
                                 const std::string& device = "cpu") {
    std::optional<SyncAnswer> answer;
    SyncCall call{Worker(worker, device), attempt, !attempt.has_value(), max_wait};
    coordinator_->Sync(call, [&](absl::StatusOr<SyncAnswer> a) {
      if (a.ok()) answer = *a;
    });
    return answer;
  }

  // What the worker gets; fails the test when it gets nothing.
  AttemptKey Take(const std::string& worker, const std::string& device = "cpu") {
    const auto answer = Sync(worker, std::nullopt, absl::ZeroDuration(), device);
    if (!answer || !answer->assignment) {
      ADD_FAILURE() << worker << " got nothing";
      return {};
    }
    return answer->assignment->attempt;
  }

  absl::Status Finish(const AttemptKey& attempt, RunState outcome, int64_t last_event = 0,
                      std::vector<Artifact> artifacts = {}) {
    AttemptEnd end;
    end.key = attempt;
    end.outcome = outcome;
    end.message = "why";
    end.last_event = last_event;
    end.artifacts = std::move(artifacts);
    end.time = clock_.Now();
    return coordinator_->Finish(end);
  }

  // The worker could not execute the attempt.
  absl::Status FinishByFault(const AttemptKey& attempt) {
    AttemptEnd end;
    end.key = attempt;
    end.outcome = RunState::kFailed;
    end.worker_fault = true;
    end.coded_message = messages::kText("no space left on device");
    end.message = English(end.coded_message);
    end.time = clock_.Now();
    return coordinator_->Finish(end);
  }

  Artifact Model(const std::string& content) {
    const Artifact artifact{"model/model.safetensors", Sha256Hex(content),
                            static_cast<int64_t>(content.size())};
    artifacts_.Put(artifact.sha256, artifact.size);
    return artifact;
  }

  RunState State(const std::string& run_id) { return repository_.GetRun(run_id)->state; }

  std::vector<Event> Events(int64_t first, int count) {
    std::vector<Event> events;
    for (int i = 0; i < count; ++i)
      events.push_back({first + i, clock_.Now(), Progress{"training", i, 10, "step"}});
    return events;
  }

  // Time passes as in a process that runs: with ticks.
  void Pass(absl::Duration time) {
    const absl::Duration step = absl::Seconds(1);
    for (absl::Duration passed; passed < time; passed += step) {
      clock_.Advance(step);
      coordinator_->Tick();
    }
  }

  FakeClock clock_;
  MemoryRepository repository_;
  MemoryArtifacts artifacts_;
  struct Observer : CoreObserver {
    void OnLeaseExpired(const AttemptKey& attempt) override { expired.push_back(attempt); }
    std::vector<AttemptKey> expired;
  };
  Observer observer_;
  std::unique_ptr<Coordinator> coordinator_;
};

TEST_F(CoordinatorTest, AnExperimentRunsToItsEnd) {
  Submit("e");
  const auto answer = Sync("w");
  ASSERT_TRUE(answer && answer->assignment);
  EXPECT_EQ(answer->assignment->attempt, (AttemptKey{"e/baseline", 1}));
  EXPECT_THAT(answer->assignment->inputs, IsEmpty());
  EXPECT_EQ(answer->lease_term, absl::Seconds(30));
  EXPECT_EQ(*coordinator_->ReportEvents({"e/baseline", 1}, Events(1, 3)), 3);
  ASSERT_TRUE(
      Finish({"e/baseline", 1}, RunState::kSucceeded, 3, {Model("fp32"), {"log.txt", Model("log").sha256, 3}})
          .ok());

  const auto second = Sync("w");
  ASSERT_TRUE(second && second->assignment);
  EXPECT_EQ(second->assignment->attempt, (AttemptKey{"e/dynamic", 1}));
  ASSERT_THAT(second->assignment->inputs, SizeIs(1));
  EXPECT_EQ(second->assignment->inputs[0].run.name, "baseline");
  ASSERT_THAT(second->assignment->inputs[0].files, SizeIs(1)) << "only what is below model/";
  EXPECT_EQ(second->assignment->inputs[0].files[0].name, "model.safetensors");
  ASSERT_TRUE(Finish({"e/dynamic", 1}, RunState::kSucceeded, 0, {Model("int8")}).ok());

  const auto third = Sync("w");
  ASSERT_TRUE(third && third->assignment);
  EXPECT_THAT(third->assignment->inputs, SizeIs(2));
  ASSERT_TRUE(Finish({"e/comparison", 1}, RunState::kSucceeded).ok());
  EXPECT_EQ(repository_.GetExperiment("e")->state, ExperimentState::kSucceeded);
  EXPECT_EQ(Sync("w")->assignment, std::nullopt);
  EXPECT_THAT(coordinator_->Stats().active_runs, IsEmpty());
}

TEST_F(CoordinatorTest, TheSameRequestTwiceIsOneExperiment) {
  Submit("e");
  ExperimentRecord again;
  again.id = "other";
  again.request_id = "request e";
  const auto created = coordinator_->Submit(again, {});
  ASSERT_TRUE(created.ok());
  EXPECT_FALSE(created->created);
  EXPECT_EQ(created->experiment_id, "e");
}

TEST_F(CoordinatorTest, ARunGoesToOneWorkerOnly) {
  Submit("e");
  Take("w1");
  EXPECT_EQ(Sync("w2")->assignment, std::nullopt);
}

TEST_F(CoordinatorTest, ABrokenWorkerDoesNotDrainTheQueue) {
  for (const char* id : {"e1", "e2", "e3", "e4"}) Submit(id);
  const AttemptKey healthy = Take("healthy");
  for (const int hold : {5, 20, 80, 600}) {
    const AttemptKey broken = Take("broken");
    ASSERT_TRUE(FinishByFault(broken).ok());
    EXPECT_EQ(State(broken.run_id), RunState::kQueued);
    EXPECT_EQ(Sync("broken")->assignment, std::nullopt) << "held back";
    for (int passed = 0; passed < hold; passed += 5) {
      Pass(absl::Seconds(5));
      Sync("healthy", healthy);
    }
  }
  EXPECT_EQ(repository_.GetRun(healthy.run_id)->state, RunState::kRunning);
  for (const char* id : {"e1", "e2", "e3", "e4"})
    EXPECT_EQ(repository_.GetExperiment(id)->state, ExperimentState::kActive);
}

TEST_F(CoordinatorTest, AHeldWorkerIsShownWithItsFaultAndWorksAgainAfterASuccess) {
  Submit("e");
  ASSERT_TRUE(FinishByFault(Take("w")).ok());
  const auto workers = coordinator_->Workers();
  ASSERT_THAT(workers, SizeIs(1));
  ASSERT_TRUE(workers[0].hold.has_value());
  EXPECT_EQ(workers[0].hold->left, absl::Seconds(5));
  const auto explanation = coordinator_->Explain("e/baseline");
  ASSERT_TRUE(explanation.ok());
  ASSERT_THAT(explanation->reasons, SizeIs(2));
  EXPECT_EQ(English(explanation->reasons[0]),
            "worker w on host-w gets no runs for 5 s after 1 fault of its own: no space left on device");
  EXPECT_THAT(English(explanation->reasons[1]), HasSubstr("retrying: no space left on device"));

  Sync("w");
  Pass(absl::Seconds(5));
  ASSERT_TRUE(Finish(Take("w"), RunState::kSucceeded).ok());
  EXPECT_FALSE(coordinator_->Workers()[0].hold.has_value());
}

TEST_F(CoordinatorTest, AWaitingCallOfAHeldWorkerIsServedWhenTheHoldEnds) {
  Submit("e");
  ASSERT_TRUE(FinishByFault(Take("w")).ok());
  std::optional<SyncAnswer> answer;
  coordinator_->Sync({Worker("w"), std::nullopt, true, absl::Seconds(60)},
                     [&](absl::StatusOr<SyncAnswer> a) { answer = *a; });
  Pass(absl::Seconds(4));
  EXPECT_FALSE(answer.has_value());
  Pass(absl::Seconds(2));
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(answer->assignment.has_value());
}

TEST_F(CoordinatorTest, WhereNoOtherWorkerCanTakeItARunFailsAfterThreeFaults) {
  Submit("e");
  for (const int hold : {5, 20}) {
    ASSERT_TRUE(FinishByFault(Take("w")).ok());
    EXPECT_EQ(State("e/baseline"), RunState::kQueued);
    Pass(absl::Seconds(hold));
  }
  ASSERT_TRUE(FinishByFault(Take("w")).ok());
  EXPECT_EQ(State("e/baseline"), RunState::kFailed);
  EXPECT_THAT(repository_.GetRun("e/baseline")->message, HasSubstr("no space left on device"));
}

TEST_F(CoordinatorTest, AFaultWhoseCommitFailsCountsOnce) {
  Submit("e");
  const AttemptKey attempt = Take("w");
  for (int i = 0; i < 3; ++i) {
    repository_.FailCommits({Fault::kNotWritten});
    EXPECT_FALSE(FinishByFault(attempt).ok());
  }
  EXPECT_FALSE(coordinator_->Workers()[0].hold.has_value());
  ASSERT_TRUE(FinishByFault(attempt).ok());
  EXPECT_EQ(State("e/baseline"), RunState::kQueued);
  EXPECT_EQ(coordinator_->Workers()[0].hold->faults, 1);
}

TEST_F(CoordinatorTest, ACancelledAttemptDoesNotShowThatAWorkerIsHealthy) {
  Submit("e");
  ASSERT_TRUE(FinishByFault(Take("w")).ok());
  Sync("w");
  Pass(absl::Seconds(5));
  const AttemptKey attempt = Take("w");
  ASSERT_TRUE(coordinator_->Cancel("e", "", "enough").ok());
  ASSERT_TRUE(Finish(attempt, RunState::kCancelled).ok());
  EXPECT_EQ(coordinator_->Workers()[0].hold->faults, 1);
}

TEST_F(CoordinatorTest, ARetryByTheUserForgetsFaults) {
  Submit("e");
  for (const int hold : {5, 20, 80}) {
    ASSERT_TRUE(FinishByFault(Take("w")).ok());
    Sync("w");
    Pass(absl::Seconds(hold));
  }
  EXPECT_EQ(State("e/baseline"), RunState::kFailed);
  ASSERT_TRUE(coordinator_->Retry("e", "").ok());
  ASSERT_TRUE(FinishByFault(Take("w")).ok());
  EXPECT_EQ(State("e/baseline"), RunState::kQueued);
}

TEST_F(CoordinatorTest, ASucceededRunIsRetriedWhenItsArtifactIsGone) {
  Submit("e");
  const Artifact model = Model("fp32");
  ASSERT_TRUE(Finish(Take("w"), RunState::kSucceeded, 0, {model}).ok());
  ASSERT_TRUE(Finish(Take("w"), RunState::kFailed).ok());     // dynamic: its input is damaged
  ASSERT_TRUE(Finish(Take("w"), RunState::kSucceeded).ok());  // comparison
  ASSERT_TRUE(absl::IsFailedPrecondition(coordinator_->Retry("e", "baseline")));
  ASSERT_TRUE(artifacts_.SetAside(model.sha256).ok());

  ASSERT_TRUE(coordinator_->Retry("e", "dynamic").ok());
  EXPECT_EQ(State("e/baseline"), RunState::kQueued) << "made anew: its artifact is gone";
  EXPECT_EQ(State("e/dynamic"), RunState::kPending);
  EXPECT_EQ(State("e/comparison"), RunState::kSucceeded);
  const AttemptKey again = Take("w");
  EXPECT_EQ(again, (AttemptKey{"e/baseline", 2}));
  ASSERT_TRUE(Finish(again, RunState::kSucceeded, 0, {Model("fp32")}).ok());
  EXPECT_EQ(Take("w"), (AttemptKey{"e/dynamic", 2}));
}

TEST_F(CoordinatorTest, PriorityThenFirstInFirstOut) {
  Submit("first");
  clock_.Advance(absl::Seconds(1));
  Submit("second");
  clock_.Advance(absl::Seconds(1));
  Submit("urgent", 10);
  EXPECT_EQ(Take("a").run_id, "urgent/baseline");
  EXPECT_EQ(Take("b").run_id, "first/baseline");
  EXPECT_EQ(Take("c").run_id, "second/baseline");
}

TEST_F(CoordinatorTest, RunsGoOnlyWhereTheyFit) {
  Submit("gpu", 5, true, "cuda");
  clock_.Advance(absl::Seconds(1));
  Submit("cpu");
  EXPECT_EQ(Take("w", "cpu").run_id, "cpu/baseline");
  EXPECT_EQ(Take("g", "cuda").run_id, "gpu/baseline");
}

TEST_F(CoordinatorTest, AWaitingWorkerIsWokenByASubmission) {
  std::optional<SyncAnswer> got;
  const int64_t id = coordinator_->Sync({Worker("w"), std::nullopt, true, absl::Seconds(30)},
                                        [&](absl::StatusOr<SyncAnswer> answer) { got = *answer; });
  EXPECT_GT(id, 0);
  EXPECT_FALSE(got.has_value());
  EXPECT_EQ(coordinator_->Stats().waiting_syncs, 1);
  Submit("e");
  ASSERT_TRUE(got && got->assignment);
  EXPECT_EQ(got->assignment->attempt.run_id, "e/baseline");
  EXPECT_EQ(coordinator_->Stats().waiting_syncs, 0);
}

TEST_F(CoordinatorTest, TheEndOfARunWakesTheWorkerForTheNext) {
  Submit("e");
  const AttemptKey baseline = Take("w1");
  std::optional<SyncAnswer> got;
  coordinator_->Sync({Worker("w2"), std::nullopt, true, absl::Seconds(30)},
                     [&](absl::StatusOr<SyncAnswer> answer) { got = *answer; });
  ASSERT_TRUE(Finish(baseline, RunState::kSucceeded).ok());
  ASSERT_TRUE(got && got->assignment);
  EXPECT_EQ(got->assignment->attempt.run_id, "e/dynamic");
}

TEST_F(CoordinatorTest, WaitsEndWithJitterAndDroppedOnesAreForgotten) {
  int answers = 0;
  for (int i = 0; i < 50; ++i) {
    coordinator_->Sync({Worker(absl::StrCat("w", i)), std::nullopt, true, absl::Seconds(30)},
                       [&](absl::StatusOr<SyncAnswer> answer) { ++answers; });
  }
  const int64_t dropped = coordinator_->Sync({Worker("gone"), std::nullopt, true, absl::Seconds(30)},
                                             [&](absl::StatusOr<SyncAnswer>) { ADD_FAILURE(); });
  coordinator_->DropSync(dropped);
  Pass(absl::Seconds(23));
  EXPECT_EQ(answers, 0);
  Pass(absl::Seconds(4));
  EXPECT_GT(answers, 5);
  EXPECT_LT(answers, 50);
  Pass(absl::Seconds(4));
  EXPECT_EQ(answers, 50);
}

TEST_F(CoordinatorTest, ASecondCallOfAWorkerReplacesTheFirst) {
  int first = 0;
  coordinator_->Sync({Worker("w"), std::nullopt, true, absl::Seconds(30)},
                     [&](absl::StatusOr<SyncAnswer> answer) { ++first; });
  std::optional<SyncAnswer> second;
  coordinator_->Sync({Worker("w"), std::nullopt, true, absl::Seconds(30)},
                     [&](absl::StatusOr<SyncAnswer> answer) { second = *answer; });
  EXPECT_EQ(first, 1);
  Submit("e");
  ASSERT_TRUE(second && second->assignment);
}

TEST_F(CoordinatorTest, StatsTellWhatWaitsForWhichDeviceAndWhoOffersIt) {
  Submit("e");
  clock_.Advance(absl::Seconds(7));
  CoordinatorStats stats = coordinator_->Stats();
  ASSERT_EQ(stats.queues.size(), 1u);
  const auto& [device, queue] = *stats.queues.begin();
  EXPECT_EQ(device, "cpu");
  EXPECT_EQ(queue.queued, 1);
  EXPECT_EQ(queue.oldest, absl::Seconds(7));
  EXPECT_THAT(stats.device_workers, IsEmpty());
  Take("w");
  stats = coordinator_->Stats();
  EXPECT_THAT(stats.queues, IsEmpty());
  EXPECT_EQ(stats.device_workers["cpu"], 1);
  EXPECT_EQ(stats.held_workers, 0);
  Pass(absl::Minutes(2));
  EXPECT_EQ(coordinator_->Stats().device_workers["cpu"], 0);
}

TEST_F(CoordinatorTest, ExpiredLeaseReturnsRunToQueueAndFencesTheAttempt) {
  Submit("e");
  const AttemptKey first = Take("w1");
  Pass(absl::Seconds(31));
  EXPECT_EQ(State("e/baseline"), RunState::kQueued);
  EXPECT_EQ(repository_.GetAttempt(first)->state, RunState::kLost);
  EXPECT_THAT(observer_.expired, ElementsAre(first));
  const AttemptKey second = Take("w2");
  EXPECT_EQ(second.number, 2);
  // The first worker comes back: everything that it says is refused and changes nothing.
  EXPECT_TRUE(Sync("w1", first)->fenced);
  const auto events = coordinator_->ReportEvents(first, Events(1, 1));
  EXPECT_TRUE(absl::IsAborted(events.status()));
  EXPECT_EQ(ReasonOf(events.status()), "ATTEMPT_FENCED");
  EXPECT_TRUE(absl::IsAborted(Finish(first, RunState::kSucceeded)));
  EXPECT_EQ(State("e/baseline"), RunState::kRunning);
  ASSERT_TRUE(Finish(second, RunState::kSucceeded).ok());
  EXPECT_EQ(repository_.GetRun("e/baseline")->result, second);
}

TEST_F(CoordinatorTest, HeartbeatsAndEventsKeepALease) {
  Submit("e");
  const AttemptKey attempt = Take("w");
  for (int i = 0; i < 5; ++i) {
    Pass(absl::Seconds(20));
    EXPECT_FALSE(Sync("w", attempt)->fenced);
    Pass(absl::Seconds(20));
    EXPECT_TRUE(coordinator_->ReportEvents(attempt, Events(i + 1, 1)).ok());
  }
  EXPECT_EQ(State("e/baseline"), RunState::kRunning);
}

TEST_F(CoordinatorTest, AnotherWorkerCannotRenewALease) {
  Submit("e");
  const AttemptKey attempt = Take("w1");
  EXPECT_TRUE(Sync("w2", attempt)->fenced);
}

TEST_F(CoordinatorTest, AfterARestartEveryLeaseGetsAFullTerm) {
  Submit("e");
  const AttemptKey attempt = Take("w");
  Pass(absl::Seconds(25));
  clock_.Advance(absl::Hours(2));  // the machine was off
  Restart();
  Pass(absl::Seconds(29));
  EXPECT_FALSE(Sync("w", attempt)->fenced);
  ASSERT_TRUE(Finish(attempt, RunState::kSucceeded).ok());
  EXPECT_EQ(State("e/dynamic"), RunState::kQueued);
}

TEST_F(CoordinatorTest, ARestartAtAnyMomentLosesNothing) {
  Submit("e");
  Restart();
  AttemptKey attempt = Take("w");
  Restart();
  EXPECT_FALSE(Sync("w", attempt)->fenced);
  EXPECT_EQ(*coordinator_->ReportEvents(attempt, Events(1, 2)), 2);
  Restart();
  EXPECT_EQ(*coordinator_->ReportEvents(attempt, Events(1, 3)), 3) << "repeated events are stored once";
  ASSERT_TRUE(Finish(attempt, RunState::kSucceeded, 3).ok());
  Restart();
  EXPECT_TRUE(Finish(attempt, RunState::kSucceeded, 3).ok()) << "the same end twice is one end";
  EXPECT_TRUE(absl::IsAborted(Finish(attempt, RunState::kFailed, 3)));
  attempt = Take("w");
  EXPECT_EQ(attempt.run_id, "e/dynamic");
}

TEST_F(CoordinatorTest, AStandstillOfTheCoordinatorItselfKillsNobody) {
  Submit("e");
  const AttemptKey attempt = Take("w");
  Pass(absl::Seconds(5));
  clock_.Advance(absl::Minutes(10));  // no ticks: the process was stopped
  coordinator_->Tick();
  EXPECT_EQ(State("e/baseline"), RunState::kRunning);
  EXPECT_FALSE(Sync("w", attempt)->fenced);
}

TEST_F(CoordinatorTest, AnAssignmentThatGotLostIsHandedOutAgain) {
  Submit("e");
  const AttemptKey first = Take("w");
  const AttemptKey again = Take("w");
  EXPECT_EQ(first, again);
  // Not for ever.
  EXPECT_EQ(Take("w").number, 1);
  EXPECT_EQ(Take("w").number, 1);
  EXPECT_EQ(Take("w").number, 2);
  EXPECT_EQ(repository_.GetAttempt(first)->state, RunState::kLost);
}

TEST_F(CoordinatorTest, AWorkerThatForgotWhatItDidGetsANewAttempt) {
  Submit("e");
  const AttemptKey first = Take("w");
  ASSERT_TRUE(coordinator_->ReportEvents(first, Events(1, 1)).ok());
  EXPECT_EQ(Take("w"), (AttemptKey{"e/baseline", 2}));
}

TEST_F(CoordinatorTest, FinishWaitsForEventsAndArtifacts) {
  Submit("e");
  const AttemptKey attempt = Take("w");
  EXPECT_TRUE(absl::IsFailedPrecondition(Finish(attempt, RunState::kSucceeded, 5)));
  const absl::Status missing = Finish(attempt, RunState::kSucceeded, 0, {{"model/x", Sha256Hex("?"), 1}});
  EXPECT_TRUE(absl::IsFailedPrecondition(missing));
  EXPECT_EQ(ReasonOf(missing), "ARTIFACT_MISSING");
  Artifact wrong_size = Model("abc");
  wrong_size.size = 4;
  EXPECT_TRUE(absl::IsFailedPrecondition(Finish(attempt, RunState::kSucceeded, 0, {wrong_size})));
  EXPECT_EQ(State("e/baseline"), RunState::kRunning);
  EXPECT_TRUE(Finish(attempt, RunState::kSucceeded).ok());
}

TEST_F(CoordinatorTest, ACancelReachesTheWorkerAndOutlivesARestart) {
  Submit("e");
  const AttemptKey attempt = Take("w");
  ASSERT_TRUE(coordinator_->Cancel("e", "", "enough").ok());
  EXPECT_EQ(State("e/dynamic"), RunState::kCancelled);
  EXPECT_EQ(State("e/baseline"), RunState::kRunning);
  Restart();
  const auto answer = Sync("w", attempt);
  EXPECT_TRUE(answer->cancel);
  EXPECT_EQ(English(answer->cancel_reason), "cancelled: enough");
  ASSERT_TRUE(Finish(attempt, RunState::kCancelled).ok());
  EXPECT_EQ(State("e/baseline"), RunState::kCancelled);
  EXPECT_EQ(repository_.GetExperiment("e")->state, ExperimentState::kCancelled);
  EXPECT_TRUE(coordinator_->Cancel("e", "", "").ok()) << "it has ended already";
}

TEST_F(CoordinatorTest, ACancelledRunOfAWorkerThatVanishedEndsWithItsLease) {
  Submit("e");
  Take("w");
  ASSERT_TRUE(coordinator_->Cancel("e", "", "").ok());
  Pass(absl::Seconds(31));
  EXPECT_EQ(State("e/baseline"), RunState::kCancelled);
}

TEST_F(CoordinatorTest, CancellingWhatDoesNotExistSaysSo) {
  Submit("e");
  EXPECT_TRUE(absl::IsNotFound(coordinator_->Cancel("nobody", "", "")));
  EXPECT_TRUE(absl::IsNotFound(coordinator_->Cancel("e", "qat", "")));
  EXPECT_TRUE(absl::IsNotFound(coordinator_->Retry("nobody", "")));
  EXPECT_TRUE(absl::IsNotFound(coordinator_->Explain("e/qat").status()));
}

TEST_F(CoordinatorTest, AnEndedExperimentCanBeTriedAgain) {
  Submit("e");
  ASSERT_TRUE(Finish(Take("w"), RunState::kFailed).ok());
  EXPECT_EQ(repository_.GetExperiment("e")->state, ExperimentState::kFailed);
  EXPECT_TRUE(absl::IsFailedPrecondition(coordinator_->Retry("e", "dynamic")) == false);
  EXPECT_EQ(repository_.GetExperiment("e")->state, ExperimentState::kActive);
  EXPECT_EQ(Take("w"), (AttemptKey{"e/baseline", 2}));
}

TEST_F(CoordinatorTest, NothingToTryAgainIsRefused) {
  Submit("e");
  for (const char* run : {"baseline", "dynamic", "comparison"}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(coordinator_->Retry("e", run)));
    ASSERT_TRUE(Finish(Take("w"), RunState::kSucceeded).ok());
  }
  EXPECT_TRUE(absl::IsFailedPrecondition(coordinator_->Retry("e", "")));
}

TEST_F(CoordinatorTest, TimeLimitsStopTheRunThroughItsWorker) {
  Submit("e");
  const AttemptKey attempt = Take("w");
  for (int i = 0; i < 75 * 3 + 1; ++i) {
    Pass(absl::Seconds(20));
    Sync("w", attempt);
  }
  const auto answer = Sync("w", attempt);
  EXPECT_TRUE(answer->cancel);
  EXPECT_THAT(English(answer->cancel_reason), HasSubstr("time limit of 1 h"));
  ASSERT_TRUE(Finish(attempt, RunState::kCancelled).ok());
  EXPECT_EQ(State("e/baseline"), RunState::kTimedOut);
  EXPECT_EQ(State("e/dynamic"), RunState::kSkipped);
}

TEST_F(CoordinatorTest, AWorkerThatIgnoresTheTimeLimitIsFenced) {
  Submit("e");
  const AttemptKey attempt = Take("w");
  for (int i = 0; i < 90 * 3 + 1; ++i) {
    Pass(absl::Seconds(20));
    Sync("w", attempt);
  }
  EXPECT_EQ(State("e/baseline"), RunState::kTimedOut);
  EXPECT_TRUE(Sync("w", attempt)->fenced);
}

TEST_F(CoordinatorTest, TheSameInputsAreNotComputedTwice) {
  Submit("one");
  ASSERT_TRUE(Finish(Take("w"), RunState::kSucceeded, 0, {Model("fp32")}).ok());
  ASSERT_TRUE(Finish(Take("w"), RunState::kSucceeded, 0, {Model("int8")}).ok());
  ASSERT_TRUE(Finish(Take("w"), RunState::kSucceeded).ok());
  Submit("two");
  // The comparison is never taken over.
  EXPECT_EQ(Take("w"), (AttemptKey{"two/comparison", 1}));
  const RunRecord baseline = *repository_.GetRun("two/baseline");
  EXPECT_TRUE(baseline.reused);
  EXPECT_EQ(baseline.result, (AttemptKey{"one/baseline", 1}));
  EXPECT_EQ(baseline.attempts, 0);
  EXPECT_TRUE(repository_.GetRun("two/dynamic")->reused);
}

TEST_F(CoordinatorTest, AnExperimentWithoutReuseComputesAnew) {
  Submit("one");
  ASSERT_TRUE(Finish(Take("w"), RunState::kSucceeded, 0, {Model("fp32")}).ok());
  Submit("two", 9, false);
  EXPECT_EQ(Take("w").run_id, "two/baseline");
}

TEST_F(CoordinatorTest, OtherHardwareOrAMissingArtifactMeansComputingAnew) {
  Submit("one");
  const Artifact model = Model("fp32");
  ASSERT_TRUE(Finish(Take("w"), RunState::kSucceeded, 0, {model}).ok());
  ASSERT_TRUE(coordinator_->Cancel("one", "", "").ok());
  Submit("two");
  WorkerRecord other = Worker("other");
  other.fingerprint = "another CPU";
  std::optional<SyncAnswer> answer;
  coordinator_->Sync({other, std::nullopt, true, {}}, [&](absl::StatusOr<SyncAnswer> a) { answer = *a; });
  ASSERT_TRUE(answer && answer->assignment);
  EXPECT_EQ(answer->assignment->attempt.run_id, "two/baseline");
  artifacts_.Remove(model.sha256);
  Submit("three");
  EXPECT_EQ(Take("w").run_id, "three/baseline");
}

TEST_F(CoordinatorTest, AFullDiskRefusesTheHandOutAndLosesNothing) {
  Submit("e");
  repository_.FailCommits({Fault::kNotWritten});
  EXPECT_EQ(Sync("w"), std::nullopt);  // an error
  EXPECT_EQ(State("e/baseline"), RunState::kQueued);
  EXPECT_EQ(Take("w"), (AttemptKey{"e/baseline", 1}));
  repository_.FailCommits({Fault::kNotWritten});
  EXPECT_FALSE(Finish({"e/baseline", 1}, RunState::kSucceeded).ok());
  EXPECT_TRUE(Finish({"e/baseline", 1}, RunState::kSucceeded).ok());
  EXPECT_EQ(State("e/dynamic"), RunState::kQueued);
}

TEST_F(CoordinatorTest, WrittenButSeenAsFailedIsFoundOut) {
  Submit("e");
  repository_.FailCommits({Fault::kWrittenButFailed});
  EXPECT_EQ(Sync("w"), std::nullopt);  // an error, though the attempt is recorded
  EXPECT_EQ(State("e/baseline"), RunState::kRunning);
  EXPECT_EQ(Take("w"), (AttemptKey{"e/baseline", 1})) << "handed out again, not twice";
  repository_.FailCommits({Fault::kWrittenButFailed});
  EXPECT_FALSE(Finish({"e/baseline", 1}, RunState::kSucceeded).ok());
  EXPECT_TRUE(Finish({"e/baseline", 1}, RunState::kSucceeded).ok());
  EXPECT_EQ(Take("w").run_id, "e/dynamic");
}

TEST_F(CoordinatorTest, AnExperimentThatCouldNotBeReadIsReadLater) {
  Submit("e");
  repository_.FailReads(true);
  repository_.FailCommits({Fault::kWrittenButFailed});
  EXPECT_EQ(Sync("w"), std::nullopt);
  Pass(absl::Seconds(3));
  repository_.FailReads(false);
  Pass(absl::Seconds(1));
  EXPECT_EQ(Take("w"), (AttemptKey{"e/baseline", 1}));
}

// ---- groups of changes ---------------------------------------------------------------------------------

// Changes become durable in groups, which can fail as a whole.
class GroupTest : public CoordinatorTest {
 protected:
  GroupTest() {
    coordinator_ =
        std::make_unique<Coordinator>(CoordinatorParts{&repository_, &repository_, &artifacts_, &clock_,
                                                       &observer_, &repository_, &repository_},
                                      CoordinatorOptions{});
    EXPECT_TRUE(coordinator_->Recover().ok());
  }

  absl::Status SubmitFails(const std::string& id) {
    ExperimentRecord experiment;
    experiment.id = id;
    experiment.request_id = "request " + id;
    experiment.create_time = clock_.Now();
    return coordinator_->Submit(experiment, {NewRun(id, "baseline", {})}).status();
  }
};

TEST_F(GroupTest, AnExperimentRunsToItsEnd) {
  Submit("e");
  for (const char* run : {"e/baseline", "e/dynamic", "e/comparison"}) {
    const AttemptKey attempt = Take("w");
    EXPECT_EQ(attempt.run_id, run);
    ASSERT_TRUE(Finish(attempt, RunState::kSucceeded).ok());
  }
  EXPECT_EQ(repository_.GetExperiment("e")->state, ExperimentState::kSucceeded);
  EXPECT_THAT(coordinator_->Stats().active_runs, IsEmpty());
}

TEST_F(GroupTest, AGroupThatIsNotWrittenChangesNothing) {
  Submit("e");
  repository_.FailGroups({Fault::kNotWritten});
  EXPECT_EQ(Sync("w"), std::nullopt) << "no run without its lease on the disk";
  EXPECT_EQ(State("e/baseline"), RunState::kQueued);
  EXPECT_EQ(coordinator_->HeldBy("w"), std::nullopt);
  EXPECT_EQ(Take("w"), (AttemptKey{"e/baseline", 1}));
  repository_.FailGroups({Fault::kNotWritten});
  EXPECT_TRUE(absl::IsResourceExhausted(Finish({"e/baseline", 1}, RunState::kSucceeded)));
  EXPECT_EQ(coordinator_->HeldBy("w"), (AttemptKey{"e/baseline", 1})) << "the lease is still there";
  EXPECT_TRUE(Finish({"e/baseline", 1}, RunState::kSucceeded).ok());
  EXPECT_EQ(State("e/dynamic"), RunState::kQueued);
}

TEST_F(GroupTest, ASubmissionThatIsNotWrittenIsForgotten) {
  std::optional<absl::StatusOr<SyncAnswer>> answer;
  coordinator_->Sync({Worker("w"), std::nullopt, true, absl::Seconds(30)},
                     [&](absl::StatusOr<SyncAnswer> a) { answer = std::move(a); });
  ASSERT_EQ(answer, std::nullopt) << "it waits";
  repository_.FailGroups({Fault::kNotWritten});
  EXPECT_TRUE(absl::IsResourceExhausted(SubmitFails("e")));
  ASSERT_TRUE(answer.has_value()) << "the waiting worker is asked to call again";
  EXPECT_TRUE(absl::IsResourceExhausted(answer->status()));
  EXPECT_TRUE(absl::IsNotFound(coordinator_->Explain("e/baseline").status()));
  EXPECT_THAT(coordinator_->Stats().active_runs, IsEmpty());
  EXPECT_EQ(Sync("w")->assignment, std::nullopt) << "nothing is left in the queue";
  Submit("e");
  EXPECT_EQ(Take("w"), (AttemptKey{"e/baseline", 1}));
}

TEST_F(GroupTest, AGroupThatIsWrittenButSeenAsFailedIsFoundOut) {
  repository_.FailGroups({Fault::kWrittenButFailed});
  EXPECT_FALSE(SubmitFails("e").ok());
  EXPECT_EQ(State("e/baseline"), RunState::kQueued);
  repository_.FailGroups({Fault::kWrittenButFailed});
  EXPECT_EQ(Sync("w"), std::nullopt);
  EXPECT_EQ(Take("w"), (AttemptKey{"e/baseline", 1})) << "handed out again, not twice";
  repository_.FailGroups({Fault::kWrittenButFailed});
  EXPECT_FALSE(Finish({"e/baseline", 1}, RunState::kSucceeded).ok());
  EXPECT_TRUE(Finish({"e/baseline", 1}, RunState::kSucceeded).ok()) << "the same end again";
  EXPECT_EQ(repository_.GetExperiment("e")->state, ExperimentState::kSucceeded);
}

TEST_F(GroupTest, WhatCouldNotBeReadAgainIsReadLater) {
  Submit("e");
  repository_.FailGroups({Fault::kNotWritten});
  repository_.FailReads(true);
  EXPECT_EQ(Sync("w"), std::nullopt);
  Pass(absl::Seconds(2));
  repository_.FailReads(false);
  Pass(absl::Seconds(1));
  EXPECT_EQ(Take("w"), (AttemptKey{"e/baseline", 1}));
}

TEST_F(GroupTest, AFaultOfAWorkerCountsOnceHoweverOftenItsGroupFails) {
  Submit("e");
  const AttemptKey attempt = Take("w");
  for (int i = 1; i < kMaxWorkerFaults; ++i) {
    repository_.FailGroups({Fault::kNotWritten});
    EXPECT_TRUE(absl::IsResourceExhausted(FinishByFault(attempt)));
  }
  ASSERT_TRUE(FinishByFault(attempt).ok());
  EXPECT_EQ(State("e/baseline"), RunState::kQueued) << "it waits for the worker or for another";
}

TEST_F(GroupTest, OnlyWhatIsDurableIsReported) {
  struct Counter : CoreObserver {
    void OnStart(const AttemptRecord&, const RunRecord&, absl::Duration) override { ++starts; }
    void OnTransition(const RunRecord&, RunState) override { ++transitions; }
    void OnCommit(absl::Duration, const absl::Status& status) override {
      ++(status.ok() ? commits : failures);
    }
    int starts = 0, transitions = 0, commits = 0, failures = 0;
  } counter;
  coordinator_ =
      std::make_unique<Coordinator>(CoordinatorParts{&repository_, &repository_, &artifacts_, &clock_,
                                                     &counter, &repository_, &repository_},
                                    CoordinatorOptions{});
  Submit("e");
  EXPECT_EQ(counter.transitions, 1);  // into the queue
  repository_.FailGroups({Fault::kNotWritten});
  EXPECT_EQ(Sync("w"), std::nullopt);
  EXPECT_EQ(counter.starts, 0);
  EXPECT_EQ(counter.transitions, 1);
  EXPECT_EQ(counter.failures, 1);
  Take("w");
  EXPECT_EQ(counter.starts, 1);
  EXPECT_EQ(counter.transitions, 2);
  EXPECT_EQ(counter.commits, 2);
}

TEST_F(GroupTest, AnExceptionBetweenTheChangesEndsTheProgramInsteadOfLeavingAllCallsWaiting) {
  struct Throwing : CoreObserver {
    void OnCommit(absl::Duration, const absl::Status&) override { throw std::bad_alloc(); }
  } throwing;
  coordinator_ =
      std::make_unique<Coordinator>(CoordinatorParts{&repository_, &repository_, &artifacts_, &clock_,
                                                     &throwing, &repository_, &repository_},
                                    CoordinatorOptions{});
  EXPECT_DEATH(Submit("e"), "bad_alloc");
}

TEST_F(GroupTest, AWorkersRecordIsStoredAgainWhereItsGroupFailed) {
  repository_.FailGroups({Fault::kNotWritten});
  EXPECT_EQ(Sync("w"), std::nullopt);
  EXPECT_THAT(*repository_.ListWorkers(), IsEmpty());
  coordinator_->Tick();
  EXPECT_THAT(*repository_.ListWorkers(), SizeIs(1));
}

TEST_F(GroupTest, ChangesOfManyThreadsEachHaveTheirOwnError) {
  constexpr int kThreads = 16;
  for (int i = 0; i < kThreads; ++i) Submit(absl::StrCat("e", i), 0, /*reuse=*/false);
  std::vector<std::thread> threads;
  std::atomic<int> finished = 0, refused = 0;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      const AttemptKey attempt = Take(absl::StrCat("w", i));
      // Of an attempt that does not exist, and of its own.
      refused += Finish({attempt.run_id, 7}, RunState::kSucceeded).ok() ? 0 : 1;
      finished += Finish(attempt, RunState::kSucceeded).ok() ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(finished, kThreads);
  EXPECT_EQ(refused, kThreads);
  for (int i = 0; i < kThreads; ++i) {
    EXPECT_EQ(State(absl::StrCat("e", i, "/baseline")), RunState::kSucceeded);
    EXPECT_EQ(State(absl::StrCat("e", i, "/dynamic")), RunState::kQueued);
  }
}

TEST_F(CoordinatorTest, ExplainSaysWhyARunWaits) {
  Submit("e");
  auto explained = coordinator_->Explain("e/baseline");
  EXPECT_THAT(explained->reasons, ElementsAre(messages::kNoWorkerConnected()));
  EXPECT_THAT(coordinator_->Explain("e/dynamic")->reasons,
              ElementsAre(messages::kWaitsForRun("baseline", "QUEUED")));
  Submit("gpu", 0, true, "cuda");
  Take("w");
  explained = coordinator_->Explain("gpu/baseline");
  EXPECT_EQ(explained->state, RunState::kQueued);
  EXPECT_THAT(explained->reasons,
              ElementsAre(messages::kNoWorkerHasDevice("cuda"),
                          messages::kWorkerCannot("w", "host-w", messages::kWorkerLacksDevice("cuda"))));
  clock_.Advance(absl::Seconds(5));
  EXPECT_THAT(coordinator_->Explain("e/baseline")->reasons,
              ElementsAre(messages::kAttemptRuns(1, "w", "host-w", absl::Seconds(5))));
  Submit("f");
  Submit("g");
  explained = coordinator_->Explain("g/baseline");
  EXPECT_EQ(explained->queue_position, 2);
  // The limits of an hour of e/baseline and of f/baseline, each with the grace of 15 minutes.
  EXPECT_THAT(explained->reasons,
              ElementsAre(messages::kWaitsForWorkers(1), messages::kRunsAhead(2),
                          messages::kStartsWithin(absl::Minutes(150) - absl::Seconds(5))));
}

TEST_F(CoordinatorTest, UnplaceableRunsAreNamed) {
  RunRecord run = NewRun("e", "baseline", {});
  run.device = "cuda";
  EXPECT_THAT(coordinator_->Unplaceable({run}), IsEmpty()) << "nobody is there yet: it may well come";
  Sync("w");
  EXPECT_THAT(coordinator_->Unplaceable({run}),
              ElementsAre(messages::kRunUnplaceable(
                  "baseline", {messages::kWorkerCannot("w", "", messages::kWorkerLacksDevice("cuda"))})));
  run.device = "cpu";
  EXPECT_THAT(coordinator_->Unplaceable({run}), IsEmpty());
}

TEST_F(CoordinatorTest, WorkersAreIdleBusyOrGone) {
  Submit("e");
  Sync("idle", AttemptKey{"x/y", 1});
  Take("busy");
  const auto state = [&](const std::string& id) {
    for (const WorkerStatus& status : coordinator_->Workers()) {
      if (status.worker.id == id) return status.state;
    }
    return WorkerState::kGone;
  };
  EXPECT_EQ(state("idle"), WorkerState::kIdle);
  EXPECT_EQ(state("busy"), WorkerState::kBusy);
  Pass(absl::Seconds(31));
  EXPECT_EQ(state("idle"), WorkerState::kGone);
  int answers = 0;
  coordinator_->Sync({Worker("idle", "cuda"), std::nullopt, true, absl::Seconds(60)},
                     [&](absl::StatusOr<SyncAnswer>) { ++answers; });
  Pass(absl::Seconds(40));
  EXPECT_EQ(state("idle"), WorkerState::kIdle) << "a call that waits is a sign of life";
  Restart();
  EXPECT_THAT(coordinator_->Workers(), SizeIs(2)) << "workers are remembered";
}

TEST_F(CoordinatorTest, ShuttingDownAnswersAllWaitingCalls) {
  int unavailable = 0;
  const auto count = [&](absl::StatusOr<SyncAnswer> answer) {
    unavailable += absl::IsUnavailable(answer.status());
  };
  coordinator_->Sync({Worker("a"), std::nullopt, true, absl::Seconds(60)}, count);
  coordinator_->StopWaiting();
  coordinator_->Sync({Worker("b"), std::nullopt, true, absl::Seconds(60)}, count);
  EXPECT_EQ(unavailable, 2);
}

TEST_F(CoordinatorTest, ChangesWakeThoseWhoWatch) {
  int changes = 0;
  const int64_t id = coordinator_->feed().Subscribe("e", [&] { ++changes; });
  Submit("e");
  EXPECT_EQ(changes, 1);
  const AttemptKey attempt = Take("w");
  EXPECT_EQ(changes, 2);
  ASSERT_TRUE(coordinator_->ReportEvents(attempt, Events(1, 1)).ok());
  EXPECT_EQ(changes, 3);
  coordinator_->feed().Unsubscribe("e", id);
  ASSERT_TRUE(Finish(attempt, RunState::kSucceeded, 1).ok());
  EXPECT_EQ(changes, 3);
}

// Submitters, workers, watchers, a canceller and the ticker, all at once on the real clock: what the
// sanitizers look at. Every run is handed to one worker at a time, and every experiment ends.
TEST(CoordinatorThreadsTest, ManyCallersAtOnceKeepEveryRunApart) {
  constexpr int kExperiments = 40, kWorkers = 6;
  MemoryRepository repository;
  MemoryArtifacts artifacts;
  CoreObserver observer;
  Coordinator coordinator({&repository, &repository, &artifacts, &Clock::Real(), &observer, &repository}, {});
  ASSERT_TRUE(coordinator.Recover().ok());
  std::atomic<bool> stop{false};
  std::atomic<int> finished{0}, changes{0};
  std::vector<std::thread> threads;
  for (int w = 0; w < kWorkers; ++w) {
    threads.emplace_back([&, w] {
      WorkerRecord worker;
      worker.id = absl::StrCat("w", w);
      worker.devices = {"cpu"};
      while (!stop) {
        auto answered = std::make_shared<std::promise<absl::StatusOr<SyncAnswer>>>();
        coordinator.Sync(
            {worker, std::nullopt, true, absl::Milliseconds(50)},
            [answered](absl::StatusOr<SyncAnswer> answer) { answered->set_value(std::move(answer)); });
        const absl::StatusOr<SyncAnswer> answer = answered->get_future().get();
        if (!answer.ok() || !answer->assignment) continue;
        const AttemptKey attempt = answer->assignment->attempt;
        EXPECT_TRUE(
            coordinator.ReportEvents(attempt, {{1, absl::Now(), LogLine{Severity::kInfo, "x"}}}).ok());
        AttemptEnd end;
        end.key = attempt;
        end.last_event = 1;
        end.time = absl::Now();
        EXPECT_TRUE(coordinator.Finish(end).ok());
        ++finished;
      }
    });
  }
  threads.emplace_back([&] {
    while (!stop) {
      coordinator.Tick();
      coordinator.Stats();
      coordinator.Workers();
      std::this_thread::yield();
    }
  });
  for (int e = 0; e < kExperiments; ++e) {
    ExperimentRecord experiment;
    experiment.id = experiment.request_id = absl::StrCat("e", e);
    RunRecord first;
    first.id = MakeRunId(experiment.id, "a");
    first.experiment_id = experiment.id;
    first.name = "a";
    first.device = "cpu";
    RunRecord second = first;
    second.id = MakeRunId(experiment.id, "b");
    second.name = "b";
    second.needs = {{"a", true}};
    coordinator.feed().Subscribe(experiment.id, [&changes] { ++changes; });
    ASSERT_TRUE(coordinator.Submit(experiment, {first, second}).ok());
    if (e % 5 == 0) {
      EXPECT_TRUE(coordinator.Cancel(experiment.id, "b", "on the way").ok());
    }
  }
  for (int e = 0; e < kExperiments; ++e) {
    while (repository.GetExperiment(absl::StrCat("e", e))->state == ExperimentState::kActive)
      std::this_thread::yield();
  }
  stop = true;
  coordinator.StopWaiting();  // the ticker may be gone before the last wait is over
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(finished, kExperiments);
  EXPECT_GE(changes, kExperiments);
  for (int e = 0; e < kExperiments; ++e)
    EXPECT_EQ(repository.GetRun(absl::StrCat("e", e, "/a"))->attempts, 1);
}

// ---- checkpoints -----------------------------------------------------------------------------------------

class CheckpointTest : public CoordinatorTest {
 protected:
  // The running attempt reports a checkpoint; its file is in the store unless `stored` is false.
  void Save(const AttemptKey& attempt, int64_t step, bool stored = true) {
    const std::string content = absl::StrCat("attempt ", attempt.number, " after ", step);
    const Artifact file{CheckpointName(step), Sha256Hex(content), static_cast<int64_t>(content.size())};
    if (stored) artifacts_.Put(file.sha256, file.size);
    const int64_t number = repository_.GetAttempt(attempt)->last_event + 1;
    ASSERT_TRUE(coordinator_->ReportEvents(attempt, {{number, clock_.Now(), file}}).ok());
  }

  absl::Status End(const AttemptKey& attempt, RunState outcome) {
    std::vector<Artifact> artifacts;
    if (outcome == RunState::kSucceeded) artifacts = {Model("trained")};
    return Finish(attempt, outcome, repository_.GetAttempt(attempt)->last_event, artifacts);
  }

  // What the worker gets to continue from: attempt and step.
  std::pair<int64_t, int64_t> TakeWithCheckpoint(const std::string& worker) {
    const auto answer = Sync(worker);
    if (!answer || !answer->assignment || !answer->assignment->checkpoint) return {0, 0};
    return {answer->assignment->checkpoint->attempt, answer->assignment->checkpoint->step};
  }

  const AttemptKey first_{"e/baseline", 1}, second_{"e/baseline", 2}, third_{"e/baseline", 3};
};

TEST_F(CheckpointTest, TheNextAttemptGetsTheNewestWhoseFileIsThere) {
  Submit("e");
  EXPECT_EQ(TakeWithCheckpoint("w"), std::pair(int64_t{0}, int64_t{0}));
  Save(first_, 100);
  Save(first_, 200);
  Save(first_, 300, /*stored=*/false);
  ASSERT_TRUE(End(first_, RunState::kPreempted).ok());
  EXPECT_EQ(TakeWithCheckpoint("other"), std::pair(int64_t{1}, int64_t{200}));
}

// Every attempt is asked for in vain, except one.
class RepositoryWithOneCheckpoint : public MemoryRepository {
 public:
  RepositoryWithOneCheckpoint(int64_t attempt, Artifact file) : attempt_(attempt), file_(std::move(file)) {}

  absl::StatusOr<std::vector<Artifact>> ListArtifacts(const AttemptKey& key) override {
    read_.push_back(key.number);
    return key.number == attempt_ ? std::vector<Artifact>{file_} : std::vector<Artifact>();
  }

  // The attempts that were read since the last call, in order.
  std::vector<int64_t> TakeRead() { return std::exchange(read_, {}); }

 private:
  const int64_t attempt_;
  const Artifact file_;
  std::vector<int64_t> read_;
};

TEST_F(CheckpointTest, NoMoreAttemptsAreReadThanTheAnswerNeeds) {
  const Artifact file{CheckpointName(100), Sha256Hex("state"), 5};
  artifacts_.Put(file.sha256, file.size);
  RepositoryWithOneCheckpoint events(7, file);
  EXPECT_EQ((*FindCheckpoint(events, artifacts_, "e/baseline", 9))->attempt, 7);
  EXPECT_THAT(events.TakeRead(), ElementsAre(9, 8, 7));
  EXPECT_FALSE(*Advanced(events, artifacts_, {"e/baseline", 9}));
  EXPECT_THAT(events.TakeRead(), ElementsAre(9)) << "it saved nothing";
  EXPECT_TRUE(*Advanced(events, artifacts_, {"e/baseline", 7}));
  EXPECT_THAT(events.TakeRead(), ElementsAre(7, 6, 5, 4, 3, 2, 1));
}

TEST_F(CheckpointTest, AWorkerThatVanishedAndOneThatCrashedLeaveTheirs) {
  Submit("e");
  Take("w");
  Save(first_, 100);
  Pass(absl::Seconds(31));
  ASSERT_EQ(State("e/baseline"), RunState::kQueued);
  EXPECT_EQ(TakeWithCheckpoint("other"), std::pair(int64_t{1}, int64_t{100}));
  ASSERT_TRUE(End(second_, RunState::kCrashed).ok());
  EXPECT_EQ(TakeWithCheckpoint("w"), std::pair(int64_t{1}, int64_t{100}));
  Save(third_, 50);  // it could not use it, and has begun at the start
  ASSERT_TRUE(End(third_, RunState::kPreempted).ok());
  EXPECT_EQ(TakeWithCheckpoint("w"), std::pair(int64_t{3}, int64_t{50}));
}

TEST_F(CheckpointTest, InterruptionsOfATrainingThatAdvancesDoNotEndTheRun) {
  Submit("e");
  for (int64_t attempt = 1; attempt <= 2 * kMaxInterruptions; ++attempt) {
    Take("w");
    Save({"e/baseline", attempt}, 100 * attempt);
    ASSERT_TRUE(End({"e/baseline", attempt}, RunState::kPreempted).ok());
    ASSERT_EQ(State("e/baseline"), RunState::kQueued) << attempt;
  }
  // Without an advance they count.
  const int64_t before = 2 * kMaxInterruptions;
  for (int64_t attempt = before + 1; attempt <= before + kMaxInterruptions; ++attempt) {
    ASSERT_EQ(State("e/baseline"), RunState::kQueued) << attempt;
    Take("w");
    Save({"e/baseline", attempt}, 100);
    ASSERT_TRUE(End({"e/baseline", attempt}, RunState::kPreempted).ok());
  }
  EXPECT_EQ(State("e/baseline"), RunState::kPreempted);
}

TEST_F(CheckpointTest, SurvivesAGroupThatIsNotWritten) {
  coordinator_ =
      std::make_unique<Coordinator>(CoordinatorParts{&repository_, &repository_, &artifacts_, &clock_,
                                                     &observer_, &repository_, &repository_},
                                    CoordinatorOptions{});
  Submit("e");
  Take("w");
  Save(first_, 100);
  repository_.FailGroups({Fault::kNotWritten});
  EXPECT_TRUE(absl::IsResourceExhausted(End(first_, RunState::kSucceeded)));
  Save(first_, 200);
  repository_.FailGroups({Fault::kNotWritten});
  EXPECT_TRUE(absl::IsResourceExhausted(End(first_, RunState::kPreempted)));
  EXPECT_EQ(repository_.GetRun("e/baseline")->interruptions, 0);
  ASSERT_TRUE(End(first_, RunState::kPreempted).ok());
  EXPECT_EQ(TakeWithCheckpoint("other"), std::pair(int64_t{1}, int64_t{200}));
}

TEST_F(CheckpointTest, SurvivesARestartOfTheCoordinator) {
  Submit("e");
  Take("w");
  Save(first_, 100);
  ASSERT_TRUE(End(first_, RunState::kPreempted).ok());
  Restart();
  EXPECT_EQ(TakeWithCheckpoint("w"), std::pair(int64_t{1}, int64_t{100}));
  // The answer was lost.
  EXPECT_EQ(TakeWithCheckpoint("w"), std::pair(int64_t{1}, int64_t{100}));
  const auto assignment = coordinator_->AssignmentOf("w");
  ASSERT_TRUE(assignment.ok() && *assignment);
  EXPECT_EQ((*assignment)->checkpoint->step, 100);
}

TEST_F(CheckpointTest, AnEndedRunStartsFromTheBeginningWhenItIsRetried) {
  Submit("e", 0, /*reuse=*/false);
  Take("w");
  Save(first_, 100);
  ASSERT_TRUE(End(first_, RunState::kFailed).ok());
  ASSERT_TRUE(coordinator_->Retry("e", "").ok());
  EXPECT_EQ(TakeWithCheckpoint("w"), std::pair(int64_t{0}, int64_t{0}));
}

TEST_F(CheckpointTest, ExplainsFromWhereTheTrainingContinues) {
  Submit("e");
  Take("w");
  Save(first_, 100);
  const auto text = [&] {
    std::string all;
    const Explanation explanation = *coordinator_->Explain("e/baseline");
    for (const Message& reason : explanation.reasons) absl::StrAppend(&all, English(reason), "\n");
    return all;
  };
  EXPECT_THAT(text(), HasSubstr("its training is saved up to step 100, by attempt 1"));
  ASSERT_TRUE(End(first_, RunState::kPreempted).ok());
  EXPECT_THAT(text(),
              HasSubstr("the next attempt continues its training after step 100, which attempt 1 saved"));
}

TEST_F(CheckpointTest, AResultOfTwoFingerprintsIsNotReused) {
  for (const bool elsewhere : {false, true}) {
    SCOPED_TRACE(elsewhere);
    const std::string id = elsewhere ? "mixed" : "pure";
    const AttemptKey first{id + "/baseline", 1}, second{id + "/baseline", 2};
    Submit(id);
    WorkerRecord worker = Worker(id);
    const auto sync = [&] { coordinator_->Sync({worker, {}, true, {}}, [](absl::StatusOr<SyncAnswer>) {}); };
    // So that the second experiment does not take over the first one's result.
    worker.runner_sha256 = id;
    sync();
    Save(first, 100);
    ASSERT_TRUE(End(first, RunState::kPreempted).ok());
    if (elsewhere) worker.fingerprint = "another";
    sync();
    ASSERT_TRUE(End(second, RunState::kSucceeded).ok());
    const std::string again = id + "-again";
    ASSERT_TRUE(coordinator_->Cancel(id, "", "").ok());
    Submit(again);
    sync();
    EXPECT_EQ(repository_.GetRun(again + "/baseline")->reused, !elsewhere);
    ASSERT_TRUE(coordinator_->Cancel(again, "", "").ok());
    for (int64_t attempt : {1}) Finish({again + "/dynamic", attempt}, RunState::kCancelled).IgnoreError();
    Finish({again + "/baseline", 1}, RunState::kCancelled).IgnoreError();
  }
}

}  // namespace
}  // namespace quantlab
