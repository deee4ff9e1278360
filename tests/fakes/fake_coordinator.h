// A coordinator in this process, on a Unix socket, that says what a test wants: for clients.
#ifndef QUANTLAB_TESTS_FAKES_FAKE_COORDINATOR_H_
#define QUANTLAB_TESTS_FAKES_FAKE_COORDINATOR_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/server.h>

#include "absl/status/status.h"
#include "base/mutex.h"
#include "quantlab/v1/artifact.grpc.pb.h"
#include "quantlab/v1/experiment.grpc.pb.h"
#include "quantlab/v1/worker.grpc.pb.h"

namespace quantlab::testing {

// What the fake answers with, and what it was asked. Guarded by FakeCoordinator::mutex.
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

  // Faults. Each call takes the first and is answered with it; OK statuses pass.
  std::vector<absl::Status> failures;
  int break_watch_after = -1;                // changes; then UNAVAILABLE, once
  std::vector<int64_t> cut_downloads_after;  // bytes of each stream; then UNAVAILABLE
  std::vector<int64_t> cut_uploads_after;    // bytes of each stream; then UNAVAILABLE
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

class FakeCoordinator {
 public:
  explicit FakeCoordinator(const std::string& socket_path);
  ~FakeCoordinator();

  std::string address() const { return "unix:" + socket_path_; }

  // Runs `change` with the state locked.
  template <typename Function>
  auto With(Function function) {
    MutexLock lock(mutex_);
    return function(state_);
  }

 private:
  class Experiments;
  class Artifacts;
  class Workers;

  const std::string socket_path_;
  Mutex mutex_;
  FakeState state_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<v1::ExperimentService::Service> experiments_;
  std::unique_ptr<v1::ArtifactService::Service> artifacts_;
  std::unique_ptr<v1::WorkerService::Service> workers_;
  std::unique_ptr<grpc::Server> server_;
};

// An experiment "<name>-<suffix>" with these runs, ended well.
v1::Experiment MakeExperiment(const std::string& id, const std::vector<std::string>& runs);

// The change of a run's state, of the experiment's, and of an event.
v1::WatchExperimentResponse RunChange(int64_t sequence, const std::string& run_id, v1::RunState state);
v1::WatchExperimentResponse EndChange(int64_t sequence, v1::ExperimentState state);

std::string ReadAll(const std::string& path);

}  // namespace quantlab::testing

#endif  // QUANTLAB_TESTS_FAKES_FAKE_COORDINATOR_H_
