// A coordinator in this process that answers as a test arranges it, called directly or through gRPC on a Unix
// socket. It keeps the rules of the worker protocol and of artifact transfers; to users' calls it answers
// with what stands in FakeState.
#ifndef QUANTLAB_TESTS_FAKES_FAKE_COORDINATOR_H_
#define QUANTLAB_TESTS_FAKES_FAKE_COORDINATOR_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "quantlab/v1/artifact.pb.h"
#include "quantlab/v1/experiment.pb.h"
#include "quantlab/v1/worker.pb.h"

namespace quantlab::testing {

// What the fake answers with, and what it was asked. Guarded by the fake's mutex.
struct FakeState {
  std::vector<v1::Experiment> experiments;  // newest first
  std::map<std::string, v1::ReportData> reports;
  std::vector<v1::LogEntry> logs;
  std::vector<v1::MetricEntry> metrics;
  std::vector<v1::WatchExperimentResponse> changes;
  v1::SubmitExperimentResponse validation;  // with validate_only
  v1::ListWorkersResponse workers;
  std::map<std::string, std::string> artifacts;  // by SHA-256
  std::map<std::string, std::string> partial;    // uploads that were cut off

  // Faults.
  std::vector<absl::Status> failures;        // each call takes the first and is answered with it; OK passes
  int break_watch_after = -1;                // changes; then UNAVAILABLE, once
  std::vector<int64_t> cut_downloads_after;  // bytes of each stream; then UNAVAILABLE
  std::vector<int64_t> cut_uploads_after;    // durable bytes after each stream; then UNAVAILABLE
  bool damage_downloads = false;
  int page_size = 2;

  // Asked.
  std::vector<v1::SubmitExperimentRequest> submits;
  std::vector<v1::WatchExperimentRequest> watches;
  std::vector<v1::UploadArtifactRequest> uploads;  // first messages, without data
  std::vector<v1::DownloadArtifactRequest> downloads;
  std::vector<v1::CancelExperimentRequest> cancels;
  int retries = 0, calls = 0;
};

class FakeServices;

// Threads: safe.
class FakeCoordinator {
 public:
  FakeCoordinator();
  // Serves from the beginning.
  explicit FakeCoordinator(const std::string& socket_path);
  ~FakeCoordinator();

  // Serves all services on a Unix socket until StopServing. The path must be absolute.
  void Serve(const std::string& socket_path);
  void StopServing();
  std::string address() const { return "unix:" + socket_path_; }

  // Runs `change` with the state locked.
  template <typename Function>
  auto With(Function function) {
    MutexLock lock(mutex_);
    return function(state_);
  }

  // Answers one call: by the fault that it should meet, else by `answer`, with the state locked.
  template <typename Function>
  absl::Status Answer(const std::string& call, Function answer) {
    MutexLock lock(mutex_);
    if (absl::Status fault = Before(call); !fault.ok()) return fault;
    return answer(state_);
  }

  // --- what a test arranges for workers ---------------------------------------------------------------
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

  // --- what a test sees of workers ----------------------------------------------------------------------
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

  // --- calls of workers and transfers -------------------------------------------------------------------
  // `cancelled` (may be empty) ends the wait for a run.
  absl::StatusOr<v1::SyncResponse> AnswerSync(const v1::SyncRequest& request,
                                              const std::function<bool()>& cancelled);
  absl::StatusOr<int64_t> AnswerReportEvents(const v1::ReportEventsRequest& request);
  absl::Status AnswerFinishAttempt(const v1::FinishAttemptRequest& request);
  absl::StatusOr<std::vector<v1::ArtifactStat>> AnswerStatArtifacts(const std::vector<std::string>& sha256);
  // `data` follows `first.offset()`. Returns the durable bytes.
  absl::StatusOr<int64_t> AnswerUploadArtifact(const v1::UploadArtifactRequest& first,
                                               const std::string& data);
  absl::Status AnswerDownloadArtifact(const v1::DownloadArtifactRequest& request,
                                      const std::function<absl::Status(const std::string& data)>& sink);

 private:
  using Key = std::pair<std::string, int64_t>;
  struct Held {
    v1::Assignment assignment;
    Seen seen;
    bool cancel = false, fenced = false;
  };
  static Key KeyOf(const v1::AttemptRef& attempt) { return {attempt.run_id(), attempt.number()}; }
  // The fault that this call should meet, if any.
  absl::Status Before(const std::string& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status After(const std::string& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Held*> Live(const v1::AttemptRef& attempt) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::string socket_path_;
  Mutex mutex_;
  CondVar changed_;
  FakeState state_ ABSL_GUARDED_BY(mutex_);
  bool away_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<absl::Status(const std::string&)> fault_ ABSL_GUARDED_BY(mutex_);
  std::function<absl::Status(const std::string&)> lost_answer_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> calls_ ABSL_GUARDED_BY(mutex_);
  std::deque<Key> queue_ ABSL_GUARDED_BY(mutex_);
  std::map<Key, Held> attempts_ ABSL_GUARDED_BY(mutex_);
  int64_t upload_limit_ ABSL_GUARDED_BY(mutex_) = INT64_MAX;
  v1::WorkerInfo worker_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<FakeServices> services_;
};

// An experiment "<name>-<suffix>" with these runs, ended well.
v1::Experiment MakeExperiment(const std::string& id, const std::vector<std::string>& runs);

// The change of a run's state, of the experiment's, and of an event.
v1::WatchExperimentResponse RunChange(int64_t sequence, const std::string& run_id, v1::RunState state);
v1::WatchExperimentResponse EndChange(int64_t sequence, v1::ExperimentState state);

std::string ReadAll(const std::string& path);

}  // namespace quantlab::testing

#endif  // QUANTLAB_TESTS_FAKES_FAKE_COORDINATOR_H_
