// A coordinator in memory, with the protocol's rules and as many faults as a test wants.
#ifndef QUANTLAB_WORKER_AGENT_PROGRAM_TESTING_FAKE_COORDINATOR_H_
#define QUANTLAB_WORKER_AGENT_PROGRAM_TESTING_FAKE_COORDINATOR_H_

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "worker/agent/connection/coordinator.h"

namespace quantlab::agent {

// Threads: safe.
class FakeCoordinator : public Coordinator {
 public:
  // --- what a test arranges -------------------------------------------------------------------------
  // Queues a run; its name is what the misbehaving runner does. Returns the attempt that it will be.
  v1::AttemptRef Queue(const std::string& run_name,
                       const std::function<void(v1::Assignment&)>& change = nullptr);
  // An attempt that a worker holds already, as after a restart.
  void Hold(const v1::Assignment& assignment);
  void Cancel(const v1::AttemptRef& attempt);
  void Fence(const v1::AttemptRef& attempt);
  // While away, every call is UNAVAILABLE.
  void SetAway(bool away);
  // Asked before each call, with its name: an error is the call's answer and nothing happens.
  void SetFault(std::function<absl::Status(const std::string& call)> fault);
  // The same after the call has had its effect: the answer is lost.
  void SetLostAnswer(std::function<absl::Status(const std::string& call)> fault);
  void ForgetEvents(const v1::AttemptRef& attempt);
  void AddArtifact(const std::string& sha256, const std::string& content);
  void SetUploadLimit(int64_t bytes_per_stream);

  // --- what a test sees -------------------------------------------------------------------------------
  struct Seen {
    std::vector<v1::Event> events;
    std::optional<v1::FinishAttemptRequest> finish;
    int syncs = 0;
  };
  Seen Look(const v1::AttemptRef& attempt);
  // Waits until `condition` holds for what is seen of the attempt; fails the test after a minute.
  Seen Await(const v1::AttemptRef& attempt, const std::function<bool(const Seen&)>& condition);
  Seen AwaitFinish(const v1::AttemptRef& attempt);
  void AwaitCalls(const std::string& call, int more);
  int Calls(const std::string& call);
  std::map<std::string, std::string> artifacts();
  v1::WorkerInfo worker();

  // --- Coordinator --------------------------------------------------------------------------------------
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

 private:
  using Key = std::pair<std::string, int64_t>;
  struct State {
    v1::Assignment assignment;
    Seen seen;
    bool cancel = false, fenced = false;
  };
  static Key KeyOf(const v1::AttemptRef& attempt) { return {attempt.run_id(), attempt.number()}; }
  absl::Status Before(const std::string& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status After(const std::string& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<State*> Live(const v1::AttemptRef& attempt) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  CondVar changed_;
  bool away_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<absl::Status(const std::string&)> fault_ ABSL_GUARDED_BY(mutex_);
  std::function<absl::Status(const std::string&)> lost_answer_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> calls_ ABSL_GUARDED_BY(mutex_);
  std::deque<Key> queue_ ABSL_GUARDED_BY(mutex_);
  std::map<Key, State> attempts_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> artifacts_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> partial_ ABSL_GUARDED_BY(mutex_);
  int64_t upload_limit_ ABSL_GUARDED_BY(mutex_) = INT64_MAX;
  v1::WorkerInfo worker_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_PROGRAM_TESTING_FAKE_COORDINATOR_H_
