#include "platform/process.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "platform/environment.h"
#include "platform/files.h"

extern char** environ;

namespace quantlab {
namespace {

// Where descriptors wait before they get their final numbers, clear of those.
constexpr int kHighFd = 64;
constexpr size_t kMaxFds = 16;
constexpr absl::Duration kStopPoll = absl::Milliseconds(50);

// Everything that the child needs between vfork and exec, made before: until exec the child runs in its
// parent's memory, where only async-signal-safe calls are allowed.
struct Prepared {
  std::string program;
  std::vector<std::string> environment;
  std::vector<char*> argv, envp;
  std::string oom_score;
  const char* working_folder = nullptr;
  int input = -1, output = -1, error = -1, failure = -1;
  std::vector<int> fds;
  bool new_session = false, dies_with_caller = false;
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
  for (int signal = 1; signal < NSIG; ++signal) sigaction(signal, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Puts the descriptors where they belong and closes all others. The failure pipe, needed until exec
// succeeds, comes after them and closes itself. Returns its number.
int ArrangeDescriptors(const Prepared& prepared) {
  // First away from the low numbers, so that no dup2 overwrites one that is still needed.
  const int input = fcntl(prepared.input, F_DUPFD, kHighFd);
  const int output = fcntl(prepared.output, F_DUPFD, kHighFd);
  const int error = fcntl(prepared.error, F_DUPFD, kHighFd);
  const int failure = fcntl(prepared.failure, F_DUPFD, kHighFd);
  int high[kMaxFds];
  for (size_t i = 0; i < prepared.fds.size(); ++i) high[i] = fcntl(prepared.fds[i], F_DUPFD, kHighFd);
  dup2(input, 0);
  dup2(output, 1);
  dup2(error, 2);
  int next = kFirstChildFd;
  for (size_t i = 0; i < prepared.fds.size(); ++i) dup2(high[i], next++);
  dup2(failure, next);
  fcntl(next, F_SETFD, FD_CLOEXEC);
  close_range(static_cast<unsigned>(next) + 1, ~0U, 0);
  return next;
}

[[noreturn]] void RunChild(const Prepared& prepared) {
  if (prepared.new_session) {
    setsid();
  } else {
    setpgid(0, 0);
  }
  const int failure = ArrangeDescriptors(prepared);
  ResetSignals();
  if (prepared.dies_with_caller) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != prepared.parent) _exit(127);  // it died before prctl
  }
  if (!prepared.oom_score.empty()) {
    const int oom = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (oom >= 0) {
      (void)!write(oom, prepared.oom_score.data(), prepared.oom_score.size());
      close(oom);
    }
  }
  if (prepared.working_folder != nullptr && chdir(prepared.working_folder) != 0) ReportAndExit(failure);
  execve(prepared.program.c_str(), prepared.argv.data(), prepared.envp.data());
  ReportAndExit(failure);
}

// vfork rather than fork: a runner with gigabytes of weights must not have its page tables copied, nor need
// twice its memory where overcommitting is forbidden. The parent's thread is suspended until exec, with all
// signals blocked, so that no handler of the parent's runs in the child.
__attribute__((noinline)) pid_t Fork(const Prepared& prepared) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = vfork();  // NOLINT: see above
  if (pid == 0) RunChild(prepared);
  const int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return pid;
}

class PosixProcess : public Process {
 public:
  PosixProcess(pid_t pid, UniqueFd exit, UniqueFd output, UniqueFd error)
      : pid_(pid), exit_(std::move(exit)), output_(std::move(output)), error_(std::move(error)) {}
  ~PosixProcess() override {
    Signal(SIGKILL);
    Wait();
  }

  int output_fd() const override { return output_.get(); }
  int error_fd() const override { return error_.get(); }
  int exit_fd() const override { return exit_.get(); }
  pid_t pid() const override { return pid_; }

  void Signal(int signal) override {
    MutexLock lock(mutex_);
    if (!status_.has_value()) kill(-pid_, signal);
  }

  std::optional<ExitStatus> exit_status() override {
    MutexLock lock(mutex_);
    if (status_.has_value()) return status_;
    // The zombie keeps its process id, and with it the group's, from being used again while what is left
    // of the group is killed.
    siginfo_t info = {};
    if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0)
      return std::nullopt;
    kill(-pid_, SIGKILL);
    int raw = W_EXITCODE(255, 0);  // if it cannot be waited for: SIGCHLD was ignored when we were started
    while (waitpid(pid_, &raw, 0) < 0 && errno == EINTR) {
    }
    status_ = WIFSIGNALED(raw) ? ExitStatus{0, WTERMSIG(raw)} : ExitStatus{WEXITSTATUS(raw), 0};
    return status_;
  }

  ExitStatus Wait() override {
    while (true) {
      if (const std::optional<ExitStatus> status = exit_status()) return *status;
      pollfd ended{exit_.get(), POLLIN, 0};
      poll(&ended, 1, -1);
    }
  }

 private:
  const pid_t pid_;
  const UniqueFd exit_, output_, error_;

  Mutex mutex_;
  std::optional<ExitStatus> status_ ABSL_GUARDED_BY(mutex_);  // set when it was reaped
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

absl::Status Prepare(const ProcessSpec& spec, Prepared* prepared) {
  if (spec.argv.empty() || spec.fds.size() > kMaxFds)
    return absl::InvalidArgumentError("no program to start");
  QL_ASSIGN_OR_RETURN(prepared->program, FindProgram(spec.argv[0]));
  for (const std::string& word : spec.argv) prepared->argv.push_back(const_cast<char*>(word.c_str()));
  prepared->argv.push_back(nullptr);
  prepared->environment = MakeEnvironment(spec);
  for (std::string& entry : prepared->environment) prepared->envp.push_back(entry.data());
  prepared->envp.push_back(nullptr);
  if (spec.oom_score_adjustment != 0) prepared->oom_score = absl::StrCat(spec.oom_score_adjustment);
  if (!spec.working_folder.empty()) prepared->working_folder = spec.working_folder.c_str();
  prepared->fds = spec.fds;
  prepared->new_session = spec.new_session;
  prepared->dies_with_caller = spec.dies_with_caller;
  prepared->parent = getpid();
  return absl::OkStatus();
}

absl::Status ReadLaunchFailure(int fd, const std::string& program) {
  int error = 0;
  ssize_t got;
  do {
    got = read(fd, &error, sizeof(error));
  } while (got < 0 && errno == EINTR);
  if (got != sizeof(error)) return absl::OkStatus();  // exec closed the pipe
  return FileError(error, "start", program);
}

// Both ends of what the child writes to.
struct Outputs {
  Pipe output, error;
};

absl::Status OpenOutputs(const ProcessSpec& spec, Outputs* outputs) {
  if (spec.output == ProcessSpec::Output::kLog) {
    const std::string path = spec.log_path.empty() ? "/dev/null" : spec.log_path;
    outputs->output.write = UniqueFd(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    return outputs->output.write.valid() ? absl::OkStatus() : FileError(errno, "open", path);
  }
  QL_ASSIGN_OR_RETURN(outputs->output, MakePipe());
  fcntl(outputs->output.read.get(), F_SETFL, O_NONBLOCK);
  if (spec.output != ProcessSpec::Output::kTwoPipes) return absl::OkStatus();
  QL_ASSIGN_OR_RETURN(outputs->error, MakePipe());
  fcntl(outputs->error.read.get(), F_SETFL, O_NONBLOCK);
  return absl::OkStatus();
}

// Starts the child; its reading ends stay in `outputs`. An error means that there is no child any more.
absl::StatusOr<pid_t> Start(const ProcessSpec& spec, Outputs* outputs) {
  Prepared prepared;
  QL_RETURN_IF_ERROR(Prepare(spec, &prepared));
  const UniqueFd null_fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null_fd.valid()) return FileError(errno, "open", "/dev/null");
  QL_RETURN_IF_ERROR(OpenOutputs(spec, outputs));
  QL_ASSIGN_OR_RETURN(Pipe failure, MakePipe());
  prepared.input = spec.input >= 0 ? spec.input : null_fd.get();
  prepared.output = outputs->output.write.get();
  prepared.error = outputs->error.write.valid() ? outputs->error.write.get() : prepared.output;
  prepared.failure = failure.write.get();

  const pid_t pid = Fork(prepared);
  if (pid < 0) {
    return absl::ResourceExhaustedError(absl::StrCat("cannot start a process: ", strerror(errno)));
  }
  outputs->output.write.Reset();
  outputs->error.write.Reset();
  failure.write.Reset();
  const absl::Status launched = ReadLaunchFailure(failure.read.get(), prepared.program);
  if (launched.ok()) return pid;
  ReapChild(pid, /*wait=*/true);
  return launched;
}

class PosixLauncher : public ProcessLauncher {
 public:
  absl::StatusOr<std::unique_ptr<Process>> Launch(const ProcessSpec& spec) override {
    Outputs outputs;
    QL_ASSIGN_OR_RETURN(const pid_t pid, Start(spec, &outputs));
    UniqueFd exit(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    if (!exit.valid()) {
      const int error = errno;
      kill(-pid, SIGKILL);
      ReapChild(pid, /*wait=*/true);
      return FileError(error, "watch", absl::StrCat("process ", pid));
    }
    return std::make_unique<PosixProcess>(pid, std::move(exit), std::move(outputs.output.read),
                                          std::move(outputs.error.read));
  }
};

// What is there to be read. False at the end of the pipe.
bool AppendBounded(int fd, size_t max, std::string& text) {
  char buffer[16384];
  while (true) {
    const ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got < 0;
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > 2 * max) text.erase(0, text.size() - max);
  }
}

// One of a command's pipes, read until its end.
struct Reader {
  int fd = -1;
  size_t max = 0;
  std::string* text = nullptr;

  void Read() {
    if (fd >= 0 && !AppendBounded(fd, max, *text)) fd = -1;
  }
  void Finish() {
    Read();
    if (text->size() > max) text->erase(0, text->size() - max);
  }
};

}  // namespace

absl::StatusOr<Pipe> MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) {
    return absl::ResourceExhaustedError(absl::StrCat("cannot create a pipe: ", strerror(errno)));
  }
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
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

absl::StatusOr<pid_t> LaunchDetached(const ProcessSpec& spec) {
  if (spec.output != ProcessSpec::Output::kLog) {
    return absl::InvalidArgumentError("a detached process must write to a log");
  }
  ProcessSpec detached = spec;
  detached.dies_with_caller = false;
  Outputs outputs;
  return Start(detached, &outputs);
}

absl::Status SignalProcess(pid_t pid, int signal) {
  if (pid > 0 && kill(pid, signal) == 0) return absl::OkStatus();
  if (pid <= 0) return absl::InvalidArgumentError(absl::StrCat(pid, " is not the id of a process"));
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot send signal ", signal, " to process ", pid));
}

bool ReapChild(pid_t pid, bool wait) {
  pid_t reaped;
  do {
    reaped = waitpid(pid, nullptr, wait ? 0 : WNOHANG);
  } while (reaped < 0 && errno == EINTR);
  return reaped != 0;
}

absl::StatusOr<CommandResult> RunCommand(ProcessLauncher& launcher, const ProcessSpec& spec,
                                         const CommandLimits& limits) {
  QL_ASSIGN_OR_RETURN(const std::unique_ptr<Process> process, launcher.Launch(spec));
  const absl::Duration deadline = Clock::Real().Monotonic() + limits.timeout;
  CommandResult result;
  Reader output{process->output_fd(), limits.max_output, &result.output};
  Reader errors{process->error_fd(), limits.max_output, &result.errors};
  while (!process->exit_status().has_value()) {
    absl::Duration wait = deadline - Clock::Real().Monotonic();
    if (wait <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError(absl::StrCat(
          spec.argv[0], " did not end within ", absl::FormatDuration(limits.timeout), "; it was killed"));
    }
    if (limits.should_stop) wait = std::min(wait, kStopPoll);
    pollfd fds[] = {{process->exit_fd(), POLLIN, 0},
                    {limits.cancel_fd, POLLIN, 0},
                    {output.fd, POLLIN, 0},
                    {errors.fd, POLLIN, 0}};
    poll(fds, 4, static_cast<int>(absl::ToInt64Milliseconds(std::min(wait, absl::Minutes(1)))) + 1);
    if (fds[1].revents != 0 || (limits.should_stop && limits.should_stop())) {
      return absl::CancelledError(absl::StrCat(spec.argv[0], " was stopped"));
    }
    if (fds[2].revents != 0) output.Read();
    if (fds[3].revents != 0) errors.Read();
  }
  output.Finish();
  errors.Finish();
  result.exit = process->Wait();
  return result;
}

}  // namespace quantlab
