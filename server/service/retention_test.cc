// Retention by age and by space: what goes, in which order, and what stays whatever the rule says.
#include "server/service/retention.h"

#include <chrono>
#include <functional>
#include <future>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "server/service/testing/service_harness.h"

namespace quantlab {
namespace {

TEST(ParseRetentionTest, RulesNameAKindAndAnAge) {
  const auto ages = ParseRetention({"attempts=12h", "models=180d"});
  ASSERT_TRUE(ages.ok()) << ages.status();
  EXPECT_EQ(ages->at(RetentionKind::kAttempts), absl::Hours(12));
  EXPECT_EQ(ages->at(RetentionKind::kModels), absl::Hours(24 * 180));
  EXPECT_EQ(ages->size(), 2u);
  for (const char* wrong : {"", "models", "models=", "models=d", "models=0d", "models=-1d", "models=5",
                            "models=5w", "weights=5d", "models=99999999999999999999d", "models=40000d"})
    EXPECT_TRUE(absl::IsInvalidArgument(ParseRetention({wrong}).status())) << wrong;
  EXPECT_TRUE(absl::IsInvalidArgument(ParseRetention({"models=1d", "models=2d"}).status()));
}

TEST(ParseByteSizeTest, SizesHaveDecimalUnits) {
  EXPECT_EQ(*ParseByteSize("200GB"), 200'000'000'000);
  EXPECT_EQ(*ParseByteSize("1.5 TB"), 1'500'000'000'000);
  for (const char* wrong : {"", "GB", "5", "-1GB", "0GB", "nanGB", "1e30TB", "5GiB"})
    EXPECT_TRUE(absl::IsInvalidArgument(ParseByteSize(wrong).status())) << wrong;
}

class RetentionTest : public ServiceTest {
 protected:
  void Upload(const std::string& content) {
    auto writer =
        storage_->artifacts().OpenWriter(Sha256Hex(content), static_cast<int64_t>(content.size()), 0);
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE((*writer)->Append(content).ok());
    ASSERT_TRUE((*writer)->Close().ok());
  }

  void Finish(const std::string& content, v1::RunState outcome) {
    Upload(content);
    v1::FinishAttemptRequest request;
    *request.mutable_attempt() = Taken("w");
    request.set_outcome(outcome);
    v1::Artifact* artifact = request.add_artifacts();
    artifact->set_name("model/model.safetensors");
    artifact->set_sha256(Sha256Hex(content));
    artifact->set_size(static_cast<int64_t>(content.size()));
    v1::FinishAttemptResponse response;
    const absl::Status status = Call(*workers_, &v1::WorkerService::Stub::FinishAttempt, request, &response);
    ASSERT_TRUE(status.ok()) << status;
  }

  // Two runs, which write `name` + " 1" and " 2".
  std::string Ended(const std::string& name, v1::RunState second = v1::RUN_STATE_SUCCEEDED) {
    const std::string id = Submitted(name);
    Finish(name + " 1", v1::RUN_STATE_SUCCEEDED);
    Finish(name + " 2", second);
    return id;
  }

  bool IsStored(const std::string& content) {
    return storage_->artifacts().GetStat(Sha256Hex(content))->present;
  }

  StoredFiles Apply(const RetentionPolicy& policy) {
    const auto removed = garbage_->ApplyRetention(policy);
    EXPECT_TRUE(removed.ok()) << removed.status();
    return removed.value_or(StoredFiles());
  }
};

TEST_F(RetentionTest, ModelsOfFailedExperimentsGoByTheirOwnAge) {
  const std::string good = Ended("good");
  const std::string failed = Ended("failed", v1::RUN_STATE_FAILED);
  RetentionPolicy policy;
  policy.ages[RetentionKind::kFailedModels] = absl::Hours(24);
  clock_.Advance(absl::Hours(23));
  EXPECT_EQ(Apply(policy).files, 0);
  clock_.Advance(absl::Hours(2));
  EXPECT_EQ(Apply(policy).files, 1);
  EXPECT_FALSE(IsStored("failed 1")) << "the result of its run that succeeded";
  EXPECT_TRUE(IsStored("failed 2")) << "no result: of the kind attempts";
  EXPECT_TRUE(IsStored("good 1"));
  // The experiment and what was measured stay, and what is gone can be computed again.
  v1::GetReportDataRequest request;
  request.set_experiment_id(failed);
  v1::ReportData data;
  ASSERT_TRUE(Call(*experiments_, &v1::ExperimentService::Stub::GetReportData, request, &data).ok());
  EXPECT_EQ(data.runs(0).artifacts_size(), 1) << "the report still names them";
  ASSERT_TRUE(coordinator_->Retry(failed, "").ok());
  EXPECT_EQ(Taken("w").run_id(), failed + "/baseline");
}

TEST_F(RetentionTest, FilesOfAttemptsWithoutAResultGoByTheirOwnAge) {
  Ended("failed", v1::RUN_STATE_FAILED);
  RetentionPolicy policy;
  policy.ages[RetentionKind::kAttempts] = absl::Hours(24);
  clock_.Advance(absl::Hours(25));
  EXPECT_EQ(Apply(policy).files, 1);
  EXPECT_FALSE(IsStored("failed 2"));
  EXPECT_TRUE(IsStored("failed 1"));
}

TEST_F(RetentionTest, AReuseKeyGoesWithTheFilesThatItLeadsTo) {
  Ended("good");
  const AttemptKey baseline =
      *storage_->states().ListRuns(storage_->states().ListExperiments({}, 1, "")->items[0].id)->at(0).result;
  StateChange remember;
  remember.time = clock_.Now();
  remember.remember = ReuseEntry{"key", baseline};
  ASSERT_TRUE(storage_->states().Commit(remember).ok());
  RetentionPolicy policy;
  policy.ages[RetentionKind::kModels] = absl::Hours(24);
  EXPECT_EQ(Apply(policy).files, 0);
  EXPECT_EQ(*storage_->states().FindReusable("key"), baseline);
  clock_.Advance(absl::Hours(25));
  EXPECT_EQ(Apply(policy).files, 2);
  EXPECT_EQ(*storage_->states().FindReusable("key"), std::nullopt);
}

TEST_F(RetentionTest, AModelStaysWhileAYoungerExperimentHasTheResult) {
  const std::string old = Ended("old");
  clock_.Advance(absl::Hours(48));
  // Another experiment takes the result over.
  const std::string young = Submitted("young");
  StateChange change;
  change.time = clock_.Now();
  change.runs.push_back({young + "/baseline", RunState::kQueued, RunState::kSucceeded, "",
                         AttemptKey{old + "/baseline", 1}, true, 0, 0});
  change.runs.push_back(
      {young + "/dynamic_quantization", RunState::kPending, RunState::kCancelled, "", {}, false, 0, 0});
  ASSERT_TRUE(storage_->states().Commit(change).ok());
  RetentionPolicy policy;
  policy.ages[RetentionKind::kModels] = absl::Hours(24);
  EXPECT_EQ(Apply(policy).files, 1);
  EXPECT_TRUE(IsStored("old 1"));
  EXPECT_FALSE(IsStored("old 2"));
  clock_.Advance(absl::Hours(25));
  EXPECT_EQ(Apply(policy).files, 1);
  EXPECT_FALSE(IsStored("old 1"));
}

TEST_F(RetentionTest, OldExperimentsAreDeletedAndActiveOnesNever) {
  const std::string ended = Ended("ended"), active = Submitted("active");
  RetentionPolicy policy;
  for (const RetentionKind kind : kAllRetentionKinds) policy.ages[kind] = absl::Hours(1);
  policy.quota_bytes = 1;
  clock_.Advance(absl::Hours(100));
  Apply(policy);
  EXPECT_TRUE(absl::IsNotFound(storage_->states().GetExperiment(ended).status()));
  EXPECT_TRUE(storage_->states().GetExperiment(active).ok());
  EXPECT_EQ(garbage_->Usage("")->artifacts.files, 0);
}

TEST_F(RetentionTest, AboveTheQuotaWhatIsLeastMissedGoesFirstAndNoMoreThanNeeded) {
  Ended("good");
  Ended("failed", v1::RUN_STATE_FAILED);
  RetentionPolicy policy;
  policy.quota_bytes = 6 + 6 + 8;  // of 6 + 6 + 8 + 8
  EXPECT_EQ(Apply(policy).files, 0) << "nothing goes within a day";
  clock_.Advance(absl::Hours(25));
  EXPECT_EQ(Apply(policy).bytes, 8);
  EXPECT_FALSE(IsStored("failed 2"));
  EXPECT_TRUE(IsStored("failed 1"));
  policy.quota_bytes = 12;
  EXPECT_EQ(Apply(policy).bytes, 8);
  EXPECT_FALSE(IsStored("failed 1"));
  EXPECT_TRUE(IsStored("good 1"));
  EXPECT_TRUE(IsStored("good 2"));
}

// The store, in whose listing something else happens.
class ListedFiles : public ArtifactFiles {
 public:
  ListedFiles(ArtifactFiles* files, std::function<void()> meanwhile)
      : files_(files), meanwhile_(std::move(meanwhile)) {}

  absl::StatusOr<std::vector<File>> ListStored() override {
    meanwhile_();
    return files_->ListStored();
  }
  absl::StatusOr<std::vector<File>> ListPartial() override { return files_->ListPartial(); }
  absl::StatusOr<std::vector<File>> ListDamaged() override { return files_->ListDamaged(); }
  absl::StatusOr<int64_t> Remove(const std::string& sha256) override { return files_->Remove(sha256); }
  absl::Status FreeRemoved() override { return files_->FreeRemoved(); }
  absl::StatusOr<std::vector<File>> DeletePartial(absl::Time before) override {
    return files_->DeletePartial(before);
  }

 private:
  ArtifactFiles* const files_;
  const std::function<void()> meanwhile_;
};

// Deletions run on the threads that also renew the leases of workers.
TEST_F(RetentionTest, ADeletionDoesNotWaitForTheListingOfALargeStore) {
  const std::string id = Ended("old");
  GarbageCollector* collector = nullptr;
  std::future<bool> deleted;
  ListedFiles files(&storage_->artifacts(), [&] {
    deleted = std::async(std::launch::async, [&] { return collector->Delete(id).ok(); });
    EXPECT_EQ(deleted.wait_for(std::chrono::seconds(10)), std::future_status::ready);
  });
  GarbageCollector slow(coordinator_.get(), &storage_->deletion(), &files, &clock_);
  collector = &slow;
  EXPECT_TRUE(slow.Collect(absl::Hours(1), /*dry_run=*/false).ok());
  EXPECT_TRUE(deleted.get());
  EXPECT_FALSE(IsStored("old 1"));
}

}  // namespace
}  // namespace quantlab
