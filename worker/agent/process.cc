#include "worker/agent/process.h"

#include <algorithm>
#include <cstdlib>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/clock.h"
#include "base/message_catalogue.h"
#include "base/messages.h"
#include "base/mutex.h"
#include "base/status_macros.h"

extern char** environ;

namespace quantlab::agent {
namespace {

absl::StatusOr<std::string> FindProgram(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    if (access(name.c_str(), X_OK) == 0) return name;
    return absl::NotFoundError(absl::StrCat(name, " cannot be executed: ", strerror(errno)));
  }
  const char* path = getenv("PATH");
  for (absl::string_view folder : absl::StrSplit(path == nullptr ? "/usr/bin:/bin" : path, ':')) {
    std::string candidate = absl::StrCat(folder.empty() ? "." : folder, "/", name);
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return absl::NotFoundError(absl::StrCat("there is no program '", name, "' in PATH"));
}

struct Pipe {
  UniqueFd read, write;
};

absl::StatusOr<Pipe> MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) {
    return absl::ResourceExhaustedError(absl::StrCat("cannot make a pipe: ", strerror(errno)));
  }
  Pipe pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
  fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK);
  return pipe;
}

// Everything that the child needs between fork and exec, made before: after a fork in a process with
// threads only async-signal-safe calls are allowed.
struct Prepared {
  std::string program;
  std::vector<std::string> environment;
  std::vector<char*> argv, envp;
  const char* working_folder = nullptr;
  int null_fd = -1, output = -1, event = -1, failure = -1;
  pid_t parent = 0;
};

[[noreturn]] void ReportAndExit(int fd) {
  const int error = errno;
  (void)!write(fd, &error, sizeof(error));
  _exit(127);
}

void ResetSignals() {
  struct sigaction action;
  memset(&action, 0, sizeof(action));
  action.sa_handler = SIG_DFL;
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD, SIGQUIT}) sigaction(signal, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Puts the descriptors where they belong and closes all others. The failure pipe, needed until exec
// succeeds, goes to one beyond the event pipe and closes itself.
int ArrangeDescriptors(const Prepared& prepared) {
  // First away from the low numbers, so that no dup2 overwrites one that is still needed.
  const int null_fd = fcntl(prepared.null_fd, F_DUPFD, 16);
  const int output = fcntl(prepared.output, F_DUPFD, 16);
  const int event = prepared.event < 0 ? -1 : fcntl(prepared.event, F_DUPFD, 16);
  const int failure = fcntl(prepared.failure, F_DUPFD, 16);
  dup2(null_fd, 0);
  dup2(output, 1);
  dup2(output, 2);
  if (event >= 0) {
    dup2(event, kEventFd);
  } else {
    close(kEventFd);
  }
  dup2(failure, kEventFd + 1);
  fcntl(kEventFd + 1, F_SETFD, FD_CLOEXEC);
  close_range(kEventFd + 2, ~0U, 0);
  return kEventFd + 1;
}

[[noreturn]] void RunChild(const Prepared& prepared) {
  setpgid(0, 0);
  const int failure = ArrangeDescriptors(prepared);
  ResetSignals();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != prepared.parent) _exit(127);  // it died before prctl
  // The runner, not the agent, is what should go when memory runs out.
  const int oom = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (oom >= 0) {
    (void)!write(oom, "500", 3);
    close(oom);
  }
  if (prepared.working_folder != nullptr && chdir(prepared.working_folder) != 0) ReportAndExit(failure);
  execve(prepared.program.c_str(), prepared.argv.data(), prepared.envp.data());
  ReportAndExit(failure);
}

class PosixProcess : public Process {
 public:
  PosixProcess(pid_t pid, UniqueFd event, UniqueFd output, UniqueFd exit)
      : pid_(pid), event_(std::move(event)), output_(std::move(output)), exit_(std::move(exit)) {
    waiter_ = std::thread([this] { AwaitEnd(); });
  }
  ~PosixProcess() override {
    Signal(SIGKILL);
    waiter_.join();
  }

  int event_fd() const override { return event_.get(); }
  int output_fd() const override { return output_.get(); }
  int exit_fd() const override { return exit_.get(); }
  int pid() const override { return pid_; }

  void Signal(int signal) override {
    MutexLock lock(mutex_);
    if (!reaped_) kill(-pid_, signal);
  }

  std::optional<ExitStatus> exit_status() const override {
    MutexLock lock(mutex_);
    return status_;
  }

  ExitStatus Wait() override {
    MutexLock lock(mutex_);
    while (!status_.has_value()) ended_.Wait(mutex_);
    return *status_;
  }

 private:
  void AwaitEnd() {
    // The zombie keeps its process id, and with it the group's, from being used again while what is left
    // of the group is killed.
    siginfo_t info;
    while (waitid(P_PID, pid_, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
    }
    MutexLock lock(mutex_);
    kill(-pid_, SIGKILL);
    int raw = 0;
    while (waitpid(pid_, &raw, 0) < 0 && errno == EINTR) {
    }
    reaped_ = true;
    status_ = WIFSIGNALED(raw) ? ExitStatus{0, WTERMSIG(raw)} : ExitStatus{WEXITSTATUS(raw), 0};
    ended_.NotifyAll();
    const uint64_t one = 1;
    (void)!write(exit_.get(), &one, sizeof(one));
  }

  const pid_t pid_;
  UniqueFd event_, output_, exit_;
  std::thread waiter_;

  mutable Mutex mutex_;
  CondVar ended_;
  bool reaped_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<ExitStatus> status_ ABSL_GUARDED_BY(mutex_);
};

std::vector<std::string> MakeEnvironment(const ProcessSpec& spec) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const absl::string_view text(*entry);
    const absl::string_view name = text.substr(0, text.find('='));
    const bool replaced = std::any_of(spec.environment.begin(), spec.environment.end(),
                                      [&](const auto& added) { return added.first == name; });
    if (!replaced) result.emplace_back(text);
  }
  for (const auto& [name, value] : spec.environment) result.push_back(absl::StrCat(name, "=", value));
  return result;
}

absl::Status ReadLaunchFailure(int fd, const std::string& program) {
  int error = 0;
  ssize_t got;
  do {
    got = read(fd, &error, sizeof(error));
  } while (got < 0 && errno == EINTR);
  if (got != sizeof(error)) return absl::OkStatus();  // exec closed the pipe
  return absl::ErrnoToStatus(error, absl::StrCat("cannot start ", program));
}

class PosixLauncher : public ProcessLauncher {
 public:
  absl::StatusOr<std::unique_ptr<Process>> Launch(const ProcessSpec& spec) override {
    Prepared prepared;
    QL_ASSIGN_OR_RETURN(prepared.program, FindProgram(spec.argv.at(0)));
    for (const std::string& word : spec.argv) prepared.argv.push_back(const_cast<char*>(word.c_str()));
    prepared.argv.push_back(nullptr);
    prepared.environment = MakeEnvironment(spec);
    for (std::string& entry : prepared.environment) prepared.envp.push_back(entry.data());
    prepared.envp.push_back(nullptr);
    if (!spec.working_folder.empty()) prepared.working_folder = spec.working_folder.c_str();
    prepared.parent = getpid();

    UniqueFd null_fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
    UniqueFd exit(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!null_fd.valid() || !exit.valid()) return absl::ErrnoToStatus(errno, "cannot open descriptors");
    QL_ASSIGN_OR_RETURN(Pipe output, MakePipe());
    QL_ASSIGN_OR_RETURN(Pipe failure, MakePipe());
    fcntl(failure.read.get(), F_SETFL, 0);
    Pipe event;
    if (spec.event_pipe) {
      QL_ASSIGN_OR_RETURN(event, MakePipe());
    }
    prepared.null_fd = null_fd.get();
    prepared.output = output.write.get();
    prepared.event = event.write.get();
    prepared.failure = failure.write.get();

    const pid_t pid = fork();
    if (pid < 0) {
      return absl::ResourceExhaustedError(absl::StrCat("cannot start a process: ", strerror(errno)));
    }
    if (pid == 0) RunChild(prepared);
    setpgid(pid, pid);  // in both, so that it is done whoever runs first
    output.write.Reset();
    event.write.Reset();
    failure.write.Reset();
    auto process =
        std::make_unique<PosixProcess>(pid, std::move(event.read), std::move(output.read), std::move(exit));
    QL_RETURN_IF_ERROR(ReadLaunchFailure(failure.read.get(), prepared.program));
    return process;
  }
};

void AppendBounded(int fd, size_t max, std::string& text) {
  char buffer[16384];
  ssize_t got;
  while ((got = read(fd, buffer, sizeof(buffer))) > 0) {
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > 2 * max) text.erase(0, text.size() - max);
  }
}

}  // namespace

void UniqueFd::Reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

Message ExitMessage(const ExitStatus& status) {
  if (status.signal == 0) return messages::kExitedWithCode(status.code);
  const char* name = sigdescr_np(status.signal);
  return messages::kKilledBySignal(status.signal, name == nullptr ? "" : name);
}

std::string DescribeExit(const ExitStatus& status) {
  return English(ExitMessage(status));
}

std::unique_ptr<ProcessLauncher> MakeProcessLauncher() {
  return std::make_unique<PosixLauncher>();
}

absl::StatusOr<CommandResult> RunCommand(ProcessLauncher& launcher, const ProcessSpec& spec,
                                         absl::Duration timeout, int cancel_fd, size_t max_output) {
  QL_ASSIGN_OR_RETURN(std::unique_ptr<Process> process, launcher.Launch(spec));
  const absl::Duration deadline = Clock::Real().Monotonic() + timeout;
  CommandResult result;
  bool open = true;
  while (!process->exit_status().has_value()) {
    const absl::Duration left = deadline - Clock::Real().Monotonic();
    if (left <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError(absl::StrCat(spec.argv[0], " did not end within ",
                                                      absl::FormatDuration(timeout), "; it was killed"));
    }
    pollfd fds[] = {{process->exit_fd(), POLLIN, 0},
                    {cancel_fd, POLLIN, 0},
                    {open ? process->output_fd() : -1, POLLIN, 0}};
    poll(fds, 3, static_cast<int>(std::min<int64_t>(absl::ToInt64Milliseconds(left) + 1, 60'000)));
    if (fds[1].revents != 0) return absl::CancelledError(absl::StrCat(spec.argv[0], " was stopped"));
    if (fds[2].revents != 0) {
      const size_t before = result.output.size();
      AppendBounded(process->output_fd(), max_output, result.output);
      if (result.output.size() == before && (fds[2].revents & POLLHUP) != 0) open = false;
    }
  }
  AppendBounded(process->output_fd(), max_output, result.output);
  if (result.output.size() > max_output) result.output.erase(0, result.output.size() - max_output);
  result.exit = process->Wait();
  return result;
}

}  // namespace quantlab::agent
