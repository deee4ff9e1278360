// Child processes: the runner, and the tools that fetch assets. The seam at which tests replace them.
#ifndef QUANTLAB_WORKER_AGENT_PROCESS_H_
#define QUANTLAB_WORKER_AGENT_PROCESS_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/message.h"

namespace quantlab::agent {

// Owns one file descriptor.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd() { Reset(); }
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void Reset();

 private:
  int fd_ = -1;
};

struct ProcessSpec {
  // argv[0] is a path, or a name to find in PATH.
  std::vector<std::string> argv;
  // Added to the caller's environment.
  std::vector<std::pair<std::string, std::string>> environment;
  std::string working_folder;  // empty: the caller's
  // Makes a pipe of which the child has the writing end as descriptor kEventFd.
  bool event_pipe = false;
};

inline constexpr int kEventFd = 3;

struct ExitStatus {
  int code = 0;    // of exit(), when signal is 0
  int signal = 0;  // that killed it
};

// "exited with code 3", "was killed by signal 9 (Killed)".
Message ExitMessage(const ExitStatus& status);
std::string DescribeExit(const ExitStatus& status);

// A running or ended child, leader of a process group of its own.
//
// Ownership: destroying it kills the whole group and waits for it.
// Threads:   Signal, exit_status and Wait are safe; the descriptors belong to one thread.
class Process {
 public:
  virtual ~Process() = default;

  // Non-blocking reading ends. event_fd is -1 where there is no event pipe; output_fd carries both
  // standard output and standard error.
  virtual int event_fd() const = 0;
  virtual int output_fd() const = 0;
  // Becomes readable when the child has ended; never read from it.
  virtual int exit_fd() const = 0;
  virtual int pid() const = 0;

  // To the whole group; nothing where it has ended already.
  virtual void Signal(int signal) = 0;

  // Empty while it runs.
  virtual std::optional<ExitStatus> exit_status() const = 0;
  virtual ExitStatus Wait() = 0;
};

class ProcessLauncher {
 public:
  virtual ~ProcessLauncher() = default;

  // The child gets: standard input from /dev/null, no descriptors but 0, 1, 2 and the event pipe, default
  // signal dispositions, SIGKILL when the calling thread dies, and a higher chance than its parent to be
  // chosen when memory runs out. When it ends, what is left of its process group is killed.
  // Errors: NOT_FOUND the program is not there; RESOURCE_EXHAUSTED no more processes or descriptors.
  virtual absl::StatusOr<std::unique_ptr<Process>> Launch(const ProcessSpec& spec) = 0;
};

// Processes of this machine.
std::unique_ptr<ProcessLauncher> MakeProcessLauncher();

struct CommandResult {
  ExitStatus exit;
  std::string output;  // standard output and error, at most `max_output` bytes: the last ones
};

// Runs a program to its end.
// Errors: as Launch; DEADLINE_EXCEEDED after `timeout`, CANCELLED when `cancel_fd` (-1: none) becomes
// readable; both kill it.
absl::StatusOr<CommandResult> RunCommand(ProcessLauncher& launcher, const ProcessSpec& spec,
                                         absl::Duration timeout, int cancel_fd, size_t max_output = 1 << 20);

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_PROCESS_H_
