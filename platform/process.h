// Child processes. The only place of the project that starts programs, and the seam at which tests replace
// them.
#ifndef QUANTLAB_PLATFORM_PROCESS_H_
#define QUANTLAB_PLATFORM_PROCESS_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/messages/message.h"
#include "platform/unique_fd.h"

namespace quantlab {

// A pipe whose ends close on exec.
struct Pipe {
  UniqueFd read, write;
};
absl::StatusOr<Pipe> MakePipe();

// The first descriptor that a child gets besides standard input, output and error.
inline constexpr int kFirstChildFd = 3;

struct ProcessSpec {
  enum class Output {
    kPipe,      // standard output and error together on Process::output_fd()
    kTwoPipes,  // standard error apart, on Process::error_fd()
    kLog,       // both appended to `log_path` (/dev/null if that is empty)
  };

  // argv[0] is a path, or a name to look up with FindProgram().
  std::vector<std::string> argv;
  // Added to the caller's environment.
  std::vector<std::pair<std::string, std::string>> environment = {};
  std::string working_folder = {};  // empty: the caller's
  Output output = Output::kPipe;
  std::string log_path = {};
  // Become descriptors 3, 4, … of the child, in this order. Borrowed until Launch returns.
  std::vector<int> fds = {};
  // Standard input. Borrowed until Launch returns; -1: /dev/null.
  int input = -1;
  // The child leads a session of its own instead of a process group only: no terminal, no Ctrl-C.
  bool new_session = false;
  // SIGKILL when the calling *thread* ends, however it ends.
  bool dies_with_caller = true;
  // Added to the kernel's preference for this process when memory runs out; 0 to 1000.
  int oom_score_adjustment = 0;
};

struct ExitStatus {
  int code = 0;    // of exit(), when signal is 0
  int signal = 0;  // that killed it
  bool ok() const { return code == 0 && signal == 0; }
};

// "exited with code 3", "was killed by signal 9 (Killed)"; as a message of the catalogue, and in English.
Message ExitMessage(const ExitStatus& status);
std::string DescribeExit(const ExitStatus& status);

// A running or ended child, leader of a process group of its own.
//
// Ownership: destroying it kills the whole group and waits for the child.
// Threads:   Signal, exit_status and Wait are safe; the descriptors belong to one thread.
class Process {
 public:
  virtual ~Process() = default;

  // Non-blocking reading ends; -1 if `ProcessSpec::output` has none.
  virtual int output_fd() const = 0;
  virtual int error_fd() const = 0;
  // Becomes readable when the child has ended; never read from it.
  virtual int exit_fd() const = 0;
  virtual pid_t pid() const = 0;

  // To the whole group; nothing if the child has ended.
  virtual void Signal(int signal) = 0;

  // Empty while the child runs. Once it has ended, what is left of its group is killed.
  virtual std::optional<ExitStatus> exit_status() = 0;
  virtual ExitStatus Wait() = 0;
};

class ProcessLauncher {
 public:
  virtual ~ProcessLauncher() = default;

  // The child gets no descriptors but 0, 1, 2 and `fds`, no blocked signals, and default signal
  // dispositions.
  // Errors: NOT_FOUND the program or the working folder does not exist; RESOURCE_EXHAUSTED no more processes
  // or descriptors; otherwise why exec failed.
  virtual absl::StatusOr<std::unique_ptr<Process>> Launch(const ProcessSpec& spec) = 0;
};

// Processes of this machine.
std::unique_ptr<ProcessLauncher> MakeProcessLauncher();

// Starts a program that outlives its caller; `spec.dies_with_caller` does not count, and its output must go
// to a log. Returns its process id, which the caller passes to ReapChild once it has ended.
absl::StatusOr<pid_t> LaunchDetached(const ProcessSpec& spec);

// Sends a signal to one process that need not be a child of this one.
// Errors: NOT_FOUND there is no such process; PERMISSION_DENIED it belongs to another user; INVALID_ARGUMENT
// `pid` names a group of processes (0 or negative).
absl::Status SignalProcess(pid_t pid, int signal);

// Lets the kernel forget an ended child of this process. False if it still runs and `wait` is false.
bool ReapChild(pid_t pid, bool wait);

struct CommandResult {
  ExitStatus exit;
  std::string output;  // at most `max_output` bytes: the last ones
  std::string errors;  // standard error, with Output::kTwoPipes
};

struct CommandLimits {
  absl::Duration timeout = absl::InfiniteDuration();
  int cancel_fd = -1;                      // ends the command when it becomes readable
  std::function<bool()> should_stop = {};  // asked several times a second; true ends the command
  size_t max_output = 1 << 20;
};

// Runs a program to its end.
// Errors: as Launch; DEADLINE_EXCEEDED, CANCELLED. Both kill the program with all that it started in its
// group.
absl::StatusOr<CommandResult> RunCommand(ProcessLauncher& launcher, const ProcessSpec& spec,
                                         const CommandLimits& limits);

}  // namespace quantlab

#endif  // QUANTLAB_PLATFORM_PROCESS_H_
