// One attempt of one run: executes a job, writes files to its output folder and sends events.
#ifndef QUANTLAB_WORKER_RUNNER_ATTEMPT_H_
#define QUANTLAB_WORKER_RUNNER_ATTEMPT_H_

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/config/device.h"
#include "base/config/run_config.h"
#include "base/records/event.h"

namespace quantlab::engine {
class Checkpoints;
struct TrainingState;
}  // namespace quantlab::engine

namespace quantlab::runner {

// Where events go. Called from one thread.
using EventSink = std::function<void(const EventKind&)>;

// How an attempt that trains keeps the state of its training (train/checkpoints.h).
struct CheckpointSettings {
  double interval_seconds = 0;  // between two files; 0: none are written
  std::string resume_from;      // the file to continue from; empty: none
};

// The state that the parts of an attempt share: the job, the sink of events, the request to stop.
//
// Ownership: borrows the job.
// Threads:   one.
class Attempt {
 public:
  Attempt(const Job* job, EventSink sink, std::function<bool()> should_stop,
          CheckpointSettings settings = {});
  ~Attempt();

  const Job& job() const { return *job_; }
  const RunConfig& config() const { return job_->config; }
  Device device() const { return Device(config().device); }
  std::string OutputPath(const std::string& name) const { return job_->output_folder + "/" + name; }

  bool ShouldStop() const { return should_stop_(); }

  void Log(const std::string& message) { sink_(LogLine{Severity::kInfo, message}); }
  void Warn(const std::string& code, const Message& message);  // a caveat and a line in the log

  // At most a few a second; the last one of a phase always. Returns false when the work should stop.
  bool Report(const Message& phase, int64_t done, int64_t total, const std::string& unit);

  // Sends it, and keeps it for metrics.json.
  void Record(Metric metric);
  void Send(const EventKind& event) { sink_(event); }

  // Writes a file below the output folder and announces it.
  absl::Status WriteArtifact(const std::string& name, const std::string& content);
  // Announces files that are complete: every one below `folder` ("model"), in order of name.
  absl::Status AnnounceFolder(const std::string& folder);

  absl::Status WriteMetrics();  // metrics.json

  // Where a training keeps its state; nullptr: nowhere. OpenCheckpoints makes it, once.
  engine::Checkpoints* checkpoints() const { return checkpoints_.get(); }
  void OpenCheckpoints(const Environment& environment);
  // The results are there: nobody needs the state of the training any more.
  void RemoveCheckpoints();

 private:
  void ReportResumed(const engine::TrainingState& state, const std::string& executed_by);

  const Job* const job_;
  const EventSink sink_;
  const std::function<bool()> should_stop_;
  std::vector<Metric> metrics_;
  Message last_phase_;
  std::chrono::steady_clock::time_point last_report_;
  const CheckpointSettings checkpoint_settings_;
  std::unique_ptr<engine::Checkpoints> checkpoints_;
};

// Executes the job. `runner` is this program's path, started again to measure memory.
// Errors: those of the parts; CANCELLED when a stop was requested.
absl::Status RunAttempt(Attempt& attempt, const std::string& runner);

// The kinds of run.
absl::Status RunBaseline(Attempt& attempt);
absl::Status RunQuantization(Attempt& attempt);
absl::Status RunComparison(Attempt& attempt, const std::string& runner);

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_ATTEMPT_H_
