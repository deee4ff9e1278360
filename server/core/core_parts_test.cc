// LeaseTable and ExperimentChange: pure parts of core.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/messages/message_catalogue.h"
#include "server/core/lease_table.h"
#include "server/core/transitions.h"

namespace quantlab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

AttemptRecord Attempt(const std::string& run, int64_t number, const std::string& worker) {
  AttemptRecord attempt;
  attempt.key = {run, number};
  attempt.worker_id = worker;
  return attempt;
}

// ---- leases ----

class LeaseTableTest : public testing::Test {
 protected:
  FakeClock clock_;
  LeaseTable leases_{clock_, absl::Seconds(30)};
};

TEST_F(LeaseTableTest, ALeaseLastsOneTerm) {
  leases_.Grant(Attempt("e/a", 1, "w"), absl::Hours(1));
  clock_.Advance(absl::Seconds(29));
  EXPECT_THAT(leases_.Expired(), IsEmpty());
  clock_.Advance(absl::Seconds(1));
  EXPECT_THAT(leases_.Expired(), ElementsAre(AttemptKey{"e/a", 1}));
}

TEST_F(LeaseTableTest, RenewingGivesAFullTerm) {
  leases_.Grant(Attempt("e/a", 1, "w"), absl::Hours(1));
  clock_.Advance(absl::Seconds(29));
  EXPECT_TRUE(leases_.Renew({"e/a", 1}));
  clock_.Advance(absl::Seconds(29));
  EXPECT_THAT(leases_.Expired(), IsEmpty());
}

TEST_F(LeaseTableTest, AnOlderAttemptIsFenced) {
  leases_.Grant(Attempt("e/a", 1, "w1"), absl::Hours(1));
  leases_.Grant(Attempt("e/a", 2, "w2"), absl::Hours(1));
  EXPECT_FALSE(leases_.Renew({"e/a", 1}));
  EXPECT_TRUE(leases_.Renew({"e/a", 2}));
  EXPECT_EQ(leases_.FindByWorker("w1"), nullptr);
  ASSERT_NE(leases_.FindByWorker("w2"), nullptr);
  leases_.Drop("e/a");
  EXPECT_EQ(leases_.FindByWorker("w2"), nullptr);
  EXPECT_FALSE(leases_.Renew({"e/a", 2}));
}

TEST_F(LeaseTableTest, WallTimeDoesNotMatter) {
  leases_.Grant(Attempt("e/a", 1, "w"), absl::Hours(1));
  clock_.SetWallTime(clock_.Now() + absl::Hours(1000));
  EXPECT_THAT(leases_.Expired(), IsEmpty());
}

TEST_F(LeaseTableTest, TimeLimitsAreApartFromLeases) {
  leases_.Grant(Attempt("e/a", 1, "w"), absl::Minutes(1));
  for (int i = 0; i < 7; ++i) {
    clock_.Advance(absl::Seconds(10));
    leases_.Renew({"e/a", 1});
  }
  leases_.MarkOverTime();
  EXPECT_THAT(leases_.Expired(), IsEmpty());
  EXPECT_TRUE(leases_.Find({"e/a", 1})->over_time);
  EXPECT_THAT(leases_.OverTimeSince(absl::Seconds(11)), IsEmpty());
  EXPECT_THAT(leases_.OverTimeSince(absl::Seconds(10)), ElementsAre(AttemptKey{"e/a", 1}));
}

// ---- transitions ----

RunRecord MakeRun(const std::string& name, std::vector<RunDependency> needs,
                  RunState state = RunState::kPending) {
  RunRecord run;
  run.id = "e/" + name;
  run.experiment_id = "e";
  run.name = name;
  run.needs = std::move(needs);
  run.state = state;
  run.device = "cpu";
  return run;
}

class TransitionsTest : public testing::Test {
 protected:
  // What `change` makes of the runs.
  void Absorb(ExperimentChange& change) {
    for (const auto& [index, run] : change.changed()) runs_[index] = run;
  }
  void Settle() {
    const RunIndex index(runs_);
    ExperimentChange change(runs_, index, now_);
    change.Settle();
    Absorb(change);
  }
  void Start(const std::string& name) {
    const RunIndex index(runs_);
    ExperimentChange change(runs_, index, now_);
    ASSERT_TRUE(change.Start("e/" + name, worker_).ok());
    Absorb(change);
  }
  absl::Status Finish(const std::string& name, RunState outcome, const std::string& message = "why") {
    const RunIndex index(runs_);
    ExperimentChange change(runs_, index, now_);
    AttemptEnd end;
    end.key = {"e/" + name, At(name).attempts};
    end.outcome = outcome;
    end.message = message;
    const absl::Status status = change.Finish(end);
    Absorb(change);
    return status;
  }
  const RunRecord& At(const std::string& name) {
    for (const RunRecord& run : runs_) {
      if (run.name == name) return run;
    }
    ADD_FAILURE() << name;
    return runs_[0];
  }
  RunState State(const std::string& name) { return At(name).state; }

  absl::Time now_ = absl::FromUnixSeconds(1000);
  WorkerRecord worker_ = [] {
    WorkerRecord worker;
    worker.id = "w";
    return worker;
  }();
  std::vector<RunRecord> runs_ = {MakeRun("baseline", {}), MakeRun("dynamic", {{"baseline", true}}),
                                  MakeRun("comparison", {{"baseline", true}, {"dynamic", false}})};
};

TEST_F(TransitionsTest, RunsFollowTheirNeeds) {
  Settle();
  EXPECT_EQ(State("baseline"), RunState::kQueued);
  EXPECT_EQ(State("dynamic"), RunState::kPending);
  Start("baseline");
  EXPECT_EQ(At("baseline").attempts, 1);
  ASSERT_TRUE(Finish("baseline", RunState::kSucceeded).ok());
  EXPECT_EQ(At("baseline").result, (AttemptKey{"e/baseline", 1}));
  EXPECT_EQ(State("dynamic"), RunState::kQueued);
  EXPECT_EQ(State("comparison"), RunState::kPending);
  Start("dynamic");
  ASSERT_TRUE(Finish("dynamic", RunState::kFailed).ok());
  EXPECT_EQ(State("comparison"), RunState::kQueued) << "it needs every variant only to have ended";
}

TEST_F(TransitionsTest, AFailedBaselineSkipsTheRestInOneChange) {
  Settle();
  Start("baseline");
  const RunIndex index(runs_);
  ExperimentChange change(runs_, index, now_);
  AttemptEnd end;
  end.key = {"e/baseline", 1};
  end.outcome = RunState::kFailed;
  ASSERT_TRUE(change.Finish(end).ok());
  EXPECT_EQ(change.change().runs.size(), 3u);
  Absorb(change);
  EXPECT_EQ(State("dynamic"), RunState::kSkipped);
  EXPECT_EQ(State("comparison"), RunState::kSkipped);
  EXPECT_EQ(At("dynamic").message, "needs baseline, which ended as FAILED");
}

TEST_F(TransitionsTest, ACrashIsTriedAgainTwice) {
  Settle();
  for (int attempt = 1; attempt <= 3; ++attempt) {
    Start("baseline");
    EXPECT_EQ(At("baseline").attempts, attempt);
    ASSERT_TRUE(Finish("baseline", RunState::kCrashed, "signal 11").ok());
    EXPECT_EQ(State("baseline"), attempt < 3 ? RunState::kQueued : RunState::kCrashed);
    EXPECT_THAT(At("baseline").message, HasSubstr("signal 11"));
  }
  EXPECT_EQ(State("dynamic"), RunState::kSkipped);
}

TEST_F(TransitionsTest, InterruptionsGoBackToTheQueueAndAreBounded) {
  Settle();
  for (int i = 1; i <= kMaxInterruptions; ++i) {
    Start("baseline");
    ASSERT_TRUE(Finish("baseline", i % 2 == 0 ? RunState::kLost : RunState::kPreempted).ok());
    ASSERT_EQ(State("baseline"), RunState::kQueued) << i;
  }
  EXPECT_EQ(At("baseline").crashes, 0);
  Start("baseline");
  ASSERT_TRUE(Finish("baseline", RunState::kLost).ok());
  EXPECT_EQ(State("baseline"), RunState::kLost);
}

TEST_F(TransitionsTest, OnlyTheRunningAttemptCanFinish) {
  Settle();
  EXPECT_TRUE(absl::IsAborted(Finish("baseline", RunState::kSucceeded)));
  Start("baseline");
  const RunIndex index(runs_);
  ExperimentChange change(runs_, index, now_);
  AttemptEnd end;
  end.key = {"e/baseline", 2};
  EXPECT_TRUE(absl::IsAborted(change.Finish(end)));
  EXPECT_TRUE(absl::IsAborted(ExperimentChange(runs_, RunIndex(runs_), now_).Start("e/baseline", worker_)));
  EXPECT_TRUE(absl::IsAborted(ExperimentChange(runs_, RunIndex(runs_), now_).Start("e/nobody", worker_)));
}

TEST_F(TransitionsTest, EveryEndOfARunningAttemptLeadsSomewhere) {
  for (const RunState outcome : AllRunStates()) {
    if (!IsEnded(outcome) || outcome == RunState::kSkipped) continue;
    for (RunRecord& run : runs_) run = MakeRun(run.name, run.needs);
    Settle();
    Start("baseline");
    ASSERT_TRUE(Finish("baseline", outcome).ok());
    EXPECT_TRUE(CanTransition(RunState::kRunning, State("baseline"))) << RunStateName(outcome);
    EXPECT_NE(State("baseline"), RunState::kRunning);
  }
}

TEST_F(TransitionsTest, CancelEndsWhatWaitsAndAsksWhatRuns) {
  Settle();
  Start("baseline");
  const RunIndex index(runs_);
  ExperimentChange change(runs_, index, now_);
  change.Cancel({"e/baseline", "e/dynamic", "e/comparison"}, TextMessage("enough"));
  ASSERT_EQ(change.change().cancel_requests.size(), 1u);
  Absorb(change);
  EXPECT_EQ(State("baseline"), RunState::kRunning);
  EXPECT_TRUE(At("baseline").cancel_requested);
  EXPECT_EQ(State("dynamic"), RunState::kCancelled);
  EXPECT_EQ(At("dynamic").message, "cancelled: enough");
  // Whatever way it ends now, it ends for good.
  ASSERT_TRUE(Finish("baseline", RunState::kLost).ok());
  EXPECT_EQ(State("baseline"), RunState::kCancelled);
  EXPECT_FALSE(At("baseline").cancel_requested);
}

TEST_F(TransitionsTest, ARunThatSucceededBeforeTheCancelArrivedKeepsItsResult) {
  Settle();
  Start("baseline");
  const RunIndex index(runs_);
  ExperimentChange change(runs_, index, now_);
  change.Cancel({"e/baseline"}, {});
  Absorb(change);
  ASSERT_TRUE(Finish("baseline", RunState::kSucceeded).ok());
  EXPECT_EQ(State("baseline"), RunState::kSucceeded);
}

TEST_F(TransitionsTest, CancellingOneRunSkipsWhatNeedsIt) {
  Settle();
  const RunIndex index(runs_);
  ExperimentChange change(runs_, index, now_);
  change.Cancel({"e/baseline"}, {});
  Absorb(change);
  EXPECT_EQ(State("dynamic"), RunState::kSkipped);
  EXPECT_EQ(State("comparison"), RunState::kSkipped);
  ExperimentChange again(runs_, index, now_);
  again.Cancel({"e/baseline", "e/dynamic"}, {});
  EXPECT_TRUE(again.empty()) << "what has ended stays as it is";
}

TEST_F(TransitionsTest, RetryQueuesWhatFailedWithWhatWasSkippedForIt) {
  Settle();
  Start("baseline");
  ASSERT_TRUE(Finish("baseline", RunState::kFailed).ok());
  const RunIndex index(runs_);
  ExperimentChange change(runs_, index, now_);
  ASSERT_TRUE(change.Retry({"e/baseline"}).ok());
  Absorb(change);
  EXPECT_EQ(State("baseline"), RunState::kQueued);
  EXPECT_EQ(State("dynamic"), RunState::kPending);
  EXPECT_EQ(State("comparison"), RunState::kPending);
  EXPECT_EQ(At("baseline").attempts, 1) << "fencing tokens only grow";
  EXPECT_EQ(At("baseline").end_time, std::nullopt);
}

TEST_F(TransitionsTest, RetryOfASkippedRunBringsBackWhatItNeeds) {
  Settle();
  Start("baseline");
  ASSERT_TRUE(Finish("baseline", RunState::kFailed).ok());
  const RunIndex index(runs_);
  ExperimentChange change(runs_, index, now_);
  ASSERT_TRUE(change.Retry({"e/dynamic"}).ok());
  Absorb(change);
  EXPECT_EQ(State("baseline"), RunState::kQueued);
  EXPECT_EQ(State("dynamic"), RunState::kPending);
}

TEST_F(TransitionsTest, RetryCountsAnewAndLeavesSuccessAlone) {
  Settle();
  for (int i = 0; i < 3; ++i) {
    Start("baseline");
    ASSERT_TRUE(Finish("baseline", RunState::kCrashed).ok());
  }
  const RunIndex index(runs_);
  ExperimentChange change(runs_, index, now_);
  ASSERT_TRUE(change.Retry({"e/baseline", "e/dynamic", "e/comparison"}).ok());
  Absorb(change);
  EXPECT_EQ(At("baseline").crashes, 0);
  Start("baseline");
  ASSERT_TRUE(Finish("baseline", RunState::kSucceeded).ok());
  Start("dynamic");
  ASSERT_TRUE(Finish("dynamic", RunState::kSucceeded).ok());
  EXPECT_TRUE(
      absl::IsFailedPrecondition(ExperimentChange(runs_, RunIndex(runs_), now_).Retry({"e/baseline"})));
  EXPECT_TRUE(
      absl::IsFailedPrecondition(ExperimentChange(runs_, RunIndex(runs_), now_).Retry({"e/comparison"})));
}

TEST_F(TransitionsTest, AReusedResultLetsTheRestGoOn) {
  Settle();
  const RunIndex index(runs_);
  ExperimentChange change(runs_, index, now_);
  ASSERT_TRUE(change.Reuse("e/baseline", {"old/baseline", 4}).ok());
  Absorb(change);
  EXPECT_EQ(State("baseline"), RunState::kSucceeded);
  EXPECT_TRUE(At("baseline").reused);
  EXPECT_EQ(At("baseline").result, (AttemptKey{"old/baseline", 4}));
  EXPECT_EQ(State("dynamic"), RunState::kQueued);
  EXPECT_THAT(At("baseline").message, HasSubstr("old/baseline (attempt 4)"));
}

TEST_F(TransitionsTest, AMissingNeedSkips) {
  runs_ = {MakeRun("a", {{"ghost", true}}), MakeRun("b", {{"a", true}})};
  Settle();
  EXPECT_EQ(State("a"), RunState::kSkipped);
  EXPECT_EQ(State("b"), RunState::kSkipped);
}

}  // namespace
}  // namespace quantlab
