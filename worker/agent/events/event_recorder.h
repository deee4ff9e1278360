// Turns a runner's output into numbered events in the spool: artifacts are hashed, progress is thinned
// out, output lines are limited.
#ifndef QUANTLAB_WORKER_AGENT_EVENTS_EVENT_RECORDER_H_
#define QUANTLAB_WORKER_AGENT_EVENTS_EVENT_RECORDER_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/messages/message.h"
#include "platform/digest.h"
#include "quantlab/v1/event.pb.h"
#include "worker/agent/events/spool.h"

namespace quantlab::agent {

struct RecorderLimits {
  // Progress within one phase is recorded at most this often, and less often once this many bytes are waiting
  // for an unavailable coordinator.
  absl::Duration progress_interval = absl::Milliseconds(200);
  absl::Duration progress_interval_away = absl::Seconds(10);
  int64_t away_bytes = 1 << 20;
  // Above this many waiting bytes the runner's output is not read, so that it blocks.
  int64_t backlog_bytes = 256 << 20;
  // A runner that writes more than this fails.
  int64_t total_bytes = int64_t{1} << 30;
  // Output lines that are kept: in a burst, then per second.
  int line_burst = 500;
  double lines_per_second = 50;
};

// Ownership: borrows everything given.
// Threads:   one at a time.
class EventRecorder {
 public:
  // `recorded` is called after each spooled event.
  // While `checkpoint_pending` says that a recorded checkpoint is not with the coordinator yet, later ones
  // are held back; only the newest of them is recorded then.
  EventRecorder(Spool* spool, const Clock* clock, std::string output_folder, RecorderLimits limits,
                std::function<void()> recorded, std::function<bool()> checkpoint_pending = nullptr);

  // Errors: INVALID_ARGUMENT the event is invalid (an artifact that does not exist, or was announced before
  // with different content); RESOURCE_EXHAUSTED the disk is full, or the runner wrote too much;
  // CANCELLED by `stop` while an artifact was hashed.
  absl::Status Record(v1::RunnerEvent event, const StopCheck& stop);

  // A line of the runner's standard output or error.
  absl::Status RecordOutput(absl::string_view line);
  absl::Status RecordLog(v1::Severity severity, absl::string_view message);
  absl::Status RecordLog(v1::Severity severity, const Message& message);
  absl::Status RecordProgress(v1::Progress progress);

  // Spools progress that was held back long enough (`all`: any), a checkpoint that was, and the number of
  // lines that were dropped.
  absl::Status Flush(bool all);

  // True: do not read the runner's output for now.
  bool overfull() const { return spool_->backlog_bytes() > limits_.backlog_bytes; }
  // The last lines of output, for the message of a crash.
  const std::vector<std::string>& last_output() const { return last_output_; }

 private:
  absl::Status Append(v1::Event event);
  absl::Status FlushProgress(bool all);
  absl::Status FlushCheckpoint(bool all);
  absl::Status FillArtifact(v1::Artifact& artifact, const StopCheck& stop, bool& known);
  absl::Duration ProgressInterval() const;

  Spool* const spool_;
  const Clock* const clock_;
  const std::string output_folder_;
  const RecorderLimits limits_;
  const std::function<void()> recorded_;
  const std::function<bool()> checkpoint_pending_;

  std::map<std::string, std::string> artifacts_;  // name -> digest
  std::optional<v1::Progress> held_;
  std::optional<v1::Artifact> held_checkpoint_;
  std::string phase_;
  absl::Duration last_progress_ = -absl::InfiniteDuration();
  double line_tokens_;
  absl::Duration last_line_;
  int64_t dropped_lines_ = 0;
  std::vector<std::string> last_output_;
};

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_EVENTS_EVENT_RECORDER_H_
