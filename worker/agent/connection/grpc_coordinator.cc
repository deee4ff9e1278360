#include <algorithm>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <grpcpp/client_context.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "platform/files.h"
#include "platform/unique_fd.h"
#include "proto/channel.h"
#include "proto/status_bridge.h"
#include "quantlab/v1/artifact.grpc.pb.h"
#include "quantlab/v1/worker.grpc.pb.h"
#include "worker/agent/connection/coordinator.h"

namespace quantlab::agent {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(30);
constexpr int64_t kChunk = 1 << 20;
// Slower than this and a transfer is given up; it resumes where it stopped.
constexpr double kSlowestBytesPerSecond = 100e3;

// A context that `canceller` ends.
class Call {
 public:
  Call(CallCanceller* canceller, absl::Duration timeout)
      : scope_(canceller, [this] { context_.TryCancel(); }) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  }
  grpc::ClientContext* context() { return &context_; }

 private:
  grpc::ClientContext context_;
  CallCanceller::Scope scope_;
};

absl::Duration TransferTimeout(int64_t bytes) {
  return absl::Minutes(1) + absl::Seconds(static_cast<double>(bytes) / kSlowestBytesPerSecond);
}

class GrpcCoordinator : public Coordinator {
 public:
  explicit GrpcCoordinator(const std::shared_ptr<grpc::Channel>& channel)
      : workers_(v1::WorkerService::NewStub(channel)), artifacts_(v1::ArtifactService::NewStub(channel)) {}

  absl::StatusOr<v1::SyncResponse> Sync(const v1::SyncRequest& request, CallCanceller* canceller) override {
    Call call(canceller, absl::Seconds(request.max_wait_seconds()) + kCallTimeout);
    v1::SyncResponse response;
    QL_RETURN_IF_ERROR(FromGrpcStatus(workers_->Sync(call.context(), request, &response)));
    return response;
  }

  absl::StatusOr<int64_t> ReportEvents(const v1::ReportEventsRequest& request,
                                       CallCanceller* canceller) override {
    Call call(canceller, kCallTimeout);
    v1::ReportEventsResponse response;
    QL_RETURN_IF_ERROR(FromGrpcStatus(workers_->ReportEvents(call.context(), request, &response)));
    return response.acknowledged_through();
  }

  absl::Status FinishAttempt(const v1::FinishAttemptRequest& request, CallCanceller* canceller) override {
    Call call(canceller, kCallTimeout);
    v1::FinishAttemptResponse response;
    return FromGrpcStatus(workers_->FinishAttempt(call.context(), request, &response));
  }

  absl::StatusOr<v1::ArtifactStat> StatArtifact(const std::string& sha256,
                                                CallCanceller* canceller) override {
    Call call(canceller, kCallTimeout);
    v1::StatArtifactsRequest request;
    request.add_sha256(sha256);
    v1::StatArtifactsResponse response;
    QL_RETURN_IF_ERROR(FromGrpcStatus(artifacts_->StatArtifacts(call.context(), request, &response)));
    if (response.artifacts_size() != 1)
      return absl::InternalError("the coordinator answered about no artifact");
    return response.artifacts(0);
  }

  absl::StatusOr<int64_t> UploadArtifact(const std::string& path, const std::string& sha256, int64_t size,
                                         int64_t offset, CallCanceller* canceller) override {
    UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) return FileError(errno, "read", path);
    Call call(canceller, TransferTimeout(size - offset));
    v1::UploadArtifactResponse response;
    auto writer = artifacts_->UploadArtifact(call.context(), &response);
    v1::UploadArtifactRequest chunk;
    chunk.set_sha256(sha256);
    chunk.set_size(size);
    chunk.set_offset(offset);
    std::string data;
    do {
      data.resize(static_cast<size_t>(std::min(kChunk, size - offset)));
      const ssize_t got = pread(file.get(), data.data(), data.size(), offset);
      if (got < 0 || (got == 0 && offset < size)) {
        call.context()->TryCancel();
        (void)writer->Finish();
        return got < 0 ? FileError(errno, "read", path)
                       : absl::DataLossError(absl::StrCat(path, " became shorter while it was uploaded"));
      }
      data.resize(static_cast<size_t>(got));
      offset += got;
      chunk.set_data(data);
      if (!writer->Write(chunk)) break;  // Finish says why
      chunk.Clear();
    } while (offset < size);
    writer->WritesDone();
    QL_RETURN_IF_ERROR(FromGrpcStatus(writer->Finish()));
    return response.size();
  }

  absl::Status DownloadArtifact(const std::string& sha256, int64_t offset,
                                const std::function<absl::Status(const std::string&)>& sink,
                                CallCanceller* canceller) override {
    Call call(canceller, absl::Hours(2));
    v1::DownloadArtifactRequest request;
    request.set_sha256(sha256);
    request.set_offset(offset);
    auto reader = artifacts_->DownloadArtifact(call.context(), request);
    v1::DownloadArtifactResponse chunk;
    absl::Status status;
    while (status.ok() && reader->Read(&chunk)) status = sink(chunk.data());
    if (!status.ok()) {
      call.context()->TryCancel();
      (void)reader->Finish();
      return status;
    }
    return FromGrpcStatus(reader->Finish());
  }

 private:
  const std::unique_ptr<v1::WorkerService::Stub> workers_;
  const std::unique_ptr<v1::ArtifactService::Stub> artifacts_;
};

}  // namespace

void CallCanceller::Cancel() {
  MutexLock lock(mutex_);
  cancelled_ = true;
  for (Scope* call : calls_) call->cancel_();
}

bool CallCanceller::cancelled() const {
  MutexLock lock(mutex_);
  return cancelled_;
}

CallCanceller::Scope::Scope(CallCanceller* canceller, std::function<void()> cancel)
    : canceller_(canceller), cancel_(std::move(cancel)) {
  if (canceller_ == nullptr) return;
  MutexLock lock(canceller_->mutex_);
  canceller_->calls_.insert(this);
  if (canceller_->cancelled_) cancel_();
}

CallCanceller::Scope::~Scope() {
  if (canceller_ == nullptr) return;
  MutexLock lock(canceller_->mutex_);
  canceller_->calls_.erase(this);
}

absl::StatusOr<std::unique_ptr<Coordinator>> ConnectCoordinator(const std::string& address,
                                                                const SecurityFiles& files) {
  const absl::StatusOr<Address> parsed = ParseAddress(address);
  if (!parsed.ok()) return Annotate(parsed.status(), "--coordinator");
  QL_ASSIGN_OR_RETURN(ChannelSecurity security, LoadSecurity(*parsed, files, kCallTimeout));
  // Keepalive finds connections that died without a word; a dataset of many files makes a long assignment.
  return std::make_unique<GrpcCoordinator>(MakeChannel(
      *parsed,
      {.max_message_bytes = 64 << 20, .keepalive = absl::Seconds(30), .security = std::move(security)}));
}

}  // namespace quantlab::agent
