// WorkerService and ArtifactService: translation, error codes and limits.
#include "server/service/worker_service.h"

#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "base/messages/message_catalogue.h"
#include "proto/convert.h"
#include "server/service/testing/service_harness.h"

namespace quantlab {
namespace {

using ::testing::HasSubstr;

class WorkerServiceTest : public ServiceTest {
 protected:
  absl::Status Report(const v1::ReportEventsRequest& request, int64_t* through = nullptr) {
    v1::ReportEventsResponse response;
    const absl::Status status = Call(*workers_, &v1::WorkerService::Stub::ReportEvents, request, &response);
    if (through != nullptr) *through = response.acknowledged_through();
    return status;
  }
  absl::Status Finish(const v1::FinishAttemptRequest& request) {
    v1::FinishAttemptResponse response;
    return Call(*workers_, &v1::WorkerService::Stub::FinishAttempt, request, &response);
  }
  static v1::ReportEventsRequest Lines(const v1::AttemptRef& attempt, int64_t first, int count) {
    v1::ReportEventsRequest request;
    *request.mutable_attempt() = attempt;
    request.set_first_number(first);
    for (int i = 0; i < count; ++i) {
      v1::Event* event = request.add_events();
      event->set_number(first + i);
      event->mutable_time()->set_seconds(1'700'000'000);
      event->mutable_log()->set_severity(v1::SEVERITY_INFO);
      event->mutable_log()->set_message("line");
    }
    return request;
  }
};

TEST_F(WorkerServiceTest, AnIdleWorkerGetsARun) {
  const std::string id = Submitted();
  v1::SyncResponse response;
  ASSERT_TRUE(Sync(IdleWorker("w"), &response).ok());
  ASSERT_TRUE(response.has_assignment());
  EXPECT_EQ(response.assignment().attempt().run_id(), id + "/baseline");
  EXPECT_EQ(response.assignment().config().run_name(), "baseline");
  EXPECT_EQ(response.lease_seconds(), 30);
  EXPECT_GT(response.next_sync_seconds(), 0);
}

TEST_F(WorkerServiceTest, MalformedSyncsAreRefused) {
  v1::SyncResponse response;
  EXPECT_EQ(Sync(IdleWorker(""), &response).code(), absl::StatusCode::kInvalidArgument);
  for (const double wait : {-1.0, 61.0, std::nan("")}) {
    v1::SyncRequest request = IdleWorker("w");
    request.set_max_wait_seconds(wait);
    EXPECT_EQ(Sync(request, &response).code(), absl::StatusCode::kInvalidArgument) << wait;
  }
}

TEST_F(WorkerServiceTest, AnAttemptOfALostLeaseIsFenced) {
  Submitted();
  const v1::AttemptRef attempt = Taken("w");
  coordinator_->Tick();
  for (int i = 0; i < 31; ++i) {
    clock_.Advance(absl::Seconds(1));
    coordinator_->Tick();
  }
  v1::SyncRequest request = IdleWorker("w");
  request.set_wants_run(false);
  *request.mutable_attempt() = attempt;
  v1::SyncResponse response;
  ASSERT_TRUE(Sync(request, &response).ok());
  EXPECT_TRUE(response.fenced());
  const absl::Status status = Report(Lines(attempt, 1, 1));
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ReasonOf(status), "ATTEMPT_FENCED");
}

TEST_F(WorkerServiceTest, EventsAreAcknowledgedOnceAndGapsRefused) {
  Submitted();
  const v1::AttemptRef attempt = Taken("w");
  int64_t through = 0;
  ASSERT_TRUE(Report(Lines(attempt, 1, 3), &through).ok());
  EXPECT_EQ(through, 3);
  ASSERT_TRUE(Report(Lines(attempt, 2, 3), &through).ok());
  EXPECT_EQ(through, 4);
  EXPECT_EQ(Report(Lines(attempt, 9, 1)).code(), absl::StatusCode::kOutOfRange);
}

TEST_F(WorkerServiceTest, EventsThatAreTooManyOrOutOfOrderAreRefused) {
  Submitted();
  const v1::AttemptRef attempt = Taken("w");
  EXPECT_EQ(Report(Lines(attempt, 1, 1001)).code(), absl::StatusCode::kInvalidArgument);
  v1::ReportEventsRequest request = Lines(attempt, 1, 2);
  request.mutable_events(1)->set_number(7);
  EXPECT_EQ(Report(request).code(), absl::StatusCode::kInvalidArgument);
  request = Lines(attempt, 1, 1);
  request.mutable_events(0)->mutable_log()->set_message(std::string(3 << 20, 'x'));
  EXPECT_EQ(Report(request).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(WorkerServiceTest, AnAttemptEndsOnceItsArtifactsAreStored) {
  const std::string id = Submitted();
  v1::FinishAttemptRequest request;
  *request.mutable_attempt() = Taken("w");
  request.set_outcome(v1::RUN_STATE_SUCCEEDED);
  request.mutable_end_time()->set_seconds(absl::ToUnixSeconds(clock_.Now()));
  v1::Artifact* artifact = request.add_artifacts();
  artifact->set_name("model/x");
  artifact->set_sha256(Sha256Hex("x"));
  artifact->set_size(1);
  const absl::Status missing = Finish(request);
  EXPECT_EQ(missing.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(missing), "ARTIFACT_MISSING");
  request.clear_artifacts();
  EXPECT_TRUE(Finish(request).ok());
  EXPECT_TRUE(Finish(request).ok()) << "the same end twice is one end";
  EXPECT_EQ(storage_->states().GetRun(id + "/baseline")->state, RunState::kSucceeded);
}

TEST_F(WorkerServiceTest, WorkersAreListedWithTheirState) {
  Submitted();
  const v1::AttemptRef attempt = Taken("busy");
  v1::SyncResponse response;
  ASSERT_TRUE(Sync(IdleWorker("idle"), &response).ok());
  v1::ListWorkersResponse list;
  ASSERT_TRUE(Call(*workers_, &v1::WorkerService::Stub::ListWorkers, v1::ListWorkersRequest(), &list).ok());
  ASSERT_EQ(list.workers_size(), 2);
  EXPECT_EQ(list.workers(0).worker().id(), "busy");
  EXPECT_EQ(list.workers(0).state(), v1::WORKER_STATE_BUSY);
  EXPECT_EQ(list.workers(0).attempt().run_id(), attempt.run_id());
  EXPECT_EQ(list.workers(1).state(), v1::WORKER_STATE_IDLE);
}

TEST_F(WorkerServiceTest, AFaultOfTheWorkerHoldsItBackAndTheRunGoesBack) {
  const std::string id = Submitted();
  v1::FinishAttemptRequest request;
  *request.mutable_attempt() = Taken("w");
  request.set_outcome(v1::RUN_STATE_FAILED);
  request.set_worker_fault(true);
  request.set_message("no space");
  ASSERT_TRUE(Finish(request).ok());
  EXPECT_EQ(storage_->states().GetRun(id + "/baseline")->state, RunState::kQueued);
  v1::ListWorkersResponse list;
  ASSERT_TRUE(Call(*workers_, &v1::WorkerService::Stub::ListWorkers, v1::ListWorkersRequest(), &list).ok());
  ASSERT_EQ(list.workers_size(), 1);
  EXPECT_TRUE(list.workers(0).has_held_until_time());
  EXPECT_EQ(list.workers(0).faults(), 1);
  request.set_outcome(v1::RUN_STATE_CRASHED);
  EXPECT_EQ(Finish(request).code(), absl::StatusCode::kInvalidArgument);
}

class ArtifactServiceTest : public ServiceTest {
 protected:
  absl::Status Upload(const std::string& sha256, int64_t size, const std::string& chunk, int64_t offset = 0) {
    grpc::ClientContext context;
    v1::UploadArtifactResponse response;
    const auto writer = artifacts_->UploadArtifact(&context, &response);
    v1::UploadArtifactRequest message;
    message.set_sha256(sha256);
    message.set_size(size);
    message.set_offset(offset);
    message.set_data(chunk);
    writer->Write(message);
    writer->WritesDone();
    return FromGrpcStatus(writer->Finish());
  }
  absl::StatusOr<std::string> Download(const std::string& sha256, int64_t offset = 0) {
    grpc::ClientContext context;
    v1::DownloadArtifactRequest request;
    request.set_sha256(sha256);
    request.set_offset(offset);
    const auto reader = artifacts_->DownloadArtifact(&context, request);
    std::string content;
    v1::DownloadArtifactResponse chunk;
    while (reader->Read(&chunk)) content += chunk.data();
    const absl::Status status = FromGrpcStatus(reader->Finish());
    if (!status.ok()) return status;
    return content;
  }
  absl::Status Stat(const v1::StatArtifactsRequest& request, v1::StatArtifactsResponse* response) {
    return Call(*artifacts_, &v1::ArtifactService::Stub::StatArtifacts, request, response);
  }
};

TEST_F(ArtifactServiceTest, AFileGoesUpAndDown) {
  const std::string sha256 = Sha256Hex("content");
  ASSERT_TRUE(Upload(sha256, 7, "content").ok());
  EXPECT_TRUE(Upload(sha256, 7, "content").ok()) << "it is there already";
  EXPECT_EQ(*Download(sha256), "content");
  EXPECT_EQ(*Download(sha256, 3), "tent");
  v1::StatArtifactsRequest request;
  request.add_sha256(sha256);
  request.add_sha256(Sha256Hex("other"));
  v1::StatArtifactsResponse response;
  ASSERT_TRUE(Stat(request, &response).ok());
  EXPECT_TRUE(response.artifacts(0).present());
  EXPECT_EQ(response.artifacts(0).size(), 7);
  EXPECT_FALSE(response.artifacts(1).present());
}

TEST_F(ArtifactServiceTest, ADamagedFileIsSetAsideAndTakenAgain) {
  const std::string content(3 << 20, 'x'), sha256 = Sha256Hex(content);
  for (int piece = 0; piece < 3; ++piece)
    ASSERT_TRUE(Upload(sha256, 3 << 20, content.substr(0, 1 << 20), piece << 20).ok());
  const std::string path =
      absl::StrCat(folder_.path(), "/artifacts/", sha256.substr(0, 2), "/", sha256.substr(2));
  ASSERT_TRUE(WriteFileAtomically(path, std::string((3 << 20) - 1, 'x') + "y").ok());
  const absl::Status damaged = Download(sha256).status();
  EXPECT_EQ(damaged.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReasonOf(damaged), "ARTIFACT_DAMAGED");
  EXPECT_EQ(Download(sha256).status().code(), absl::StatusCode::kNotFound);
  for (int piece = 0; piece < 3; ++piece)
    ASSERT_TRUE(Upload(sha256, 3 << 20, content.substr(0, 1 << 20), piece << 20).ok());
  EXPECT_EQ(*Download(sha256), content);
}

TEST_F(ArtifactServiceTest, WrongDigestsOffsetsAndSizesAreRefused) {
  const std::string sha256 = Sha256Hex("content");
  EXPECT_EQ(Upload("no digest", 7, "content").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Upload(sha256, -1, "content").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Upload(sha256, 7, "CONTENT").code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Upload(sha256, 2 << 20, std::string((1 << 20) + 1, 'x')).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Download("no digest").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Download(sha256).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(Upload(sha256, 7, "content").ok());
  EXPECT_EQ(Download(sha256, 8).status().code(), absl::StatusCode::kOutOfRange);
  v1::StatArtifactsRequest request;
  for (int i = 0; i <= 10000; ++i) request.add_sha256(sha256);
  v1::StatArtifactsResponse response;
  EXPECT_EQ(Stat(request, &response).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(WorkerServiceTest, AWorkerIsDrainedWithItsReasonAndGivenRunsAgain) {
  v1::SyncResponse ignored;
  ASSERT_TRUE(Sync(IdleWorker("w"), &ignored).ok());
  const auto set = [&](const std::string& worker, v1::WorkerMode mode, const std::string& reason,
                       v1::WorkerStatus* status) {
    v1::SetWorkerModeRequest request;
    request.set_worker_id(worker);
    request.set_mode(mode);
    request.set_reason(reason);
    return Call(*workers_, &v1::WorkerService::Stub::SetWorkerMode, request, status);
  };
  v1::WorkerStatus status;
  ASSERT_TRUE(set("w", v1::WORKER_MODE_DRAINED, "new disk", &status).ok());
  EXPECT_EQ(status.mode(), v1::WORKER_MODE_DRAINED);
  EXPECT_EQ(English(*FromProto(status.mode_reason())), "new disk");
  EXPECT_EQ(status.mode_time().seconds(), absl::ToUnixSeconds(clock_.Now()));
  Submitted();
  v1::SyncResponse response;
  ASSERT_TRUE(Sync(IdleWorker("w"), &response).ok());
  EXPECT_FALSE(response.has_assignment());
  ASSERT_TRUE(set("w", v1::WORKER_MODE_ACTIVE, "", &status).ok());
  EXPECT_EQ(status.mode(), v1::WORKER_MODE_ACTIVE);
  EXPECT_FALSE(status.has_mode_reason());
  ASSERT_TRUE(Sync(IdleWorker("w"), &response).ok());
  EXPECT_TRUE(response.has_assignment());

  EXPECT_EQ(set("nobody", v1::WORKER_MODE_DRAINED, "", &status).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(set("w", v1::WORKER_MODE_UNSPECIFIED, "", &status).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(set("w", static_cast<v1::WorkerMode>(9), "", &status).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(set("w", v1::WORKER_MODE_DRAINED, std::string(1001, 'x'), &status).code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace quantlab
