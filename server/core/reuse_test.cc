#include "server/core/reuse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/records/error_reason.h"
#include "base/sha256.h"
#include "tests/fakes/memory_repository.h"

namespace quantlab {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class ReuseTest : public testing::Test {
 protected:
  ReuseTest() {
    RunRecord baseline = Run("baseline");
    baseline.state = RunState::kQueued;
    RunRecord dynamic = Run("dynamic");
    dynamic.needs = {{"baseline", true}};
    runs_ = {baseline, dynamic};
    ExperimentRecord experiment;
    experiment.id = "e";
    EXPECT_TRUE(repository_.CreateExperiment(experiment, runs_).ok());
  }

  static RunRecord Run(const std::string& name) {
    RunRecord run;
    run.id = "e/" + name;
    run.experiment_id = "e";
    run.name = name;
    run.input_key = "key of " + name;
    return run;
  }

  Artifact Stored(const std::string& name, const std::string& content) {
    const Artifact artifact{name, Sha256Hex(content), static_cast<int64_t>(content.size())};
    artifacts_.Put(artifact.sha256, artifact.size);
    return artifact;
  }

  // The baseline ends with these artifacts, and its result is remembered under `key`.
  void FinishBaseline(const std::vector<Artifact>& artifacts, const std::string& key = "k") {
    const AttemptKey attempt{"e/baseline", 1};
    RunTransition step;
    step.run_id = attempt.run_id;
    step.from = RunState::kQueued;
    step.to = RunState::kRunning;
    StateChange start;
    start.runs = {step};
    start.start_attempt.emplace().key = attempt;
    ASSERT_TRUE(repository_.Commit(start).ok());
    step.from = RunState::kRunning;
    step.to = RunState::kSucceeded;
    step.result = attempt;
    StateChange end;
    end.runs = {step};
    end.end_attempt = AttemptEnd{attempt, RunState::kSucceeded, "", {}, 0, artifacts};
    end.remember = ReuseEntry{key, attempt};
    ASSERT_TRUE(repository_.Commit(end).ok());
    runs_ = *repository_.ListRuns("e");
  }

  std::string Key(const RunRecord& run, const std::string& fingerprint = "fp",
                  const std::string& runner = "runner") {
    return *reuse_.Key(runs_, run, fingerprint, runner);
  }

  MemoryRepository repository_;
  MemoryArtifacts artifacts_;
  std::vector<RunRecord> runs_;
  ReuseIndex reuse_{repository_, repository_, artifacts_};
};

TEST_F(ReuseTest, TheKeyDependsOnInputsFingerprintAndRunner) {
  const std::string key = Key(Run("baseline"));
  EXPECT_TRUE(IsSha256Hex(key));
  EXPECT_EQ(Key(Run("baseline")), key);
  EXPECT_NE(Key(Run("other")), key);
  EXPECT_NE(Key(Run("baseline"), "another CPU"), key);
  EXPECT_NE(Key(Run("baseline"), "fp", "another runner"), key);
}

TEST_F(ReuseTest, TheKeyDependsOnTheModelsThatTheRunReads) {
  const std::string before = Key(runs_[1]);
  FinishBaseline({Stored("model/model.safetensors", "weights"), Stored("log.txt", "log")});
  EXPECT_NE(Key(runs_[1]), before);
  const auto inputs = CollectInputs(repository_, runs_, runs_[1]);
  ASSERT_THAT(*inputs, SizeIs(1));
  ASSERT_THAT((*inputs)[0].files, SizeIs(1)) << "only what is below model/";
  EXPECT_EQ((*inputs)[0].files[0].name, "model.safetensors");
}

TEST_F(ReuseTest, MeasurementsAndUnknownWorkersHaveNoKey) {
  RunRecord comparison = Run("comparison");
  comparison.kind = RunKind::kComparison;
  EXPECT_THAT(Key(comparison), IsEmpty());
  RunRecord bare = Run("baseline");
  bare.input_key.clear();
  EXPECT_THAT(Key(bare), IsEmpty());
  EXPECT_THAT(Key(Run("baseline"), ""), IsEmpty());
  EXPECT_THAT(Key(Run("baseline"), "fp", ""), IsEmpty());
}

TEST_F(ReuseTest, AResultIsFoundWhileItsArtifactsAreStored) {
  const Artifact model = Stored("model/model.safetensors", "weights");
  FinishBaseline({model});
  EXPECT_EQ(*reuse_.Find("k"), (AttemptKey{"e/baseline", 1}));
  EXPECT_EQ(*reuse_.Find("another key"), std::nullopt);
  EXPECT_EQ(*reuse_.Find(""), std::nullopt);
  artifacts_.Remove(model.sha256);
  EXPECT_EQ(*reuse_.Find("k"), std::nullopt);
}

TEST_F(ReuseTest, MissingAndCutArtifactsAreNamed) {
  Artifact artifact = Stored("model/x", "abc");
  EXPECT_TRUE(CheckArtifacts(artifacts_, {artifact}).ok());
  artifact.size = 4;
  const absl::Status cut = CheckArtifacts(artifacts_, {artifact});
  EXPECT_EQ(ReasonOf(cut), "ARTIFACT_MISSING");
  EXPECT_THAT(std::string(cut.message()), testing::HasSubstr("has 3 bytes in the store"));
  artifacts_.Remove(artifact.sha256);
  EXPECT_THAT(std::string(CheckArtifacts(artifacts_, {artifact}).message()),
              testing::HasSubstr("upload it first"));
}

}  // namespace
}  // namespace quantlab
