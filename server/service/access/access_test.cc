// Who may call what, through gRPC: every role against every RPC, and what the conditions of the table mean.
#include "server/service/access/access.h"

#include <cmath>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/messages/message_catalogue.h"
#include "base/records/checkpoint_names.h"
#include "security/token.h"
#include "server/service/testing/every_rpc.h"
#include "server/service/testing/service_harness.h"
#include "server/service/testing/upload.h"

namespace quantlab {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class AccessTest : public ServiceTest {
 protected:
  // A new identity of the role, and its token; workers have joined as "worker-<name>".
  std::string TokenOf(const std::string& name, Role role) {
    auto created = *identities_->Create(name, role, absl::Hours(1));
    if (role != Role::kWorker) return created.token;
    return identities_->Exchange(created.record, "worker-" + name)->token;
  }

  absl::Status CallEmpty(const std::string& path, const std::string& token) {
    return quantlab::CallEmpty(channel_, path, token);
  }

  std::string AuditText() { return *ReadFile(folder_ / "audit", 1 << 20); }

  absl::Status Upload(const std::string& content) { return UploadContent(*artifacts_, content, token_); }

  absl::Status Download(const std::string& sha256) {
    grpc::ClientContext context;
    if (!token_.empty()) context.AddMetadata("authorization", "Bearer " + token_);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    v1::DownloadArtifactRequest request;
    request.set_sha256(sha256);
    const auto reader = artifacts_->DownloadArtifact(&context, request);
    v1::DownloadArtifactResponse response;
    while (reader->Read(&response)) {
    }
    return FromGrpcStatus(reader->Finish());
  }

  absl::Status CancelIt(const std::string& id) {
    v1::CancelExperimentRequest request;
    request.set_id(id);
    v1::Experiment response;
    return Call(*experiments_, &v1::ExperimentService::Stub::CancelExperiment, request, &response);
  }

  absl::Status FinishIt(const v1::AttemptRef& attempt, const std::string& artifact = "") {
    v1::FinishAttemptRequest request;
    *request.mutable_attempt() = attempt;
    request.set_outcome(v1::RUN_STATE_SUCCEEDED);
    if (!artifact.empty()) {
      v1::Artifact* out = request.add_artifacts();
      out->set_name("model/model.safetensors");
      out->set_sha256(Sha256Hex(artifact));
      out->set_size(static_cast<int64_t>(artifact.size()));
    }
    v1::FinishAttemptResponse response;
    return Call(*workers_, &v1::WorkerService::Stub::FinishAttempt, request, &response);
  }
};

class ClosedLoopbackTest : public AccessTest {
 protected:
  void SetUp() override {
    require_auth_ = true;
    AccessTest::SetUp();
  }
};

TEST(AccessTableTest, EveryRpcHasOneRuleAndEveryRuleAnRpc) {
  std::set<std::string> rules;
  for (const AccessRule& rule : AccessRules()) EXPECT_TRUE(rules.insert(rule.method).second) << rule.method;
  std::set<std::string> rpcs;
  for (const std::string& name : RpcNames()) EXPECT_TRUE(rpcs.insert(name).second) << name;
  EXPECT_EQ(rules, rpcs);
  EXPECT_EQ(FindAccessRule("NoSuchRpc"), nullptr);
}

TEST(AccessTableTest, ChangesDoNotRunAmongReads) {
  for (const AccessRule& rule : AccessRules()) {
    bool reads = false;
    for (const char* verb : {"List", "Get", "Watch", "Explain", "Stat", "Download"})
      reads = reads || absl::StartsWith(rule.method, verb);
    const Lane lane = rule.method == "SubmitExperiment" ? Lane::kPlan : reads ? Lane::kRead : Lane::kChange;
    EXPECT_EQ(rule.lane, lane) << rule.method;
  }
}

TEST_F(ClosedLoopbackTest, EveryRoleAgainstEveryRpc) {
  std::map<Role, std::string> tokens;
  for (const Role role : kAllRoles) tokens[role] = TokenOf(RoleName(role), role);
  const auto expected = ExpectedAccess();
  const auto paths = RpcPaths();
  ASSERT_EQ(expected.size(), paths.size());
  for (const auto& [method, path] : paths) {
    ASSERT_EQ(expected.count(method), 1u) << method;
    for (size_t i = 0; i < std::size(kAllRoles); ++i) {
      const absl::Status status = CallEmpty(path, tokens[kAllRoles[i]]);
      const std::string cell = absl::StrCat(method, " as ", RoleName(kAllRoles[i]), ": ");
      expected.at(method)[i] ? ExpectAdmitted(status, cell) : ExpectRefused(status, cell);
    }
    EXPECT_EQ(ReasonOf(CallEmpty(path, "")), "TOKEN_MISSING") << method;
    EXPECT_EQ(ReasonOf(CallEmpty(path, NewToken())), "TOKEN_UNKNOWN") << method;
  }
}

TEST_F(ClosedLoopbackTest, EachWayOfNotBeingKnownHasItsReason) {
  const std::string path = RpcPaths().at("ListMethods");
  const std::string token = TokenOf("alice", Role::kViewer);
  EXPECT_TRUE(CallEmpty(path, token).ok());
  clock_.Advance(absl::Minutes(61));
  EXPECT_EQ(ReasonOf(CallEmpty(path, token)), "TOKEN_EXPIRED");
  const std::string second = TokenOf("alice", Role::kViewer);
  EXPECT_EQ(ReasonOf(CallEmpty(path, token)), "TOKEN_UNKNOWN") << "replaced";
  EXPECT_TRUE(CallEmpty(path, second).ok());
  ASSERT_TRUE(identities_->Revoke("alice").ok());
  const absl::Status revoked = CallEmpty(path, second);
  EXPECT_TRUE(absl::IsUnauthenticated(revoked));
  EXPECT_EQ(ReasonOf(revoked), "TOKEN_REVOKED");
  EXPECT_EQ(MessageOf(revoked).code, "access.token_revoked");
}

TEST_F(AccessTest, WithoutTokensLoopbackIsOpenAndAWrongTokenIsStillRefused) {
  for (const auto& [method, path] : RpcPaths()) {
    const absl::Status status = CallEmpty(path, "");
    EXPECT_FALSE(absl::IsPermissionDenied(status)) << method << status;
    EXPECT_FALSE(absl::IsUnauthenticated(status)) << method << status;
    EXPECT_FALSE(absl::IsDeadlineExceeded(status)) << method;
  }
  EXPECT_EQ(ReasonOf(CallEmpty(RpcPaths().at("ListMethods"), NewToken())), "TOKEN_UNKNOWN");
}

TEST_F(AccessTest, AnIdentitySubmitsUnderItsNameAndChangesOnlyItsOwn) {
  const std::string alice = TokenOf("alice", Role::kSubmitter), bob = TokenOf("bob", Role::kSubmitter);
  token_ = alice;
  v1::SubmitExperimentResponse response;
  ASSERT_TRUE(Submit(NewRequest("a"), &response).ok());  // the request says "someone"
  const std::string id = response.experiment().id();
  EXPECT_EQ(response.experiment().submitter(), "alice");
  token_ = bob;
  const absl::Status refused = CancelIt(id);
  EXPECT_TRUE(absl::IsPermissionDenied(refused));
  EXPECT_EQ(ReasonOf(refused), "NOT_YOURS");
  v1::RetryExperimentRequest retry;
  retry.set_id(id);
  v1::Experiment experiment;
  EXPECT_EQ(ReasonOf(Call(*experiments_, &v1::ExperimentService::Stub::RetryExperiment, retry, &experiment)),
            "NOT_YOURS");
  EXPECT_TRUE(absl::IsNotFound(CancelIt("none")));
  token_ = alice;
  EXPECT_TRUE(CancelIt(id).ok());
  token_ = TokenOf("root", Role::kAdmin);
  EXPECT_TRUE(CancelIt(Submitted("b")).ok());
}

TEST_F(AccessTest, AWorkerTouchesOnlyAttemptsThatItHolds) {
  Submitted();
  const std::string first = TokenOf("first", Role::kWorker), second = TokenOf("second", Role::kWorker);
  token_ = first;
  v1::SyncResponse response;
  EXPECT_EQ(ReasonOf(Sync(IdleWorker("worker-second"), &response)), "WORKER_ID_OF_OTHER");
  const v1::AttemptRef attempt = Taken("worker-first");
  token_ = second;
  EXPECT_EQ(ReasonOf(FinishIt(attempt)), "ATTEMPT_NOT_HELD");
  v1::ReportEventsRequest report;
  *report.mutable_attempt() = attempt;
  v1::ReportEventsResponse reported;
  EXPECT_EQ(ReasonOf(Call(*workers_, &v1::WorkerService::Stub::ReportEvents, report, &reported)),
            "ATTEMPT_NOT_HELD");
  v1::AttemptRef unknown;
  unknown.set_run_id("none/none");
  unknown.set_number(1);
  EXPECT_EQ(ReasonOf(FinishIt(unknown)), "ATTEMPT_NOT_HELD") << "as for another's";
  // Under its own id, but with the other's attempt: fenced, and the lease of the other stays.
  v1::SyncRequest lie = IdleWorker("worker-second");
  *lie.mutable_attempt() = attempt;
  ASSERT_TRUE(Sync(lie, &response).ok());
  EXPECT_TRUE(response.fenced());
  token_ = first;
  EXPECT_TRUE(FinishIt(attempt).ok());
}

TEST_F(AccessTest, AWorkerReadsAndStoresOnlyForTheRunThatItExecutes) {
  const std::string model = "weights", other = "somebody else's";
  ASSERT_TRUE(Upload(other).ok());
  Submitted();
  token_ = TokenOf("first", Role::kWorker);
  EXPECT_TRUE(absl::IsAborted(Upload(model))) << "no run yet";
  const v1::AttemptRef baseline = Taken("worker-first");
  EXPECT_TRUE(Upload(model).ok());
  EXPECT_EQ(ReasonOf(Download(Sha256Hex(other))), "ARTIFACT_NOT_ASSIGNED");
  EXPECT_EQ(ReasonOf(Download(Sha256Hex(model))), "ARTIFACT_NOT_ASSIGNED") << "its output is no input";
  ASSERT_TRUE(FinishIt(baseline, model).ok());
  EXPECT_EQ(ReasonOf(Download(Sha256Hex(model))), "ARTIFACT_NOT_ASSIGNED") << "it executes nothing";
  Taken("worker-first");  // dynamic_quantization, whose input is the baseline's model
  EXPECT_TRUE(Download(Sha256Hex(model)).ok());
  EXPECT_EQ(ReasonOf(Download(Sha256Hex(other))), "ARTIFACT_NOT_ASSIGNED");
  token_ = TokenOf("alice", Role::kViewer);
  EXPECT_TRUE(Download(Sha256Hex(other)).ok());
}

TEST_F(AccessTest, TheNextWorkerReadsTheCheckpointOfTheRunThatItContinues) {
  const std::string state = "state after step 12";
  Submitted();
  token_ = TokenOf("first", Role::kWorker);
  v1::ReportEventsRequest report;
  *report.mutable_attempt() = Taken("worker-first");
  ASSERT_TRUE(Upload(state).ok());
  report.set_first_number(1);
  v1::Event& event = *report.add_events();
  event.set_number(1);
  event.mutable_time()->set_seconds(1'700'000'000);
  event.mutable_artifact()->set_name(CheckpointName(12));
  event.mutable_artifact()->set_sha256(Sha256Hex(state));
  event.mutable_artifact()->set_size(static_cast<int64_t>(state.size()));
  v1::ReportEventsResponse reported;
  ASSERT_TRUE(Call(*workers_, &v1::WorkerService::Stub::ReportEvents, report, &reported).ok());
  EXPECT_EQ(ReasonOf(Download(Sha256Hex(state))), "ARTIFACT_NOT_ASSIGNED") << "it is its own output";
  v1::FinishAttemptRequest finish;
  *finish.mutable_attempt() = report.attempt();
  finish.set_outcome(v1::RUN_STATE_PREEMPTED);
  finish.set_last_number(1);
  v1::FinishAttemptResponse finished;
  ASSERT_TRUE(Call(*workers_, &v1::WorkerService::Stub::FinishAttempt, finish, &finished).ok());
  token_ = TokenOf("second", Role::kWorker);
  v1::SyncResponse response;
  ASSERT_TRUE(Sync(IdleWorker("worker-second"), &response).ok());
  const v1::TrainingCheckpoint& checkpoint = response.assignment().checkpoint();
  EXPECT_EQ(checkpoint.sha256(), Sha256Hex(state));
  EXPECT_EQ(checkpoint.size(), static_cast<int64_t>(state.size()));
  EXPECT_EQ(checkpoint.attempt(), 1);
  EXPECT_EQ(checkpoint.step(), 12);
  EXPECT_TRUE(Download(Sha256Hex(state)).ok());
}

TEST_F(AccessTest, MachinesAreDescribedToAdministratorsOnly) {
  v1::SyncResponse ignored;
  ASSERT_TRUE(Sync(IdleWorker("w"), &ignored).ok());
  const auto hosts = [&](const std::string& token) {
    token_ = token;
    v1::ListWorkersResponse response;
    EXPECT_TRUE(
        Call(*workers_, &v1::WorkerService::Stub::ListWorkers, v1::ListWorkersRequest(), &response).ok());
    EXPECT_EQ(response.workers_size(), 1);
    EXPECT_EQ(response.workers(0).worker().id(), "w");
    EXPECT_EQ(response.workers(0).worker().devices(0), "cpu");
    return response.workers(0).worker().hostname();
  };
  EXPECT_EQ(hosts(TokenOf("viewer", Role::kViewer)), "");
  EXPECT_EQ(hosts(TokenOf("submitter", Role::kSubmitter)), "");
  EXPECT_EQ(hosts(TokenOf("admin", Role::kAdmin)), "host");
}

TEST_F(AccessTest, WhyAWorkerIsHeldIsForAdministratorsOnly) {
  Submitted();
  v1::FinishAttemptRequest request;
  *request.mutable_attempt() = Taken("w");
  request.set_outcome(v1::RUN_STATE_FAILED);
  request.set_worker_fault(true);
  request.set_message("no space in /home/somebody");
  v1::FinishAttemptResponse finished;
  ASSERT_TRUE(Call(*workers_, &v1::WorkerService::Stub::FinishAttempt, request, &finished).ok());
  const auto is_told = [&](const std::string& token) {
    token_ = token;
    v1::ListWorkersResponse response;
    EXPECT_TRUE(
        Call(*workers_, &v1::WorkerService::Stub::ListWorkers, v1::ListWorkersRequest(), &response).ok());
    EXPECT_EQ(response.workers_size(), 1);
    EXPECT_TRUE(response.workers(0).has_held_until_time());
    return response.workers(0).has_hold_reason();
  };
  EXPECT_FALSE(is_told(TokenOf("submitter", Role::kSubmitter)));
  EXPECT_TRUE(is_told(TokenOf("admin", Role::kAdmin)));
}

TEST_F(AccessTest, WhoTakesAWorkerOutOfServiceIsKnownAndAudited) {
  v1::SyncResponse ignored;
  ASSERT_TRUE(Sync(IdleWorker("w"), &ignored).ok());
  token_ = TokenOf("carol", Role::kAdmin);
  v1::SetWorkerModeRequest request;
  request.set_worker_id("w");
  request.set_mode(v1::WORKER_MODE_QUARANTINED);
  v1::WorkerStatus status;
  ASSERT_TRUE(Call(*workers_, &v1::WorkerService::Stub::SetWorkerMode, request, &status).ok());
  EXPECT_EQ(status.mode_by(), "carol");
  EXPECT_THAT(AuditText(), HasSubstr("caller=carol role=admin rpc=SetWorkerMode"));
  EXPECT_THAT(AuditText(), HasSubstr("w:WORKER_MODE_QUARANTINED"));
}

TEST_F(AccessTest, AJoiningTokenIsGoodForOneExchangeAndNothingElse) {
  const std::string token = identities_->Create("gpu1", Role::kWorker, absl::Hours(24))->token;
  token_ = token;
  v1::SyncResponse ignored;
  EXPECT_EQ(ReasonOf(Sync(IdleWorker("w"), &ignored)), "TOKEN_JOINS_ONLY");
  v1::JoinWorkerRequest request;
  request.set_worker_id("w");
  v1::JoinWorkerResponse joined;
  ASSERT_TRUE(Call(*admin_, &v1::AdminService::Stub::JoinWorker, request, &joined).ok());
  EXPECT_TRUE(IsToken(joined.token()));
  EXPECT_EQ(joined.identity().worker_id(), "w");
  EXPECT_EQ(ReasonOf(Call(*admin_, &v1::AdminService::Stub::JoinWorker, request, &joined)), "TOKEN_UNKNOWN");
  token_ = joined.token();
  EXPECT_EQ(ReasonOf(Call(*admin_, &v1::AdminService::Stub::JoinWorker, request, &joined)),
            "TOKEN_DOES_NOT_JOIN");
  EXPECT_TRUE(Sync(IdleWorker("w"), &ignored).ok());
  clock_.Advance(absl::Hours(23));
  EXPECT_TRUE(Sync(IdleWorker("w"), &ignored).ok())
      << "the lasting token has the lifetime that was asked for";
  clock_.Advance(absl::Hours(2));
  EXPECT_EQ(ReasonOf(Sync(IdleWorker("w"), &ignored)), "TOKEN_EXPIRED");
}

TEST_F(AccessTest, TheIdOfAConnectedWorkerIsNotTakenOver) {
  v1::SyncResponse ignored;
  ASSERT_TRUE(Sync(IdleWorker("local"), &ignored).ok());
  token_ = identities_->Create("gpu1", Role::kWorker, absl::Hours(24))->token;
  v1::JoinWorkerRequest request;
  request.set_worker_id("local");
  v1::JoinWorkerResponse joined;
  EXPECT_TRUE(absl::IsAlreadyExists(Call(*admin_, &v1::AdminService::Stub::JoinWorker, request, &joined)));
  clock_.Advance(absl::Minutes(30));  // gone: its folder may join
  EXPECT_TRUE(Call(*admin_, &v1::AdminService::Stub::JoinWorker, request, &joined).ok());
}

TEST_F(AccessTest, AJoiningTokenExpiresWithinTheHour) {
  token_ = identities_->Create("gpu1", Role::kWorker, absl::Hours(24))->token;
  clock_.Advance(absl::Minutes(61));
  v1::JoinWorkerRequest request;
  request.set_worker_id("w");
  v1::JoinWorkerResponse joined;
  EXPECT_EQ(ReasonOf(Call(*admin_, &v1::AdminService::Stub::JoinWorker, request, &joined)), "TOKEN_EXPIRED");
}

TEST_F(AccessTest, IdentitiesAreManagedThroughTheService) {
  v1::CreateIdentityRequest create;
  create.set_name("alice");
  create.set_role(v1::ROLE_SUBMITTER);
  create.set_valid_seconds(3600);
  v1::CreateIdentityResponse created;
  ASSERT_TRUE(Call(*admin_, &v1::AdminService::Stub::CreateIdentity, create, &created).ok());
  EXPECT_TRUE(IsToken(created.token()));
  EXPECT_EQ(created.remote_address(), "host:1");
  EXPECT_EQ(created.ca_sha256(), std::string(64, 'a'));
  EXPECT_TRUE(
      absl::IsAlreadyExists(Call(*admin_, &v1::AdminService::Stub::CreateIdentity, create, &created)));
  for (const auto& [name, role, seconds] :
       std::vector<std::tuple<std::string, v1::Role, double>>{{"", v1::ROLE_VIEWER, 60},
                                                              {"a b", v1::ROLE_VIEWER, 60},
                                                              {std::string(65, 'a'), v1::ROLE_VIEWER, 60},
                                                              {"-a", v1::ROLE_VIEWER, 60},
                                                              {"bob", v1::ROLE_UNSPECIFIED, 60},
                                                              {"bob", v1::ROLE_VIEWER, 1},
                                                              {"bob", v1::ROLE_VIEWER, 1e12},
                                                              {"bob", v1::ROLE_VIEWER, std::nan("")}}) {
    v1::CreateIdentityRequest wrong;
    wrong.set_name(name);
    wrong.set_role(role);
    wrong.set_valid_seconds(seconds);
    EXPECT_TRUE(
        absl::IsInvalidArgument(Call(*admin_, &v1::AdminService::Stub::CreateIdentity, wrong, &created)))
        << name << role << seconds;
  }
  v1::ListIdentitiesResponse list;
  ASSERT_TRUE(
      Call(*admin_, &v1::AdminService::Stub::ListIdentities, v1::ListIdentitiesRequest(), &list).ok());
  ASSERT_EQ(list.identities_size(), 1);
  EXPECT_EQ(list.identities(0).role(), v1::ROLE_SUBMITTER);
  EXPECT_THAT(list.SerializeAsString(), Not(HasSubstr("qlt_")));
  v1::RevokeIdentityRequest revoke;
  revoke.set_name("alice");
  v1::Identity identity;
  EXPECT_TRUE(Call(*admin_, &v1::AdminService::Stub::RevokeIdentity, revoke, &identity).ok());
  EXPECT_TRUE(identity.has_revoke_time());
  revoke.set_name("nobody");
  EXPECT_TRUE(absl::IsNotFound(Call(*admin_, &v1::AdminService::Stub::RevokeIdentity, revoke, &identity)));
}

TEST_F(AccessTest, ChangesAndRefusalsAreAuditedAndSecretsAreNot) {
  const std::string alice = TokenOf("alice", Role::kSubmitter), viewer = TokenOf("eve", Role::kViewer);
  token_ = alice;
  const std::string id = Submitted();
  v1::ListMethodsResponse ignored;
  ASSERT_TRUE(
      Call(*experiments_, &v1::ExperimentService::Stub::ListMethods, v1::ListMethodsRequest(), &ignored)
          .ok());
  token_ = viewer;
  EXPECT_FALSE(CancelIt(id).ok());
  token_ = NewToken();
  EXPECT_FALSE(CancelIt(id).ok());
  const std::string text = AuditText();
  EXPECT_THAT(
      text, HasSubstr(absl::StrCat("experiment=", id, " caller=alice role=submitter rpc=SubmitExperiment")));
  EXPECT_THAT(text, HasSubstr("caller=eve role=viewer rpc=CancelExperiment"));
  EXPECT_THAT(text, HasSubstr("caller=unknown role=none rpc=CancelExperiment"));
  EXPECT_THAT(text, HasSubstr("reason=TOKEN_UNKNOWN"));
  EXPECT_THAT(text, Not(HasSubstr("ListMethods")));
  EXPECT_THAT(text, Not(HasSubstr("qlt_")));
}

class LimitedTest : public AccessTest {
 protected:
  void SetUp() override {
    limit_options_ = {
        .requests_per_second = 5, .open_calls = 1, .upload_bytes_per_day = 10, .unfinished_runs = 3};
    AccessTest::SetUp();
  }
};

TEST_F(LimitedTest, RequestsOfOneIdentityAreBoundedAndThoseOfOthersGoOn) {
  const std::string alice = TokenOf("alice", Role::kViewer), bob = TokenOf("bob", Role::kViewer);
  const std::string path = RpcPaths().at("ListMethods");
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(CallEmpty(path, alice).ok()) << i;
  const absl::Status refused = CallEmpty(path, alice);
  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_EQ(ReasonOf(refused), "TOO_MANY_REQUESTS");
  EXPECT_TRUE(CallEmpty(path, bob).ok());
  clock_.Advance(absl::Seconds(1));
  EXPECT_TRUE(CallEmpty(path, alice).ok());
}

TEST_F(LimitedTest, OpenStreamsOfOneIdentityAreBounded) {
  const std::string id = Submitted();
  const std::string alice = TokenOf("alice", Role::kViewer);
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer " + alice);
  v1::WatchExperimentRequest request;
  request.set_id(id);
  const auto stream = experiments_->WatchExperiment(&context, request);
  v1::WatchExperimentResponse change;
  ASSERT_TRUE(stream->Read(&change));
  EXPECT_EQ(ReasonOf(CallEmpty(RpcPaths().at("WatchExperiment"), alice)), "TOO_MANY_OPEN_CALLS");
  context.TryCancel();
  stream->Finish();
  // The server notices a moment later.
  absl::Status later;
  for (int i = 0; i < 100; ++i) {
    later = CallEmpty(RpcPaths().at("WatchExperiment"), alice);
    if (ReasonOf(later) != "TOO_MANY_OPEN_CALLS" && ReasonOf(later) != "TOO_MANY_REQUESTS") break;
    clock_.Advance(absl::Seconds(1));
  }
  EXPECT_TRUE(absl::IsNotFound(later)) << later;
}

TEST_F(LimitedTest, UploadsAndTheQueueOfOneSubmitterAreBounded) {
  token_ = TokenOf("alice", Role::kSubmitter);
  EXPECT_TRUE(Upload("12345678").ok());
  EXPECT_EQ(ReasonOf(Upload("abc")), "UPLOAD_QUOTA_USED");
  clock_.Advance(absl::Hours(24));
  token_ = TokenOf("bob", Role::kSubmitter);
  Submitted("a");  // two runs
  v1::SubmitExperimentResponse response;
  EXPECT_EQ(ReasonOf(Submit(NewRequest("b"), &response)), "QUEUE_QUOTA_USED");
  token_ = TokenOf("root", Role::kAdmin);
  EXPECT_TRUE(Submit(NewRequest("c"), &response).ok());
}

}  // namespace
}  // namespace quantlab
