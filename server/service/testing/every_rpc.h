// Every RPC of the contract, who may call it, and a call of any of them. For tests of access.
#ifndef QUANTLAB_SERVER_SERVICE_TESTING_EVERY_RPC_H_
#define QUANTLAB_SERVER_SERVICE_TESTING_EVERY_RPC_H_

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <google/protobuf/descriptor.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/records/error_reason.h"
#include "proto/status_bridge.h"

namespace quantlab {

// What each role may call at all: viewer, submitter, worker, admin. Kept apart from the table on purpose.
inline constexpr char kExpectedAccess[] = R"(
SubmitExperiment  - y - y
GetExperiment     y y - y
ListExperiments   y y - y
WatchExperiment   y y - y
CancelExperiment  - y - y
RetryExperiment   - y - y
ListLogs          y y - y
ListMetrics       y y - y
ExplainRun        y y - y
GetReportData     y y - y
ListMethods       y y y y
ListCatalog       y y y y
Sync              - - y -
ReportEvents      - - y -
FinishAttempt     - - y -
ListWorkers       y y - y
SetWorkerMode     - - - y
StatArtifacts     y y y y
DownloadArtifact  y y y y
UploadArtifact    - y y y
GetStorageUsage   y y - y
DeleteExperiment  - y - y
CollectGarbage    - - - y
BackUpDatabase    - - - y
CreateIdentity    - - - y
RevokeIdentity    - - - y
ListIdentities    - - - y
JoinWorker        - - y -
)";

// By the method's name: whether each role may call it, in the order of kAllRoles.
inline std::map<std::string, std::vector<bool>> ExpectedAccess() {
  std::map<std::string, std::vector<bool>> table;
  for (const absl::string_view line : absl::StrSplit(kExpectedAccess, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    for (size_t i = 1; i < words.size(); ++i) table[words[0]].push_back(words[i] == "y");
  }
  return table;
}

// "/quantlab.v1.WorkerService/Sync" by "Sync": all methods of all services in proto/quantlab/v1, where a new
// file is found by itself.
inline std::map<std::string, std::string> RpcPaths() {
  std::map<std::string, std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(QUANTLAB_SOURCE_DIR "/proto/quantlab/v1")) {
    if (entry.path().extension() != ".proto") continue;
    const std::string name = absl::StrCat("quantlab/v1/", entry.path().filename().string());
    const google::protobuf::FileDescriptor* file =
        google::protobuf::DescriptorPool::generated_pool()->FindFileByName(name);
    if (file == nullptr) {
      ADD_FAILURE() << name << " is not among the descriptors of this program";
      continue;
    }
    for (int s = 0; s < file->service_count(); ++s) {
      const google::protobuf::ServiceDescriptor* service = file->service(s);
      for (int m = 0; m < service->method_count(); ++m) {
        const std::string& method = service->method(m)->name();
        paths[method] = absl::StrCat("/", service->full_name(), "/", method);
      }
    }
  }
  return paths;
}

// A call of any kind: sends one empty message and reads all that come, for a server waits until they are
// read. With `more`, the caller's side of the stream stays open as if more messages followed.
class EmptyCall : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  absl::Status Run(grpc::GenericStub& stub, grpc::ClientContext& context, const std::string& path,
                   bool more) {
    stub.PrepareBidiStreamingCall(&context, path, grpc::StubOptions(), this);
    if (more) {
      StartWrite(&request_);
    } else {
      StartWriteLast(&request_, grpc::WriteOptions());
    }
    StartRead(&response_);
    StartCall();
    std::unique_lock<std::mutex> lock(mutex_);
    ended_.wait(lock, [this] { return done_; });
    return result_;
  }

  void OnReadDone(bool ok) override {
    if (ok) StartRead(&response_);
  }

  void OnDone(const grpc::Status& status) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    result_ = FromGrpcStatus(status);
    done_ = true;
    ended_.notify_one();
  }

 private:
  const grpc::Slice nothing_{""};
  const grpc::ByteBuffer request_{&nothing_, 1};
  grpc::ByteBuffer response_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool done_ = false;
  absl::Status result_;
};

// Calls a method with an empty request, waiting at most a minute. An empty token: none is sent.
inline absl::Status CallEmpty(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
                              const std::string& token, bool more = false) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
  return EmptyCall().Run(stub, context, path, more);
}

// `status` is that of a call which its caller may make, with whatever result. `cell` names it.
inline void ExpectAdmitted(const absl::Status& status, const std::string& cell) {
  EXPECT_NE(ReasonOf(status), "ROLE_MAY_NOT") << cell << status;
  EXPECT_FALSE(absl::IsUnauthenticated(status)) << cell << status;
  EXPECT_FALSE(absl::IsUnimplemented(status)) << cell << status;
  EXPECT_FALSE(absl::IsDeadlineExceeded(status)) << cell << status;
  EXPECT_FALSE(absl::IsUnavailable(status)) << cell << status;
}

// `status` is that of a call which the caller's role may not make.
inline void ExpectRefused(const absl::Status& status, const std::string& cell) {
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << cell << status;
  EXPECT_EQ(ReasonOf(status), "ROLE_MAY_NOT") << cell << status;
}

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_TESTING_EVERY_RPC_H_
