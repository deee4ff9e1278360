// The project's fake coordinator behind the agent's interface, without a network.
#ifndef QUANTLAB_WORKER_AGENT_PROGRAM_TESTING_FAKE_COORDINATOR_H_
#define QUANTLAB_WORKER_AGENT_PROGRAM_TESTING_FAKE_COORDINATOR_H_

#include <string>

#include "tests/fakes/fake_coordinator.h"
#include "worker/agent/connection/coordinator.h"

namespace quantlab::agent {

// Threads: safe.
class FakeCoordinator : public Coordinator, public quantlab::testing::FakeCoordinator {
 public:
  absl::StatusOr<v1::SyncResponse> Sync(const v1::SyncRequest& request, CallCanceller* canceller) override;
  absl::StatusOr<int64_t> ReportEvents(const v1::ReportEventsRequest& request,
                                       CallCanceller* canceller) override;
  absl::Status FinishAttempt(const v1::FinishAttemptRequest& request, CallCanceller* canceller) override;
  absl::StatusOr<v1::ArtifactStat> StatArtifact(const std::string& sha256, CallCanceller* canceller) override;
  absl::StatusOr<int64_t> UploadArtifact(const std::string& path, const std::string& sha256, int64_t size,
                                         int64_t offset, CallCanceller* canceller) override;
  absl::Status DownloadArtifact(const std::string& sha256, int64_t offset,
                                const std::function<absl::Status(const std::string&)>& sink,
                                CallCanceller* canceller) override;

  // Uploads of this file do not end before they are cancelled. Before there are calls.
  void HoldUpload(const std::string& sha256) { held_upload_ = sha256; }

 private:
  std::string held_upload_;
};

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_PROGRAM_TESTING_FAKE_COORDINATOR_H_
