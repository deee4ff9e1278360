// The coordinator as the agent sees it. The seam at which tests replace the network.
#ifndef QUANTLAB_WORKER_AGENT_CONNECTION_COORDINATOR_H_
#define QUANTLAB_WORKER_AGENT_CONNECTION_COORDINATOR_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "proto/channel_security.h"
#include "quantlab/v1/artifact.pb.h"
#include "quantlab/v1/worker.pb.h"

namespace quantlab::agent {

// Ends calls from another thread: those under way, and all that are begun with it afterwards.
// Threads: safe.
class CallCanceller {
 public:
  void Cancel();
  bool cancelled() const;

  // While it lives, Cancel calls `cancel`. For implementations of Coordinator.
  class Scope {
   public:
    Scope(CallCanceller* canceller, std::function<void()> cancel);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    friend class CallCanceller;
    CallCanceller* const canceller_;
    const std::function<void()> cancel_;
  };

 private:
  mutable Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<Scope*> calls_ ABSL_GUARDED_BY(mutex_);
};

// Errors of all calls: UNAVAILABLE or DEADLINE_EXCEEDED the coordinator is away; CANCELLED by
// `canceller` (may be null); otherwise as proto/quantlab/v1 says.
// Threads: safe.
class Coordinator {
 public:
  virtual ~Coordinator() = default;

  virtual absl::StatusOr<v1::SyncResponse> Sync(const v1::SyncRequest& request, CallCanceller* canceller) = 0;
  // The number through which everything is committed.
  virtual absl::StatusOr<int64_t> ReportEvents(const v1::ReportEventsRequest& request,
                                               CallCanceller* canceller) = 0;
  virtual absl::Status FinishAttempt(const v1::FinishAttemptRequest& request, CallCanceller* canceller) = 0;

  virtual absl::StatusOr<v1::ArtifactStat> StatArtifact(const std::string& sha256,
                                                        CallCanceller* canceller) = 0;
  // Sends `path` from `offset` on. Returns the durable bytes.
  virtual absl::StatusOr<int64_t> UploadArtifact(const std::string& path, const std::string& sha256,
                                                 int64_t size, int64_t offset, CallCanceller* canceller) = 0;
  // Hands what follows `offset` to `sink`, whose error ends the call.
  virtual absl::Status DownloadArtifact(const std::string& sha256, int64_t offset,
                                        const std::function<absl::Status(const std::string&)>& sink,
                                        CallCanceller* canceller) = 0;
};

// By gRPC. `address` is "unix:PATH" or "host:port".
// Errors: INVALID_ARGUMENT for another form; those of LoadSecurity (proto/channel_security.h).
absl::StatusOr<std::unique_ptr<Coordinator>> ConnectCoordinator(const std::string& address,
                                                                const SecurityFiles& security = {});

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_CONNECTION_COORDINATOR_H_
