// Calls that are open when their caller's identity is revoked, expires or gets another token.
#include "server/service/rpc/open_calls.h"

#include <filesystem>
#include <thread>

#include <gmock/gmock.h>

#include "absl/strings/match.h"
#include "base/messages/message_catalogue.h"
#include "server/service/testing/service_harness.h"

namespace quantlab {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class OpenCallsTest : public ServiceTest {
 protected:
  std::string TokenOf(const std::string& name, Role role) {
    auto created = *identities_->Create(name, role, absl::Hours(1));
    if (role != Role::kWorker) return created.token;
    return identities_->Exchange(created.record, "worker-" + name)->token;
  }

  // As the coordinator does in each tick.
  void Tick() { access_->open_calls().EndInvalid(); }

  static void Prepare(grpc::ClientContext& context, const std::string& token) {
    context.AddMetadata("authorization", "Bearer " + token);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  }

  // Until so much of an upload has arrived.
  void WaitFor(const std::string& sha256, uintmax_t bytes) const {
    std::error_code none;
    while (std::filesystem::file_size(folder_ / ("artifacts/incoming/" + sha256), none) != bytes)
      std::this_thread::yield();
  }

  // An upload of 300 bytes by the submitter alice, 100 of which have arrived.
  class AlicesUpload {
   public:
    explicit AlicesUpload(OpenCallsTest& test) {
      Prepare(context_, test.TokenOf("alice", Role::kSubmitter));
      writer_ = test.artifacts_->UploadArtifact(&context_, &response_);
      const std::string content(300, 'x');
      request_.set_sha256(Sha256Hex(content));
      request_.set_size(300);
      request_.set_data(content.substr(0, 100));
      EXPECT_TRUE(Send());
      test.WaitFor(sha256(), 100);
    }
    // The next 100 bytes.
    bool Send() { return writer_->Write(request_); }
    absl::Status Finish() { return FromGrpcStatus(writer_->Finish()); }
    const std::string& sha256() const { return request_.sha256(); }

   private:
    grpc::ClientContext context_;
    v1::UploadArtifactRequest request_;
    v1::UploadArtifactResponse response_;
    std::unique_ptr<grpc::ClientWriter<v1::UploadArtifactRequest>> writer_;
  };

  std::string AuditText() { return *ReadFile(folder_ / "audit", 1 << 20); }
};

// A watch of an experiment that has arrived at the end of the changes so far, or nearly.
class OpenWatch {
 public:
  OpenWatch(v1::ExperimentService::Stub& stub, const std::string& token, const std::string& experiment) {
    context_.AddMetadata("authorization", "Bearer " + token);
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    v1::WatchExperimentRequest request;
    request.set_id(experiment);
    reader_ = stub.WatchExperiment(&context_, request);
    v1::WatchExperimentResponse change;
    EXPECT_TRUE(reader_->Read(&change));
  }

  absl::Status ReadToEnd() {
    v1::WatchExperimentResponse change;
    while (reader_->Read(&change)) {
    }
    return FromGrpcStatus(reader_->Finish());
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchExperimentResponse>> reader_;
};

TEST_F(OpenCallsTest, ARevokedIdentitysWatchEndsAndAnothersGoesOn) {
  const std::string id = Submitted();
  OpenWatch alices(*experiments_, TokenOf("alice", Role::kViewer), id);
  OpenWatch bobs(*experiments_, TokenOf("bob", Role::kViewer), id);
  Tick();
  ASSERT_TRUE(identities_->Revoke("alice").ok());
  Tick();
  const absl::Status ended = alices.ReadToEnd();
  EXPECT_TRUE(absl::IsUnauthenticated(ended)) << ended;
  EXPECT_EQ(ReasonOf(ended), "TOKEN_REVOKED");
  EXPECT_EQ(MessageOf(ended).code, "access.token_revoked");
  EXPECT_THAT(AuditText(), HasSubstr("caller=alice role=viewer rpc=WatchExperiment"));
  v1::CancelExperimentRequest cancel;
  cancel.set_id(id);
  v1::Experiment cancelled;
  ASSERT_TRUE(Call(*experiments_, &v1::ExperimentService::Stub::CancelExperiment, cancel, &cancelled).ok());
  EXPECT_TRUE(bobs.ReadToEnd().ok());
}

TEST_F(OpenCallsTest, AWatchEndsWhenItsTokenExpires) {
  OpenWatch watch(*experiments_, TokenOf("alice", Role::kViewer), Submitted());
  clock_.Advance(absl::Minutes(59));
  Tick();
  clock_.Advance(absl::Minutes(1));
  Tick();
  const absl::Status ended = watch.ReadToEnd();
  EXPECT_TRUE(absl::IsUnauthenticated(ended)) << ended;
  EXPECT_EQ(ReasonOf(ended), "TOKEN_EXPIRED");
}

TEST_F(OpenCallsTest, AWatchEndsWhenItsIdentityIsMadeAnew) {
  OpenWatch watch(*experiments_, TokenOf("alice", Role::kAdmin), Submitted());
  ASSERT_TRUE(identities_->Revoke("alice").ok());
  const std::string second = TokenOf("alice", Role::kViewer);  // before any tick
  Tick();
  const absl::Status ended = watch.ReadToEnd();
  EXPECT_TRUE(absl::IsUnauthenticated(ended)) << ended;
  EXPECT_EQ(ReasonOf(ended), "TOKEN_UNKNOWN");
}

TEST_F(OpenCallsTest, CallsWithoutAnIdentityGoOn) {
  const std::string id = Submitted();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  v1::WatchExperimentRequest request;
  request.set_id(id);
  const auto reader = experiments_->WatchExperiment(&context, request);
  v1::WatchExperimentResponse change;
  ASSERT_TRUE(reader->Read(&change));
  clock_.Advance(absl::Hours(10'000));
  Tick();
  v1::CancelExperimentRequest cancel;
  cancel.set_id(id);
  v1::Experiment cancelled;
  ASSERT_TRUE(Call(*experiments_, &v1::ExperimentService::Stub::CancelExperiment, cancel, &cancelled).ok());
  while (reader->Read(&change)) {
  }
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(OpenCallsTest, ARevokedWorkersSyncDoesNotWaitForARun) {
  token_ = TokenOf("gpu", Role::kWorker);
  absl::Status ended;
  std::thread worker([&] {
    v1::SyncRequest request = IdleWorker("worker-gpu");
    request.set_max_wait_seconds(50);
    v1::SyncResponse response;
    ended = Sync(request, &response);
  });
  while (coordinator_->Workers().empty()) std::this_thread::yield();
  ASSERT_TRUE(identities_->Revoke("gpu").ok());
  Tick();
  worker.join();
  EXPECT_TRUE(absl::IsUnauthenticated(ended)) << ended;
  EXPECT_EQ(ReasonOf(ended), "TOKEN_REVOKED");
  token_.clear();
  Submitted();
  EXPECT_FALSE(coordinator_->HeldBy("worker-gpu")) << "the run must not go to the worker that waited";
}

TEST_F(OpenCallsTest, AMovingUploadEndsWithItsNextPiece) {
  AlicesUpload upload(*this);
  ASSERT_TRUE(identities_->Revoke("alice").ok());
  upload.Send();
  const absl::Status ended = upload.Finish();
  EXPECT_TRUE(absl::IsUnauthenticated(ended)) << ended;
  EXPECT_EQ(ReasonOf(ended), "TOKEN_REVOKED");
  EXPECT_EQ(storage_->artifacts().GetStat(upload.sha256())->size, 100) << "what came before is kept";
}

TEST_F(OpenCallsTest, AnUploadThatSendsNothingIsCutAfterAMoment) {
  AlicesUpload upload(*this);
  ASSERT_TRUE(identities_->Revoke("alice").ok());
  Tick();
  EXPECT_THAT(AuditText(), Not(HasSubstr("UploadArtifact"))) << "it is given time to end by itself";
  clock_.Advance(OpenCalls::kEndTime);
  Tick();
  EXPECT_FALSE(upload.Finish().ok());  // over TLS: access_over_tls_test.cc
  while (!absl::StrContains(AuditText(), "rpc=UploadArtifact")) std::this_thread::yield();
  EXPECT_THAT(AuditText(), HasSubstr("reason=TOKEN_REVOKED"));
}

}  // namespace
}  // namespace quantlab
