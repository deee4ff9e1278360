// Runs the runner once and determines how it ended.
#ifndef QUANTLAB_WORKER_AGENT_ATTEMPT_SUPERVISOR_H_
#define QUANTLAB_WORKER_AGENT_ATTEMPT_SUPERVISOR_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/messages/message.h"
#include "logging/log.h"
#include "platform/process.h"
#include "quantlab/v1/event.pb.h"
#include "quantlab/v1/experiment.pb.h"
#include "worker/agent/attempt/oom.h"
#include "worker/agent/connection/control.h"
#include "worker/agent/events/event_recorder.h"
#include "worker/agent/events/runner_events.h"

namespace quantlab::agent {

struct SupervisorOptions {
  ProcessSpec process;  // the event pipe is added as descriptor kFirstChildFd
  absl::Duration time_limit = absl::InfiniteDuration();
  // From SIGTERM to SIGKILL.
  absl::Duration grace = absl::Seconds(10);
  size_t max_event_line = 1 << 20;
  // Called with the runner's process id once it has started.
  std::function<void(pid_t)> started = [](pid_t) {};
  std::function<OomCounts()> oom_counts = [] { return ReadOomCounts(); };
};

struct Outcome {
  v1::RunState state = v1::RUN_STATE_UNSPECIFIED;
  Message message;  // why; none on success
  // With FAILED: the fault is this worker's; it could not execute any run.
  bool worker_fault = false;
};

// What is known after the runner has exited.
struct RunnerEnd {
  ExitStatus exit;
  std::optional<v1::RunnerFinished> finished;
  absl::Status failure;  // of the agent, or invalid output of the runner: why it was killed
  StopReason stop = StopReason::kNone;
  Message stop_detail;
  bool timed_out = false;
  bool killed = false;  // by the agent, with SIGKILL
  OomCounts oom;        // kills while it ran
  absl::Duration time_limit;
  std::string last_output;
};

// The only place that determines the outcome of an attempt.
Outcome Classify(const RunnerEnd& end);

// Ownership: borrows everything given.
// Threads:   one; the process dies with the thread that calls Run.
class Supervisor {
 public:
  Supervisor(SupervisorOptions options, ProcessLauncher* launcher, EventRecorder* recorder,
             AttemptControl* control, const Clock* clock, LogScope log);

  // Starts the runner, and returns when it and all its child processes have exited.
  Outcome Run();

 private:
  absl::Status Launch();
  void Loop();
  int PollTimeout() const;
  // `all`: regardless of how much is waiting for the coordinator.
  void ReadEvents(bool all);
  void HandleLine(const std::string& line, bool too_long);
  void HandleFinished(const v1::RunnerFinished& finished);
  void ReadOutput();
  void CheckControl();
  void CheckTime();
  void Terminate(absl::string_view why);
  void Kill(absl::string_view why);
  void Fail(const absl::Status& why);
  void Drain();
  bool StopNow() const;

  const SupervisorOptions options_;
  ProcessLauncher* const launcher_;
  EventRecorder* const recorder_;
  AttemptControl* const control_;
  const Clock* const clock_;
  const LogScope log_;

  std::unique_ptr<Process> process_;
  UniqueFd events_;  // the reading end of the event pipe
  LineSplitter event_lines_, output_lines_;
  bool events_open_ = true, output_open_ = true;
  absl::Duration start_;
  absl::Duration kill_at_ = absl::InfiniteDuration();
  RunnerEnd end_;
};

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_ATTEMPT_SUPERVISOR_H_
