// Who may call what over TLS: every RPC by every kind of caller, against the whole coordinator.
#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/records/identities.h"
#include "base/sha256.h"
#include "proto/convert_role.h"
#include "quantlab/v1/artifact.grpc.pb.h"
#include "security/token.h"
#include "server/main/testing/tls_fixture.h"
#include "server/service/access/access_table.h"
#include "server/service/testing/every_rpc.h"

namespace quantlab {
namespace {

using ::testing::HasSubstr;

class AccessOverTlsTest : public TlsTest {
 protected:
  void SetUp() override {
    TlsTest::SetUp();
    std::vector<std::string> names;
    for (const Role role : kAllRoles) names.push_back(RoleName(role));
    ASSERT_TRUE(InitAuthority({folder_ / "ca", {}, names, absl::Now()}).ok());
    channel_ = MakeChannel(address_, {.security = Trusting()});
    for (const Role role : kAllRoles) tokens_[role] = TokenOf(role);
  }

  // Of a new identity with the role's name; a worker has joined.
  std::string TokenOf(Role role) {
    const std::string token = Create(RoleName(role), ToProto(role)).token();
    return role == Role::kWorker ? Joined(token) : token;
  }

  std::string Joined(const std::string& token) {
    grpc::ClientContext context;
    context.AddMetadata("authorization", "Bearer " + token);
    v1::JoinWorkerRequest request;
    request.set_worker_id("worker-of-the-test");
    v1::JoinWorkerResponse response;
    const absl::Status status =
        FromGrpcStatus(v1::AdminService::NewStub(channel_)->JoinWorker(&context, request, &response));
    EXPECT_TRUE(status.ok()) << status;
    return response.token();
  }

  void Revoke(const std::string& name) {
    grpc::ClientContext context;
    v1::RevokeIdentityRequest request;
    request.set_name(name);
    v1::Identity response;
    const auto stub = v1::AdminService::NewStub(MakeChannel(*options_.local, {}));
    const absl::Status status = FromGrpcStatus(stub->RevokeIdentity(&context, request, &response));
    EXPECT_TRUE(status.ok()) << status;
  }

  // A connection that presents the client certificate of the role's identity, and no token.
  std::shared_ptr<grpc::Channel> CertifiedChannel(Role role) const {
    ChannelSecurity security = Trusting();
    security.certificate = Content(File(absl::StrCat(RoleName(role), ".crt")));
    security.key = Content(File(absl::StrCat(RoleName(role), ".key")));
    return MakeChannel(address_, {.security = security});
  }

  // One row for each RPC and one column for each role; `call` makes the call. Refused callers keep their side
  // of the stream open: the refusal must not wait for their messages.
  static void CheckRolesAgainstRpcs(
      const std::string& way,
      const std::function<absl::Status(Role, const std::string& path, bool more)>& call) {
    const auto expected = ExpectedAccess();
    const auto paths = RpcPaths();
    ASSERT_EQ(expected.size(), paths.size());
    for (const auto& [method, path] : paths) {
      ASSERT_EQ(expected.count(method), 1u) << method << " is in no row of the expected access";
      for (size_t i = 0; i < std::size(kAllRoles); ++i) {
        const std::string cell = absl::StrCat(method, " as ", RoleName(kAllRoles[i]), " by ", way, ": ");
        const bool may = expected.at(method)[i];
        EXPECT_EQ(FindAccessRule(method)->For(kAllRoles[i]) != Grant::kNo, may) << cell << "the table";
        const absl::Status status = call(kAllRoles[i], path, /*more=*/!may);
        may ? ExpectAdmitted(status, cell) : ExpectRefused(status, cell);
      }
    }
  }

  // Every RPC is refused with the reason, whatever it is and whether or not more messages follow.
  void ExpectUnknown(const std::string& token, const std::string& reason) {
    for (const auto& [method, path] : RpcPaths()) {
      const absl::Status status = CallEmpty(channel_, path, token, /*more=*/true);
      EXPECT_TRUE(absl::IsUnauthenticated(status)) << method << ": " << status;
      EXPECT_EQ(ReasonOf(status), reason) << method << ": " << status;
    }
  }

  static void Prepare(grpc::ClientContext& context, const std::string& token) {
    context.AddMetadata("authorization", "Bearer " + token);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  }

  // Stores `content` as this machine's user.
  void Store(const std::string& content) {
    const auto stub = v1::ArtifactService::NewStub(MakeChannel(*options_.local, {}));
    grpc::ClientContext context;
    v1::UploadArtifactResponse response;
    const auto writer = stub->UploadArtifact(&context, &response);
    constexpr size_t kPiece = 1 << 20;
    for (size_t begin = 0; begin < content.size(); begin += kPiece) {
      v1::UploadArtifactRequest request;
      request.set_sha256(Sha256Hex(content));
      request.set_size(static_cast<int64_t>(content.size()));
      request.set_data(content.substr(begin, kPiece));
      writer->Write(request);
    }
    writer->WritesDone();
    const absl::Status status = FromGrpcStatus(writer->Finish());
    EXPECT_TRUE(status.ok()) << status;
  }

  // Of an upload on its way.
  bool HasArrived(const std::string& sha256, uintmax_t bytes) const {
    std::error_code none;
    return std::filesystem::file_size(options_.data_dir + "/artifacts/incoming/" + sha256, none) == bytes;
  }

  // Ticks as the program does, until `happened`.
  void TickUntil(const std::function<bool()>& happened) {
    const absl::Time end = absl::Now() + absl::Seconds(30);
    while (!happened() && absl::Now() < end) app_->Tick();
    EXPECT_TRUE(happened());
  }

  std::shared_ptr<grpc::Channel> channel_;
  std::map<Role, std::string> tokens_;
};

TEST_F(AccessOverTlsTest, EveryRoleAgainstEveryRpcByToken) {
  CheckRolesAgainstRpcs("token", [&](Role role, const std::string& path, bool more) {
    return CallEmpty(channel_, path, tokens_[role], more);
  });
}

TEST_F(AccessOverTlsTest, EveryRoleAgainstEveryRpcByCertificate) {
  std::map<Role, std::shared_ptr<grpc::Channel>> channels;
  for (const Role role : kAllRoles) channels[role] = CertifiedChannel(role);
  CheckRolesAgainstRpcs("certificate", [&](Role role, const std::string& path, bool more) {
    return CallEmpty(channels[role], path, "", more);
  });
}

TEST_F(AccessOverTlsTest, EveryRpcIsRefusedToWhoeverIsNotKnown) {
  ExpectUnknown("", "TOKEN_MISSING");
  ExpectUnknown(NewToken(), "TOKEN_UNKNOWN");
  Revoke(RoleName(Role::kAdmin));
  ExpectUnknown(tokens_[Role::kAdmin], "TOKEN_REVOKED");
  const auto certified = CertifiedChannel(Role::kAdmin);
  for (const auto& [method, path] : RpcPaths())
    EXPECT_EQ(ReasonOf(CallEmpty(certified, path, "", /*more=*/true)), "CERTIFICATE_UNKNOWN") << method;
}

// The token that 'quantctl admin add-worker' prints.
TEST_F(AccessOverTlsTest, AWorkerThatHasNotJoinedMayOnlyJoin) {
  const std::string token = Create("new", v1::ROLE_WORKER).token();
  for (const auto& [method, path] : RpcPaths()) {
    const absl::Status status = CallEmpty(channel_, path, token, /*more=*/method != "JoinWorker");
    if (method == "JoinWorker") {
      ExpectAdmitted(status, "JoinWorker: ");
    } else {
      EXPECT_TRUE(absl::IsPermissionDenied(status)) << method << ": " << status;
    }
  }
}

TEST_F(AccessOverTlsTest, WhatNoTableHasIsNotServed) {
  for (const char* path : {"/quantlab.v1.AdminService/NoSuchRpc", "/quantlab.v1.NoSuchService/Sync",
                           "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}) {
    EXPECT_TRUE(absl::IsUnimplemented(CallEmpty(channel_, path, tokens_[Role::kAdmin]))) << path;
  }
}

// ---- streams that are open when their identity is revoked (open_calls_test.cc has the other cases) -------

TEST_F(AccessOverTlsTest, AnUploadThatSendsNothingIsToldWhyItEnds) {
  grpc::ClientContext context;
  Prepare(context, tokens_[Role::kSubmitter]);
  const auto stub = v1::ArtifactService::NewStub(channel_);
  v1::UploadArtifactResponse response;
  const auto writer = stub->UploadArtifact(&context, &response);
  v1::UploadArtifactRequest request;
  request.set_sha256(std::string(64, 'a'));
  request.set_size(200);
  request.set_data(std::string(100, 'x'));
  ASSERT_TRUE(writer->Write(request));
  TickUntil([&] { return HasArrived(request.sha256(), 100); });
  Revoke("submitter");
  auto finish = std::async(std::launch::async, [&] { return FromGrpcStatus(writer->Finish()); });
  TickUntil([&] { return finish.wait_for(std::chrono::milliseconds(1)) == std::future_status::ready; });
  const absl::Status ended = finish.get();
  EXPECT_TRUE(absl::IsUnauthenticated(ended)) << ended;
  EXPECT_THAT(std::string(ended.message()), HasSubstr("submitter was revoked"));
}

TEST_F(AccessOverTlsTest, ADownloadThatIsNotReadEnds) {
  std::string content(48 << 20, 'x');
  Store(content);
  grpc::ClientContext context;
  Prepare(context, tokens_[Role::kViewer]);
  const auto stub = v1::ArtifactService::NewStub(channel_);
  v1::DownloadArtifactRequest request;
  request.set_sha256(Sha256Hex(content));
  const auto reader = stub->DownloadArtifact(&context, request);
  v1::DownloadArtifactResponse piece;
  ASSERT_TRUE(reader->Read(&piece));
  Revoke("viewer");
  TickUntil([&] { return absl::StrContains(Content(options_.audit_log), "rpc=DownloadArtifact"); });
  size_t received = piece.data().size();
  while (reader->Read(&piece)) received += piece.data().size();
  EXPECT_LT(received, content.size());
  const absl::Status ended = FromGrpcStatus(reader->Finish());
  EXPECT_TRUE(absl::IsUnauthenticated(ended)) << ended;
  EXPECT_THAT(std::string(ended.message()), HasSubstr("viewer was revoked"));
  EXPECT_THAT(Content(options_.audit_log), HasSubstr("reason=TOKEN_REVOKED"));
}

}  // namespace
}  // namespace quantlab
