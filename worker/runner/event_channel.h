// The runner's connection to its agent: events out, requests to stop in.
#ifndef QUANTLAB_WORKER_RUNNER_EVENT_CHANNEL_H_
#define QUANTLAB_WORKER_RUNNER_EVENT_CHANNEL_H_

#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/records/event.h"

namespace quantlab::runner {

// Exit codes of quant-runner; --help prints them.
enum ExitCode {
  kExitOk = 0,
  kExitFailure = 1,
  kExitUsage = 2,
  kExitBadInput = 3,
  kExitStopped = 4,
  kExitPipeClosed = 5,
  kExitNoResources = 6,
  kExitDeviceFault = 7,
};
int ExitCodeFor(const absl::Status& status);

// Writes events as lines to a descriptor. When the reader closes it, the process exits at once with
// kExitPipeClosed, since its results cannot be delivered; also during a computation.
//
// Ownership: takes the descriptor, which children do not inherit.
// Threads:   safe.
class EventChannel {
 public:
  // Errors: INVALID_ARGUMENT `fd` is not open for writing.
  static absl::StatusOr<std::unique_ptr<EventChannel>> Open(int fd);

  void Emit(const EventKind& event);
  // The last line.
  void Finish(const RunnerFinished& finished);

 private:
  explicit EventChannel(int fd) : fd_(fd) {}
  void WriteLine(std::string line);

  const int fd_;
  std::mutex mutex_;  // guards the order of lines
};

// SIGTERM and SIGINT set a flag that long work checks between its steps; a second one ends the process at
// once. SIGPIPE is ignored. Call once, from the main thread.
void InstallStopSignals();
bool StopRequested();

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_EVENT_CHANNEL_H_
