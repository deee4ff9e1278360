// A whole coordinator that serves TLS on a port of loopback and its own socket beside it. For tests.
#ifndef QUANTLAB_SERVER_MAIN_TESTING_TLS_FIXTURE_H_
#define QUANTLAB_SERVER_MAIN_TESTING_TLS_FIXTURE_H_

#include <chrono>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/files.h"
#include "base/testing/temp_folder.h"
#include "proto/channel_security.h"
#include "proto/status_bridge.h"
#include "quantlab/v1/admin.grpc.pb.h"
#include "quantlab/v1/experiment.grpc.pb.h"
#include "security/authority.h"
#include "server/main/app.h"

namespace quantlab {

class TlsTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto made =
        InitAuthority({folder_ / "ca", {"127.0.0.1", "localhost"}, {"alice", "mallory"}, absl::Now()});
    ASSERT_TRUE(made.ok()) << made.status();
    fingerprint_ = *made;
    options_.data_dir = folder_ / "data";
    options_.listen = *ParseListenAddress("127.0.0.1:0", /*tls=*/true);
    options_.local = *ParseListenAddress("unix:" + folder_ / "s");
    options_.tls = TlsFiles{File("server.crt"), File("server.key"), File("ca.crt")};
    options_.catalog = QUANTLAB_SOURCE_DIR "/configs/catalog.yaml";
    options_.log.level = LogLevel::kError;
    options_.audit_log = folder_ / "audit";
    Restart();
  }

  void Restart() {
    app_.reset();
    int exit_code = -1;
    auto app = App::Start(options_, &exit_code);
    ASSERT_TRUE(app.ok()) << app.status();
    app_ = *std::move(app);
    address_ = *ParseAddress(app_->target());
  }

  std::string File(const std::string& name) const { return absl::StrCat(folder_.path(), "/ca/", name); }
  static std::string Content(const std::string& path) { return *ReadFile(path, 1 << 20); }
  ChannelSecurity Trusting() const { return {.authority = Content(File("ca.crt"))}; }

  static absl::Status List(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    v1::ListMethodsResponse response;
    return FromGrpcStatus(
        v1::ExperimentService::NewStub(channel)->ListMethods(&context, v1::ListMethodsRequest(), &response));
  }
  absl::Status ListWith(const ChannelSecurity& security) const {
    return List(MakeChannel(address_, {.security = security}));
  }

  // As this machine's user.
  v1::CreateIdentityResponse Create(const std::string& name, v1::Role role) {
    const auto stub = v1::AdminService::NewStub(MakeChannel(*options_.local, {}));
    grpc::ClientContext context;
    v1::CreateIdentityRequest request;
    request.set_name(name);
    request.set_role(role);
    v1::CreateIdentityResponse response;
    const absl::Status status = FromGrpcStatus(stub->CreateIdentity(&context, request, &response));
    EXPECT_TRUE(status.ok()) << status;
    return response;
  }

  const TempFolder folder_;
  std::string fingerprint_;
  Options options_;
  std::unique_ptr<App> app_;
  Address address_;
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_MAIN_TESTING_TLS_FIXTURE_H_
