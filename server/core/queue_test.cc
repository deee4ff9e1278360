// Which run comes next, on which worker, and why one waits: the coordinator with several workers and
// submitters, against repositories in memory and a fake clock.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/records/worker_facts.h"
#include "server/core/coordinator.h"
#include "tests/fakes/memory_repository.h"

namespace quantlab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class QueueTest : public testing::Test {
 protected:
  QueueTest() { Restart(); }

  // As after kill -9: all that is left is in the repositories.
  void Restart() {
    coordinator_ = std::make_unique<Coordinator>(
        CoordinatorParts{&repository_, &repository_, &artifacts_, &clock_, &observer_, &repository_},
        CoordinatorOptions{});
    ASSERT_TRUE(coordinator_->Recover().ok());
  }

  static WorkerRecord Worker(const std::string& id) {
    WorkerRecord worker;
    worker.id = id;
    worker.hostname = "host-" + id;
    worker.devices = {"cpu"};
    worker.fingerprint = "fp";
    worker.runner_sha256 = "runner";
    return worker;
  }

  static RunRecord NewRun(const std::string& name) {
    RunRecord run;
    run.name = name;
    run.device = "cpu";
    run.time_limit = absl::Hours(1);
    return run;
  }

  void Submit(const std::string& id, std::vector<RunRecord> runs, const std::string& submitter = "alice",
              int priority = 0) {
    ExperimentRecord experiment;
    experiment.id = id;
    experiment.request_id = "request " + id;
    experiment.submitter = submitter;
    experiment.priority = priority;
    experiment.create_time = clock_.Now();
    for (RunRecord& run : runs) {
      run.experiment_id = id;
      run.id = MakeRunId(id, run.name);
    }
    const auto created = coordinator_->Submit(experiment, runs);
    ASSERT_TRUE(created.ok()) << created.status();
  }

  // The attempt that the worker is given now, if any.
  std::optional<AttemptKey> Ask(const WorkerRecord& worker) {
    std::optional<SyncAnswer> answer;
    coordinator_->Sync({worker, std::nullopt, true, absl::ZeroDuration()},
                       [&](absl::StatusOr<SyncAnswer> a) { answer = *a; });
    if (!answer || !answer->assignment) return std::nullopt;
    return answer->assignment->attempt;
  }
  std::optional<AttemptKey> Ask(const std::string& worker) { return Ask(Worker(worker)); }
  // Its run; empty where it gets none.
  std::string RunFor(const std::string& worker) {
    const auto attempt = Ask(worker);
    return attempt ? attempt->run_id : "";
  }
  // The answer to a worker that reports this attempt.
  SyncAnswer Holding(const std::string& worker, const AttemptKey& attempt) {
    std::optional<SyncAnswer> answer;
    coordinator_->Sync({Worker(worker), attempt, false, absl::ZeroDuration()},
                       [&](absl::StatusOr<SyncAnswer> a) { answer = *a; });
    return answer.value_or(SyncAnswer());
  }

  absl::Status Finish(const AttemptKey& attempt, RunState outcome = RunState::kSucceeded) {
    AttemptEnd end;
    end.key = attempt;
    end.outcome = outcome;
    end.last_event = 0;
    end.time = clock_.Now();
    return coordinator_->Finish(end);
  }

  absl::StatusOr<WorkerStatus> SetMode(const std::string& worker, WorkerMode mode,
                                       const std::string& reason = "") {
    return coordinator_->SetWorkerMode({worker, mode, TextMessage(reason), "carol", clock_.Now()});
  }

  RunState State(const std::string& run_id) { return repository_.GetRun(run_id)->state; }

  std::vector<std::string> Reasons(const std::string& run_id) {
    std::vector<std::string> sentences;
    const auto explanation = coordinator_->Explain(run_id);
    EXPECT_TRUE(explanation.ok()) << explanation.status();
    if (!explanation.ok()) return sentences;
    for (const Message& reason : explanation->reasons) sentences.push_back(English(reason));
    return sentences;
  }

  FakeClock clock_;
  MemoryRepository repository_;
  MemoryArtifacts artifacts_;
  CoreObserver observer_;
  std::unique_ptr<Coordinator> coordinator_;
};

// ---- modes of workers ------------------------------------------------------------------------------------

TEST_F(QueueTest, ADrainedWorkerEndsItsRunAndGetsNoOther) {
  Submit("e", {NewRun("a"), NewRun("b")});
  const auto attempt = Ask("w");
  ASSERT_TRUE(attempt);
  const auto status = SetMode("w", WorkerMode::kDrained, "new disk");
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->mode->mode, WorkerMode::kDrained);
  EXPECT_EQ(status->attempt, attempt);
  EXPECT_FALSE(Holding("w", *attempt).cancel);
  EXPECT_FALSE(Holding("w", *attempt).fenced);
  ASSERT_TRUE(Finish(*attempt).ok());
  EXPECT_EQ(State("e/a"), RunState::kSucceeded);
  EXPECT_EQ(RunFor("w"), "");
  ASSERT_TRUE(SetMode("w", WorkerMode::kActive).ok());
  EXPECT_EQ(RunFor("w"), "e/b");
}

TEST_F(QueueTest, AQuarantinedWorkerLosesItsRunToAnother) {
  Submit("e", {NewRun("a")});
  const auto attempt = Ask("w");
  ASSERT_TRUE(attempt);
  ASSERT_TRUE(SetMode("w", WorkerMode::kQuarantined, "ECC errors").ok());
  EXPECT_EQ(State("e/a"), RunState::kQueued);
  EXPECT_EQ(repository_.GetAttempt(*attempt)->state, RunState::kPreempted);
  EXPECT_THAT(repository_.GetRun("e/a")->message,
              HasSubstr("worker w on host-w was quarantined: ECC errors"));
  EXPECT_TRUE(Holding("w", *attempt).fenced);
  EXPECT_TRUE(absl::IsAborted(Finish(*attempt))) << "its result is not accepted";
  EXPECT_EQ(RunFor("w"), "");
  EXPECT_EQ(RunFor("other"), "e/a");
}

TEST_F(QueueTest, AWaitingWorkerIsNotWokenWhileDrainedAndIsAfterwards) {
  std::optional<SyncAnswer> got;
  coordinator_->Sync({Worker("w"), std::nullopt, true, absl::Seconds(30)},
                     [&](absl::StatusOr<SyncAnswer> answer) { got = *answer; });
  ASSERT_TRUE(SetMode("w", WorkerMode::kDrained).ok());
  Submit("e", {NewRun("a")});
  EXPECT_FALSE(got.has_value());
  ASSERT_TRUE(SetMode("w", WorkerMode::kActive).ok());
  ASSERT_TRUE(got && got->assignment);
  EXPECT_EQ(got->assignment->attempt.run_id, "e/a");
}

TEST_F(QueueTest, ModesOutliveTheCoordinator) {
  Ask("w");
  ASSERT_TRUE(SetMode("w", WorkerMode::kDrained, "new disk").ok());
  Restart();
  Submit("e", {NewRun("a")});
  EXPECT_EQ(RunFor("w"), "");
  const std::vector<WorkerStatus> workers = coordinator_->Workers();
  ASSERT_EQ(workers.size(), 1u);
  EXPECT_EQ(workers[0].mode->by, "carol");
  ASSERT_TRUE(SetMode("w", WorkerMode::kActive).ok());
  Restart();
  EXPECT_EQ(RunFor("w"), "e/a");
}

TEST_F(QueueTest, AModeThatCouldNotBeStoredIsNotInEffect) {
  Ask("w");
  repository_.FailModes(true);
  EXPECT_TRUE(absl::IsResourceExhausted(SetMode("w", WorkerMode::kDrained).status()));
  EXPECT_FALSE(coordinator_->Workers().at(0).mode.has_value());
  Submit("e", {NewRun("a")});
  EXPECT_EQ(RunFor("w"), "e/a");
}

TEST_F(QueueTest, AnUnknownWorkerHasNoMode) {
  const absl::Status status = SetMode("nobody", WorkerMode::kDrained).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("'nobody'"));
}

TEST_F(QueueTest, ExplainNamesADrainedWorkerAndWhoDrainedIt) {
  Ask("w1");
  Ask("w2");
  ASSERT_TRUE(SetMode("w1", WorkerMode::kDrained, "new disk").ok());
  ASSERT_TRUE(SetMode("w2", WorkerMode::kQuarantined).ok());
  Submit("e", {NewRun("a")});
  EXPECT_THAT(Reasons("e/a"), ElementsAre("worker w1 on host-w1 is drained by carol: new disk",
                                          "worker w2 on host-w2 is quarantined by carol"));
}

// ---- shares ----------------------------------------------------------------------------------------------

std::vector<RunRecord> Runs(int count, const std::string& method = "") {
  std::vector<RunRecord> runs;
  for (int i = 0; i < count; ++i) {
    RunRecord run;
    run.name = absl::StrCat("r", i);
    run.device = "cpu";
    run.time_limit = absl::Hours(1);
    runs.push_back(std::move(run));
  }
  return runs;
}

TEST_F(QueueTest, OneRunOfBobStartsNextAfterAHundredOfAlice) {
  Submit("a", Runs(100));
  const auto first = Ask("w");
  clock_.Advance(absl::Minutes(1));
  Submit("b", Runs(1), "bob");
  ASSERT_TRUE(Finish(*first).ok());
  EXPECT_EQ(RunFor("w"), "b/r0");
}

TEST_F(QueueTest, SharesOutliveTheCoordinator) {
  Submit("a", Runs(100));
  Ask("w1");
  Restart();
  Submit("b", Runs(1), "bob");
  EXPECT_EQ(RunFor("w2"), "b/r0") << "alice's running run is known after the restart";
}

// Their ends were written, and the coordinator has not been able to read them back.
TEST_F(QueueTest, NothingOfADeletedExperimentStaysInTheQueueOrWithAWorker) {
  Submit("running", {NewRun("baseline")});
  const auto attempt = Ask("w1");
  ASSERT_TRUE(attempt);
  Submit("queued", {NewRun("baseline")});
  repository_.FailCommits({Fault::kWrittenButFailed, Fault::kWrittenButFailed});
  repository_.FailReads(true);
  EXPECT_FALSE(Finish(*attempt).ok());
  EXPECT_FALSE(coordinator_->Cancel("queued", "", "").ok());
  repository_.FailReads(false);
  for (const char* id : {"running", "queued"})
    ASSERT_TRUE(coordinator_->Delete(id, [] { return absl::OkStatus(); }).ok());
  EXPECT_EQ(coordinator_->HeldBy("w1"), std::nullopt);
  RunRecord elsewhere = NewRun("baseline");
  elsewhere.device = "cuda";
  Submit("next", {elsewhere});
  EXPECT_EQ(coordinator_->Explain("next/baseline")->queue_position, 0);
}

TEST_F(QueueTest, ExplainSaysWhoseTurnItIs) {
  Submit("b", Runs(2), "bob");
  Submit("a", Runs(3));
  Submit("c", Runs(1), "carol", 5);
  ASSERT_EQ(RunFor("w1"), "c/r0");
  ASSERT_EQ(RunFor("w2"), "b/r0");
  Submit("d", Runs(1), "dave", 5);
  EXPECT_THAT(Reasons("a/r2"),
              ElementsAre("waits for one of 2 workers that can execute it; all are busy",
                          "4 runs are ahead of it in the queue", "1 of them has a higher priority",
                          HasSubstr("1 of them belongs to 1 other submitter whose turn comes first"),
                          HasSubstr("within")));
}

// ---- machines --------------------------------------------------------------------------------------------

// Two workers of one machine, and one of another.
class MachineTest : public QueueTest {
 protected:
  static WorkerRecord On(const std::string& id, const std::string& machine) {
    WorkerRecord worker = Worker(id);
    worker.machine_id = machine;
    return worker;
  }
  static RunRecord Timing(const std::string& name) {
    RunRecord run = NewRun(name);
    run.kind = RunKind::kComparison;
    return run;
  }
  std::string RunFor(const WorkerRecord& worker) {
    const auto attempt = Ask(worker);
    return attempt ? attempt->run_id : "";
  }

  const WorkerRecord a1_ = On("a1", "a"), a2_ = On("a2", "a"), b1_ = On("b1", "b");
};

TEST_F(MachineTest, WhileOneMeasuresTimeTheOtherWorkersOfItsMachineGetNothing) {
  Ask(a1_);
  Ask(a2_);
  Submit("t", {Timing("comparison")}, "alice", 1);
  Submit("e", Runs(3));
  const auto timing = Ask(a1_);
  ASSERT_EQ(timing->run_id, "t/comparison");
  EXPECT_EQ(RunFor(a2_), "");
  EXPECT_EQ(RunFor(b1_), "e/r0") << "another machine";
  EXPECT_THAT(Reasons("e/r1"),
              ElementsAre("waits for one of 2 workers that can execute it; all are busy",
                          "worker a2 on host-a2 gets no other run while t/comparison measures times on its "
                          "machine",
                          HasSubstr("within")));
  ASSERT_TRUE(Finish(*timing).ok());
  EXPECT_EQ(RunFor(a2_), "e/r1");
}

TEST_F(MachineTest, AMachineIsKeptFreeForARunThatMeasuresTime) {
  Ask(a1_);
  Ask(a2_);
  Submit("e", Runs(9));
  const auto first = Ask(a1_), second = Ask(a2_);
  Submit("t", {Timing("comparison")}, "alice", 1);
  ASSERT_TRUE(Finish(*first, RunState::kFailed).ok());
  EXPECT_EQ(RunFor(a1_), "") << "else the machine would never be free";
  EXPECT_THAT(
      Reasons("t/comparison"),
      ElementsAre("worker a1 on host-a1 must have its machine to itself for a run that measures times; 1 "
                  "run is still executed there",
                  "worker a2 on host-a2 must have its machine to itself for a run that measures times; 1 "
                  "run is still executed there",
                  HasSubstr("within")));
  EXPECT_THAT(Reasons("e/r2")[0],
              HasSubstr("is kept free for t/comparison, which measures times and needs its machine alone"));
  ASSERT_TRUE(Finish(*second).ok());
  EXPECT_EQ(RunFor(a1_), "t/comparison");
  EXPECT_EQ(RunFor(a2_), "");
}

TEST_F(MachineTest, RunsThatComeFirstMayStillUseTheMachine) {
  Ask(a1_);
  Ask(a2_);
  Submit("e", Runs(3), "alice", 1);
  const auto first = Ask(a1_), second = Ask(a2_);
  Submit("t", {Timing("comparison")});
  ASSERT_TRUE(Finish(*first).ok());
  const auto third = Ask(a1_);
  ASSERT_TRUE(third);
  EXPECT_EQ(third->run_id, "e/r2");
  ASSERT_TRUE(Finish(*second).ok());
  EXPECT_EQ(RunFor(a2_), "");
  ASSERT_TRUE(Finish(*third).ok());
  EXPECT_EQ(RunFor(a2_), "t/comparison");
}

TEST_F(MachineTest, OnlyOneMachineIsKeptFreeAndAFreeOneIsTaken) {
  Ask(a1_);
  Ask(b1_);
  Submit("e", Runs(9));
  Ask(a1_);
  const auto other = Ask(b1_);
  Submit("t", {Timing("comparison")}, "alice", 1);
  ASSERT_TRUE(Finish(*other).ok());
  EXPECT_EQ(RunFor(b1_), "t/comparison") << "whichever is free first";
  EXPECT_EQ(RunFor(a2_), "e/r2") << "and the other is not kept free any more";
}

TEST_F(MachineTest, AWaitingWorkerIsWokenWhenItsMachineIsFree) {
  Submit("t", {Timing("comparison")});
  const auto timing = Ask(a1_);
  Submit("e", Runs(1));
  std::optional<SyncAnswer> got;
  coordinator_->Sync({a2_, std::nullopt, true, absl::Seconds(30)},
                     [&](absl::StatusOr<SyncAnswer> answer) { got = *answer; });
  EXPECT_FALSE(got.has_value());
  ASSERT_TRUE(Finish(*timing).ok());
  ASSERT_TRUE(got && got->assignment);
  EXPECT_EQ(got->assignment->attempt.run_id, "e/r0");
}

TEST_F(MachineTest, ARunThatIsAskedToBeAloneIsSoAfterARestart) {
  RunRecord alone = NewRun("mixed");
  alone.requirements.alone = true;
  Submit("t", {alone}, "alice", 1);
  ASSERT_EQ(RunFor(a1_), "t/mixed");
  Ask(a2_);
  Restart();
  Submit("e", Runs(1));
  EXPECT_EQ(RunFor(a2_), "");
  EXPECT_EQ(RunFor(b1_), "e/r0");
}

// ---- labels and memory -----------------------------------------------------------------------------------

TEST_F(QueueTest, RunsGoToWorkersWithTheirLabelsAndMemory) {
  RunRecord needy = NewRun("needy");
  needy.requirements = {int64_t{8} << 30, {{"room", "2"}}, false};
  Submit("e", {needy, NewRun("other")});
  WorkerRecord plain = Worker("plain"), fit = Worker("fit");
  EXPECT_EQ(Ask(plain)->run_id, "e/other");
  EXPECT_THAT(Reasons("e/needy"), ElementsAre("no connected worker can execute it",
                                              "worker plain on host-plain has no label room=2"));
  fit.labels = {{"room", "2"}};
  fit.facts = {{"memory_bytes", absl::StrCat(int64_t{8} << 30)}};
  EXPECT_EQ(Ask(fit)->run_id, "e/needy");
  EXPECT_THAT(coordinator_->Unplaceable({needy}), IsEmpty());
}

TEST_F(QueueTest, RunsOfPairsWaitForAWorkerThatReadsThem) {
  RunRecord pairs = NewRun("pairs");
  pairs.requirements.labels = {{kTextPairsFeature.requirement, "true"}};
  Submit("e", {pairs, NewRun("other")});
  WorkerRecord earlier = Worker("earlier"), present = Worker("present");
  EXPECT_EQ(Ask(earlier)->run_id, "e/other");
  EXPECT_THAT(
      Reasons("e/pairs"),
      ElementsAre("no connected worker can execute it",
                  HasSubstr("worker earlier on host-earlier has a quant-runner of an earlier version")));
  EXPECT_THAT(coordinator_->Unplaceable({pairs}), SizeIs(1));
  present.facts = {{kTextPairsFeature.fact, "true"}};
  EXPECT_EQ(Ask(present)->run_id, "e/pairs");
}

TEST_F(QueueTest, AWorkersNewLabelsAreStored) {
  WorkerRecord worker = Worker("w");
  Ask(worker);
  worker.labels = {{"room", "2"}};
  worker.machine_id = "m";
  Ask(worker);
  const auto stored = repository_.ListWorkers();
  ASSERT_EQ(stored->size(), 1u);
  EXPECT_EQ(stored->at(0).labels, worker.labels);
  EXPECT_EQ(stored->at(0).machine_id, "m");
}

// ---- inputs ----------------------------------------------------------------------------------------------

// Each with a baseline and two runs that read its model.
class InputsTest : public QueueTest {
 protected:
  void SubmitFamily(const std::string& id) {
    RunRecord first = NewRun("first"), second = NewRun("second");
    first.needs = second.needs = {{"baseline", true}};
    Submit(id, {NewRun("baseline"), first, second});
  }
};

TEST_F(InputsTest, ARunGoesToTheWaitingWorkerThatHasItsInputs) {
  RunRecord late = NewRun("late");
  late.needs = {{"baseline", true}, {"gate", true}};
  Submit("e", {NewRun("baseline"), NewRun("gate"), late});
  const auto baseline = Ask("maker"), gate = Ask("other");
  ASSERT_TRUE(Finish(*baseline).ok());
  std::map<std::string, std::string> got;
  for (const std::string worker : {"longest", "maker"}) {
    coordinator_->Sync({Worker(worker), std::nullopt, true, absl::Seconds(30)},
                       [&got, worker](absl::StatusOr<SyncAnswer> answer) {
                         if (answer->assignment) got[worker] = answer->assignment->attempt.run_id;
                       });
  }
  ASSERT_TRUE(Finish(*gate).ok());
  EXPECT_THAT(got, ElementsAre(testing::Pair("maker", "e/late")));
}

TEST_F(InputsTest, ARunDoesNotWaitForTheWorkerThatHasItsInputs) {
  SubmitFamily("e");
  const auto baseline = Ask("maker");
  std::string got;
  coordinator_->Sync({Worker("idle"), std::nullopt, true, absl::Seconds(30)},
                     [&got](absl::StatusOr<SyncAnswer> answer) { got = answer->assignment->attempt.run_id; });
  ASSERT_TRUE(Finish(*baseline).ok());
  EXPECT_EQ(got, "e/first");
}

TEST_F(InputsTest, AWorkerIsGivenTheRunWhoseInputsItHas) {
  SubmitFamily("e");
  clock_.Advance(absl::Seconds(1));
  SubmitFamily("f");
  const auto e = Ask("we"), f = Ask("wf");
  ASSERT_EQ(f->run_id, "f/baseline");
  ASSERT_TRUE(Finish(*e).ok());
  clock_.Advance(absl::Seconds(1));
  ASSERT_TRUE(Finish(*f).ok());
  EXPECT_EQ(RunFor("wf"), "f/first") << "e/first entered the queue before, and its model is not here";
  EXPECT_EQ(RunFor("we"), "e/first");
  Restart();
  EXPECT_EQ(RunFor("stranger"), "e/second") << "without any, the first one";
}

TEST_F(InputsTest, WhoMadeAModelIsKnownAfterARestart) {
  SubmitFamily("e");
  clock_.Advance(absl::Seconds(1));
  SubmitFamily("f");
  ASSERT_TRUE(Finish(*Ask("we")).ok());
  ASSERT_TRUE(Finish(*Ask("wf")).ok());
  Restart();
  EXPECT_EQ(RunFor("wf"), "f/first");
}

TEST_F(InputsTest, ARunIsNotPassedOverForEver) {
  SubmitFamily("e");
  SubmitFamily("f");
  const auto e = Ask("we"), f = Ask("wf");
  ASSERT_TRUE(Finish(*e).ok());
  clock_.Advance(absl::Minutes(11));
  ASSERT_TRUE(Finish(*f).ok());
  EXPECT_EQ(RunFor("wf"), "e/first") << "it entered the queue long before f/first, whose model is here";
}

// ---- estimates -------------------------------------------------------------------------------------------

TEST_F(QueueTest, TheStartIsEstimatedByTheTimesOfEarlierRuns) {
  Submit("e", Runs(5));
  const auto first = Ask("w");
  auto explanation = coordinator_->Explain("e/r1");
  ASSERT_TRUE(explanation->estimate.has_value());
  EXPECT_TRUE(explanation->estimate->at_most) << "none has ended yet";
  EXPECT_EQ(explanation->estimate->in, absl::Minutes(75)) << "an hour, and the grace of 15 minutes";
  for (int i = 0; i < 20; ++i) {
    clock_.Advance(absl::Seconds(29));
    coordinator_->Tick();
    Holding("w", *first);
  }
  clock_.Advance(absl::Seconds(20));
  ASSERT_TRUE(Finish(*first).ok());
  ASSERT_EQ(RunFor("w"), "e/r1");
  explanation = coordinator_->Explain("e/r3");
  EXPECT_FALSE(explanation->estimate->at_most);
  EXPECT_EQ(explanation->estimate->in, absl::Minutes(20));
  EXPECT_EQ(explanation->estimate->runs, 1);
  EXPECT_THAT(Reasons("e/r3").back(),
              HasSubstr("it can start in about 20 min if nothing else comes before it"));
}

TEST_F(QueueTest, NoStartIsEstimatedWithoutAWorkerThatCouldTakeTheRun) {
  Submit("e", Runs(2));
  EXPECT_FALSE(coordinator_->Explain("e/r0")->estimate.has_value());
  Ask("w");
  ASSERT_TRUE(SetMode("w", WorkerMode::kDrained).ok());
  EXPECT_FALSE(coordinator_->Explain("e/r1")->estimate.has_value());
}

}  // namespace
}  // namespace quantlab
