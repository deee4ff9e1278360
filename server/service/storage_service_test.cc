// Usage, deletion and garbage collection through gRPC, over a real store and database.
#include "server/service/storage_service.h"

#include <chrono>
#include <cmath>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "server/service/testing/service_harness.h"
#include "server/service/testing/upload.h"

namespace quantlab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class StorageServiceTest : public ServiceTest {
 protected:
  using Stub = v1::StorageService::Stub;

  void SetUp() override {
    ServiceTest::SetUp();
    clock_.Advance(absl::Now() - clock_.Now());  // files have times of the real clock
  }

  void Upload(const std::string& content) {
    const absl::Status status = UploadContent(*artifacts_, content);
    ASSERT_TRUE(status.ok()) << status;
  }

  void Finish(const v1::AttemptRef& attempt, const std::string& name, const std::string& content) {
    Upload(content);
    v1::FinishAttemptRequest request;
    *request.mutable_attempt() = attempt;
    request.set_outcome(v1::RUN_STATE_SUCCEEDED);
    v1::Artifact* artifact = request.add_artifacts();
    artifact->set_name(name);
    artifact->set_sha256(Sha256Hex(content));
    artifact->set_size(static_cast<int64_t>(content.size()));
    v1::FinishAttemptResponse response;
    const absl::Status status = Call(*workers_, &v1::WorkerService::Stub::FinishAttempt, request, &response);
    ASSERT_TRUE(status.ok()) << status;
  }

  // An experiment that has ended: the baseline wrote `model`, the other run `predictions`.
  std::string Ended(const std::string& request_id, const std::string& model, const std::string& predictions) {
    const std::string id = Submitted(request_id);
    Finish(Taken("w"), "model/model.safetensors", model);
    Finish(Taken("w"), "predictions.csv", predictions);
    return id;
  }

  v1::StorageUsage Usage(const std::string& experiment = "") {
    v1::GetStorageUsageRequest request;
    request.set_experiment_id(experiment);
    v1::StorageUsage usage;
    const absl::Status status = Call(*stored_, &Stub::GetStorageUsage, request, &usage);
    EXPECT_TRUE(status.ok()) << status;
    return usage;
  }

  absl::Status Delete(const std::string& id, v1::DeleteExperimentResponse* response) {
    v1::DeleteExperimentRequest request;
    request.set_id(id);
    return Call(*stored_, &Stub::DeleteExperiment, request, response);
  }

  v1::CollectGarbageResponse Collect(bool dry_run, double older_than) {
    v1::CollectGarbageRequest request;
    request.set_dry_run(dry_run);
    request.set_older_than_seconds(older_than);
    v1::CollectGarbageResponse response;
    const absl::Status status = Call(*stored_, &Stub::CollectGarbage, request, &response);
    EXPECT_TRUE(status.ok()) << status;
    return response;
  }

  bool IsStored(const std::string& content) {
    return storage_->artifacts().GetStat(Sha256Hex(content))->present;
  }
};

TEST_F(StorageServiceTest, UsageTellsApartKindsAndWhatIsShared) {
  const std::string first = Ended("a", "model 1", "same");
  const std::string second = Ended("b", "model two", "same");
  Upload("nobody's");
  const v1::StorageUsage usage = Usage();
  ASSERT_EQ(usage.experiments_size(), 2);
  const v1::ExperimentStorage& larger = usage.experiments(0);
  EXPECT_EQ(larger.experiment_id(), second) << "most bytes first";
  EXPECT_EQ(larger.models().bytes(), 9);
  EXPECT_EQ(larger.results().files(), 0);
  EXPECT_EQ(larger.shared().bytes(), 4);
  EXPECT_GT(larger.log_entries(), 0);
  EXPECT_EQ(usage.artifacts().files(), 4);
  EXPECT_EQ(usage.artifacts().bytes(), 7 + 9 + 4 + 8);
  EXPECT_EQ(usage.shared().bytes(), 4) << "once";
  EXPECT_EQ(usage.unreferenced().bytes(), 8);
  EXPECT_GT(usage.database_bytes(), 0);
  EXPECT_GT(usage.free_bytes(), 0);
  EXPECT_EQ(Usage(first).experiments_size(), 1);
  v1::GetStorageUsageRequest unknown;
  unknown.set_experiment_id("none");
  v1::StorageUsage ignored;
  EXPECT_TRUE(absl::IsNotFound(Call(*stored_, &Stub::GetStorageUsage, unknown, &ignored)));
}

TEST_F(StorageServiceTest, DeletingFreesWhatOnlyThisExperimentUses) {
  const std::string first = Ended("a", "model 1", "same");
  const std::string second = Ended("b", "model two", "same");
  v1::DeleteExperimentResponse response;
  ASSERT_TRUE(Delete(first, &response).ok());
  EXPECT_EQ(response.removed().files(), 1);
  EXPECT_EQ(response.removed().bytes(), 7);
  EXPECT_EQ(response.kept().bytes(), 4);
  EXPECT_FALSE(IsStored("model 1"));
  EXPECT_TRUE(IsStored("same"));
  EXPECT_TRUE(absl::IsNotFound(Delete(first, &response)));
  v1::GetExperimentRequest get;
  get.set_id(first);
  v1::Experiment experiment;
  EXPECT_TRUE(
      absl::IsNotFound(Call(*experiments_, &v1::ExperimentService::Stub::GetExperiment, get, &experiment)));
  ASSERT_TRUE(Delete(second, &response).ok());
  EXPECT_FALSE(IsStored("same"));
  EXPECT_EQ(Usage().artifacts().files(), 0);
}

TEST_F(StorageServiceTest, AnExperimentIsNotDeletedBeforeItHasEnded) {
  const std::string id = Submitted();
  v1::DeleteExperimentResponse response;
  const absl::Status active = Delete(id, &response);
  EXPECT_TRUE(absl::IsFailedPrecondition(active));
  EXPECT_EQ(ReasonOf(active), "EXPERIMENT_ACTIVE");
  v1::CancelExperimentRequest cancel;
  cancel.set_id(id);
  v1::Experiment experiment;
  ASSERT_TRUE(Call(*experiments_, &v1::ExperimentService::Stub::CancelExperiment, cancel, &experiment).ok());
  EXPECT_TRUE(Delete(id, &response).ok());
}

TEST_F(StorageServiceTest, AnEndThatComesAfterItsExperimentWasDeletedIsFencedForTheWorker) {
  const std::string id = Submitted();
  const v1::AttemptRef attempt = Taken("w");
  clock_.Advance(absl::Hours(1));  // the worker is gone
  coordinator_->Tick();
  v1::CancelExperimentRequest cancel;
  cancel.set_id(id);
  v1::Experiment experiment;
  ASSERT_TRUE(Call(*experiments_, &v1::ExperimentService::Stub::CancelExperiment, cancel, &experiment).ok());
  v1::DeleteExperimentResponse response;
  ASSERT_TRUE(Delete(id, &response).ok());
  v1::FinishAttemptRequest finish;
  *finish.mutable_attempt() = attempt;
  finish.set_outcome(v1::RUN_STATE_SUCCEEDED);
  v1::FinishAttemptResponse finished;
  // Workers end an attempt at either.
  const absl::Status status = Call(*workers_, &v1::WorkerService::Stub::FinishAttempt, finish, &finished);
  EXPECT_TRUE(absl::IsAborted(status) || absl::IsNotFound(status)) << status;
}

TEST_F(StorageServiceTest, AResultIsNotRecordedWithoutItsFiles) {
  Submitted();
  const v1::AttemptRef attempt = Taken("w");
  Upload("model");
  ASSERT_TRUE(storage_->artifacts().Remove(Sha256Hex("model")).ok());
  v1::FinishAttemptRequest finish;
  *finish.mutable_attempt() = attempt;
  finish.set_outcome(v1::RUN_STATE_SUCCEEDED);
  v1::Artifact* artifact = finish.add_artifacts();
  artifact->set_name("model/model.safetensors");
  artifact->set_sha256(Sha256Hex("model"));
  artifact->set_size(5);
  v1::FinishAttemptResponse finished;
  EXPECT_EQ(ReasonOf(Call(*workers_, &v1::WorkerService::Stub::FinishAttempt, finish, &finished)),
            "ARTIFACT_MISSING")
      << "the worker sends them again";
}

TEST_F(StorageServiceTest, GarbageIsWhatNothingRefersToOnceItIsOldEnough) {
  Ended("a", "model", "predictions");
  Upload("nobody's");
  v1::CollectGarbageResponse found = Collect(true, 3600);
  EXPECT_EQ(found.unreferenced().files(), 0);
  EXPECT_EQ(found.recent().bytes(), 8);
  clock_.Advance(absl::Hours(2));
  found = Collect(true, 3600);
  EXPECT_EQ(found.unreferenced().bytes(), 8);
  EXPECT_TRUE(IsStored("nobody's")) << "a dry run removes nothing; and this question was a use";
  EXPECT_EQ(Collect(true, 3600).unreferenced().files(), 1) << "the store has its own clock";
  EXPECT_EQ(Collect(false, 3600).unreferenced().bytes(), 8);
  EXPECT_FALSE(IsStored("nobody's"));
  EXPECT_TRUE(IsStored("model"));
  EXPECT_TRUE(IsStored("predictions"));
}

TEST_F(StorageServiceTest, WhatARunningRunMayReferToIsNoGarbage) {
  Submitted();
  const v1::AttemptRef attempt = Taken("w");
  clock_.Advance(absl::Hours(2));
  Upload("written by it");
  clock_.Advance(absl::Hours(72));
  const v1::CollectGarbageResponse collected = Collect(false, 0);
  EXPECT_EQ(collected.unreferenced().files(), 0);
  EXPECT_EQ(collected.recent().files(), 1);
  Finish(attempt, "model/model.safetensors", "written by it");
}

TEST_F(StorageServiceTest, AnInterruptedDeletionIsFinishedByTheCollection) {
  const std::string id = Ended("a", "model", "predictions");
  ASSERT_TRUE(storage_->deletion().MarkDeleted(id, clock_.Now()).ok());  // and then the process was killed
  Collect(false, 86400);
  EXPECT_FALSE(IsStored("model"));
  EXPECT_FALSE(IsStored("predictions"));
  EXPECT_THAT(*storage_->deletion().ListDropped(10), ElementsAre());
}

TEST_F(StorageServiceTest, AgesHaveARange) {
  for (const double age : {-1.0, 1e12, std::nan("")}) {
    v1::CollectGarbageRequest request;
    request.set_older_than_seconds(age);
    v1::CollectGarbageResponse response;
    EXPECT_TRUE(absl::IsInvalidArgument(Call(*stored_, &Stub::CollectGarbage, request, &response))) << age;
  }
}

TEST_F(StorageServiceTest, ABackupArrivesWholeAndRestoresTheExperiments) {
  const std::string id = Ended("a", "model", "predictions");
  grpc::ClientContext context;
  const auto stream = stored_->BackUpDatabase(&context, v1::BackUpDatabaseRequest());
  v1::BackUpDatabaseResponse message;
  std::string content;
  while (stream->Read(&message)) content += message.data();
  const absl::Status status = FromGrpcStatus(stream->Finish());
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(message.sha256(), Sha256Hex(content));
  EXPECT_EQ(message.size(), static_cast<int64_t>(content.size()));
  const std::string file = folder_ / "copy.db", restored = folder_ / "restored";
  ASSERT_TRUE(WriteFileAtomically(file, content).ok());
  ASSERT_TRUE(RestoreStorage(file, restored).ok());
  EXPECT_TRUE((*OpenStorage(restored))->states().GetExperiment(id).ok());
  EXPECT_FALSE(ReadFile(folder_ / "backup.tmp", 1 << 30).ok()) << "nothing stays in the data folder";
}

TEST_F(StorageServiceTest, ABackupThatNobodyReadsDoesNotHoldUpOthers) {
  grpc::ClientContext stuck;
  const auto unread = stored_->BackUpDatabase(&stuck, v1::BackUpDatabaseRequest());
  v1::BackUpDatabaseResponse message;
  ASSERT_TRUE(unread->Read(&message)) << "it is being sent";
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  const auto stream = stored_->BackUpDatabase(&context, v1::BackUpDatabaseRequest());
  while (stream->Read(&message)) {
  }
  const absl::Status status = FromGrpcStatus(stream->Finish());
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_GT(message.size(), 0);
  stuck.TryCancel();
  EXPECT_FALSE(unread->Finish().ok());
}

TEST_F(StorageServiceTest, ASubmitterDeletesOnlyItsOwnAndItIsAudited) {
  const auto token = [&](const std::string& name, Role role) {
    return identities_->Create(name, role, absl::Hours(1))->token;
  };
  const std::string alice = token("alice", Role::kSubmitter), bob = token("bob", Role::kSubmitter);
  token_ = alice;
  const std::string id = Submitted();
  v1::CancelExperimentRequest cancel;
  cancel.set_id(id);
  v1::Experiment experiment;
  ASSERT_TRUE(Call(*experiments_, &v1::ExperimentService::Stub::CancelExperiment, cancel, &experiment).ok());
  v1::DeleteExperimentResponse response;
  token_ = bob;
  EXPECT_EQ(ReasonOf(Delete(id, &response)), "NOT_YOURS");
  token_ = token("eve", Role::kViewer);
  EXPECT_EQ(ReasonOf(Delete(id, &response)), "ROLE_MAY_NOT");
  token_ = alice;
  v1::CollectGarbageRequest garbage;
  v1::CollectGarbageResponse collected;
  EXPECT_EQ(ReasonOf(Call(*stored_, &Stub::CollectGarbage, garbage, &collected)), "ROLE_MAY_NOT");
  EXPECT_TRUE(Delete(id, &response).ok());
  const std::string audit = *ReadFile(folder_ / "audit", 1 << 20);
  EXPECT_THAT(
      audit, HasSubstr(absl::StrCat("experiment=", id, " caller=alice role=submitter rpc=DeleteExperiment")));
  EXPECT_THAT(audit, HasSubstr("caller=bob role=submitter rpc=DeleteExperiment"));
}

}  // namespace
}  // namespace quantlab
