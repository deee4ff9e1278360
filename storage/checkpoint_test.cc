// Checkpoints of trainings: stored with their events, kept until the run ends, and out of reach of retention.
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/records/checkpoint_names.h"
#include "base/sha256.h"
#include "base/testing/temp_folder.h"
#include "storage/storage.h"

namespace quantlab {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const absl::Time kTime = absl::FromUnixSeconds(1'700'000'000);
constexpr char kRun[] = "e/baseline";

std::string Digest(int64_t step) {
  return Sha256Hex(absl::StrCat("after ", step));
}

class CheckpointTest : public ::testing::Test {
 protected:
  CheckpointTest() {
    storage_ = OpenStorage(folder_.path()).value();
    ExperimentRecord experiment;
    experiment.id = "e";
    experiment.name = "quick";
    experiment.create_time = kTime;
    RunRecord run;
    run.id = kRun;
    run.experiment_id = "e";
    run.name = "baseline";
    run.config_json = "{}";
    run.device = "cpu";
    run.state = RunState::kQueued;
    run.create_time = kTime;
    EXPECT_TRUE(storage_->states().CreateExperiment(experiment, {run}).ok());
  }

  void Start(int64_t attempt) {
    StateChange change;
    change.time = kTime;
    change.runs.push_back({kRun, RunState::kQueued, RunState::kRunning, "", {}, false, 0, 0});
    change.start_attempt.emplace();
    change.start_attempt->key = {kRun, attempt};
    change.start_attempt->worker_id = "worker";
    change.start_attempt->start_time = kTime;
    ASSERT_TRUE(storage_->states().Commit(change).ok());
    events_ = 0;
  }

  void Save(int64_t attempt, int64_t step) {
    Report(attempt, Artifact{CheckpointName(step), Digest(step), 5});
  }
  void Report(int64_t attempt, Artifact artifact) {
    const auto stored = storage_->events().AppendEvents({kRun, attempt},
                                                        {{++events_, kTime, EventKind(std::move(artifact))}});
    ASSERT_TRUE(stored.ok()) << stored.status();
  }

  void End(int64_t attempt, RunState outcome, RunState run, std::vector<Artifact> artifacts = {}) {
    StateChange change;
    change.time = kTime;
    change.end_attempt.emplace();
    change.end_attempt->key = {kRun, attempt};
    change.end_attempt->outcome = outcome;
    change.end_attempt->time = kTime;
    change.end_attempt->artifacts = std::move(artifacts);
    RunTransition step{kRun, RunState::kRunning, run, "", {}, false, 0, 1};
    if (run == RunState::kSucceeded) step.result = AttemptKey{kRun, attempt};
    change.runs.push_back(step);
    const absl::Status ended = storage_->states().Commit(change);
    ASSERT_TRUE(ended.ok()) << ended;
  }

  std::vector<std::string> Names(int64_t attempt) {
    std::vector<std::string> names;
    const std::vector<Artifact> artifacts = storage_->events().ListArtifacts({kRun, attempt}).value();
    for (const Artifact& artifact : artifacts) names.push_back(artifact.name);
    return names;
  }
  std::vector<std::string> Dropped() { return storage_->deletion().ListDropped(100).value(); }
  std::set<std::string> Referenced() {
    std::vector<std::string> all;
    for (int64_t step = 1; step <= 9; ++step) all.push_back(Digest(step));
    return storage_->deletion().Referenced(all).value();
  }

  const TempFolder folder_;
  std::unique_ptr<Storage> storage_;
  int64_t events_ = 0;
};

TEST_F(CheckpointTest, IsReferredToFromItsEventOn) {
  Start(1);
  Save(1, 1);
  EXPECT_THAT(Names(1), ElementsAre(CheckpointName(1)));
  EXPECT_THAT(Referenced(), ElementsAre(Digest(1)));
  int uses = 0;
  ASSERT_TRUE(storage_->deletion().VisitUses([&](const ArtifactUse&) { ++uses; }).ok());
  EXPECT_EQ(uses, 1);
}

TEST_F(CheckpointTest, TheNewestOfTheRunAreKept) {
  Start(1);
  for (const int64_t step : {1, 2, 3, 4}) Save(1, step);
  EXPECT_THAT(Names(1), ElementsAre(CheckpointName(2), CheckpointName(3), CheckpointName(4)));
  EXPECT_THAT(Dropped(), ElementsAre(Digest(1)));
  End(1, RunState::kPreempted, RunState::kQueued);
  // A later attempt may have begun at the start.
  Start(2);
  Save(2, 1);
  Save(2, 5);
  EXPECT_THAT(Names(1), ElementsAre(CheckpointName(4)));
  EXPECT_THAT(Names(2), ElementsAre(CheckpointName(1), CheckpointName(5)));
  EXPECT_THAT(Referenced(), UnorderedElementsAre(Digest(1), Digest(4), Digest(5)));
}

TEST_F(CheckpointTest, AnEndedRunHasNone) {
  for (const RunState outcome : {RunState::kSucceeded, RunState::kFailed}) {
    SCOPED_TRACE(RunStateName(outcome));
    const int64_t attempt = outcome == RunState::kSucceeded ? 2 : 4;  // and one before it
    Start(attempt - 1);
    Save(attempt - 1, 1);
    End(attempt - 1, RunState::kLost, RunState::kQueued);
    EXPECT_THAT(Names(attempt - 1), ElementsAre(CheckpointName(1)));
    Start(attempt);
    Save(attempt, 2);
    End(attempt, outcome, outcome, {{"model/model.safetensors", Sha256Hex("m"), 1}});
    EXPECT_THAT(Names(attempt - 1), IsEmpty());
    EXPECT_THAT(Names(attempt), ElementsAre("model/model.safetensors"));
    EXPECT_THAT(Referenced(), IsEmpty());
    EXPECT_THAT(Dropped(), UnorderedElementsAre(Digest(1), Digest(2)));
    if (outcome == RunState::kFailed) continue;
    StateChange retry;
    retry.time = kTime;
    retry.runs.push_back({kRun, RunState::kSucceeded, RunState::kPending, "", {}, false, 0, 0});
    retry.runs.push_back({kRun, RunState::kPending, RunState::kQueued, "", {}, false, 0, 0});
    ASSERT_TRUE(storage_->states().Commit(retry).ok());
  }
}

TEST_F(CheckpointTest, RetentionLeavesThoseOfRunsThatHaveNotEnded) {
  Start(1);
  Save(1, 1);
  Report(1, {"model/model.safetensors", Sha256Hex("m"), 1});  // an event, no result
  End(1, RunState::kPreempted, RunState::kQueued);
  const absl::Time later = kTime + absl::Hours(1000);
  EXPECT_THAT(storage_->deletion().ListReleasable(RetentionKind::kAttempts, later, 10).value(), IsEmpty());
  EXPECT_THAT(Names(1), ElementsAre(CheckpointName(1)));
}

TEST_F(CheckpointTest, NamesWithCapitalsAreNoCheckpointsAndNoModels) {
  Start(1);
  End(1, RunState::kLost, RunState::kQueued, {{"Checkpoint/notes", Digest(7), 5}});
  const absl::Time later = kTime + absl::Hours(1000);
  EXPECT_EQ(storage_->deletion().ListReleasable(RetentionKind::kAttempts, later, 10)->size(), 1u);
  Start(2);
  for (const int64_t step : {1, 2, 3, 4}) Save(2, step);
  EXPECT_THAT(Names(1), ElementsAre("Checkpoint/notes")) << "only the oldest checkpoint goes";
  End(2, RunState::kSucceeded, RunState::kSucceeded,
      {{"Model/notes", Digest(8), 5}, {"model/model.safetensors", Sha256Hex("m"), 1}});
  EXPECT_THAT(Names(1), ElementsAre("Checkpoint/notes"));
  std::map<std::string, ArtifactKind> kinds;
  ASSERT_TRUE(
      storage_->deletion().VisitUses([&](const ArtifactUse& use) { kinds[use.sha256] = use.kind; }).ok());
  EXPECT_EQ(kinds.at(Digest(8)), ArtifactKind::kResult);
  EXPECT_EQ(kinds.at(Sha256Hex("m")), ArtifactKind::kModel);
}

TEST_F(CheckpointTest, OneThatNobodyCouldFetchIsNotStored) {
  Start(1);
  Report(1, {CheckpointName(1), "", 5});
  Report(1, {CheckpointName(2), "no digest", 5});
  EXPECT_THAT(Names(1), IsEmpty());
}

TEST_F(CheckpointTest, AnAttemptCannotEndWithOneAsItsResult) {
  Start(1);
  Save(1, 1);
  End(1, RunState::kSucceeded, RunState::kSucceeded, {{CheckpointName(1), Digest(1), 5}});
  EXPECT_THAT(Names(1), IsEmpty());
}

TEST(CheckpointNameTest, NamesOrderAsTheirSteps) {
  EXPECT_EQ(CheckpointName(12), "checkpoint/step-000000000012.safetensors");
  EXPECT_LT(CheckpointName(999), CheckpointName(1000));
  EXPECT_EQ(CheckpointStep(CheckpointName(1234)), 1234);
  for (const char* name : {"", "checkpoint/", "checkpoint", "model/model.safetensors",
                           "checkpoint/step-00000000001x.safetensors", "checkpoint/step-000000000012.bin",
                           "checkpoint/step--00000000012.safetensors"}) {
    EXPECT_EQ(CheckpointStep(name), 0) << name;
  }
  EXPECT_TRUE(IsCheckpointName("checkpoint/anything"));
  EXPECT_FALSE(IsCheckpointName("checkpoint"));
  EXPECT_FALSE(IsCheckpointName("checkpoints/x"));
}

}  // namespace
}  // namespace quantlab
