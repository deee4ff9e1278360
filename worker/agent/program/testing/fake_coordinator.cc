#include "worker/agent/program/testing/fake_coordinator.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "platform/files.h"

namespace quantlab::agent {

absl::StatusOr<v1::SyncResponse> FakeCoordinator::Sync(const v1::SyncRequest& request,
                                                       CallCanceller* canceller) {
  return AnswerSync(request, [canceller] { return canceller != nullptr && canceller->cancelled(); });
}

absl::StatusOr<int64_t> FakeCoordinator::ReportEvents(const v1::ReportEventsRequest& request,
                                                      CallCanceller*) {
  return AnswerReportEvents(request);
}

absl::Status FakeCoordinator::FinishAttempt(const v1::FinishAttemptRequest& request, CallCanceller*) {
  return AnswerFinishAttempt(request);
}

absl::StatusOr<v1::ArtifactStat> FakeCoordinator::StatArtifact(const std::string& sha256, CallCanceller*) {
  QL_ASSIGN_OR_RETURN(const std::vector<v1::ArtifactStat> stats, AnswerStatArtifacts({sha256}));
  return stats.front();
}

absl::StatusOr<int64_t> FakeCoordinator::UploadArtifact(const std::string& path, const std::string& sha256,
                                                        int64_t size, int64_t offset,
                                                        CallCanceller* canceller) {
  if (sha256 == held_upload_) {
    while (!canceller->cancelled()) absl::SleepFor(absl::Milliseconds(1));
    return absl::CancelledError("the upload was cancelled");
  }
  QL_ASSIGN_OR_RETURN(const std::string content, ReadFile(path, 1 << 30));
  v1::UploadArtifactRequest first;
  first.set_sha256(sha256);
  first.set_size(size);
  first.set_offset(offset);
  return AnswerUploadArtifact(first, content.substr(std::min(content.size(), static_cast<size_t>(offset))));
}

absl::Status FakeCoordinator::DownloadArtifact(const std::string& sha256, int64_t offset,
                                               const std::function<absl::Status(const std::string&)>& sink,
                                               CallCanceller*) {
  v1::DownloadArtifactRequest request;
  request.set_sha256(sha256);
  request.set_offset(offset);
  return AnswerDownloadArtifact(request, sink);
}

}  // namespace quantlab::agent
