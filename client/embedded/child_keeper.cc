#include "client/embedded/child_keeper.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/files.h"
#include "base/status_macros.h"

extern char** environ;

namespace quantlab::client {
namespace {

// Where descriptors wait before they get their final numbers, clear of those.
constexpr int kHighFd = 32;
constexpr int kFirstChildFd = 3;
constexpr int64_t kTailBytes = 8192;

std::string DescribeEnd(int status) {
  if (WIFSIGNALED(status))
    return absl::StrCat("was killed by signal ", WTERMSIG(status), " (", strsignal(WTERMSIG(status)), ")");
  return absl::StrCat("exited with code ", WEXITSTATUS(status));
}

absl::Status PrepareActions(const SpawnOptions& options, const std::vector<int>& high,
                            posix_spawn_file_actions_t* actions) {
  posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
  const char* log = options.log_path.empty() ? "/dev/null" : options.log_path.c_str();
  posix_spawn_file_actions_addopen(actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(actions, 1, 2);
  for (size_t i = 0; i < high.size(); ++i) {
    const int error = posix_spawn_file_actions_adddup2(actions, high[i], kFirstChildFd + static_cast<int>(i));
    if (error != 0) return FileError(error, "hand over a descriptor to", options.argv[0]);
  }
  if (!options.folder.empty()) {
    const int error = posix_spawn_file_actions_addchdir_np(actions, options.folder.c_str());
    if (error != 0) return FileError(error, "change to", options.folder);
  }
  // Whatever our own parent left open (a pipe of a CI job) would stay open as long as the child lives.
  posix_spawn_file_actions_addclosefrom_np(actions, kFirstChildFd + static_cast<int>(high.size()));
  return absl::OkStatus();
}

}  // namespace

Pipe::~Pipe() {
  CloseRead();
  CloseWrite();
}

absl::Status Pipe::Open() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return FileError(errno, "make", "a pipe");
  read_fd_ = fds[0];
  write_fd_ = fds[1];
  return absl::OkStatus();
}

void Pipe::CloseRead() {
  if (read_fd_ >= 0) close(read_fd_);
  read_fd_ = -1;
}

void Pipe::CloseWrite() {
  if (write_fd_ >= 0) close(write_fd_);
  write_fd_ = -1;
}

absl::StatusOr<pid_t> Spawn(const SpawnOptions& options) {
  std::vector<int> high;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  const auto tidy = absl::MakeCleanup([&] {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    for (const int fd : high) close(fd);
  });
  for (const int fd : options.fds) {
    const int copy = fcntl(fd, F_DUPFD_CLOEXEC, kHighFd);
    if (copy < 0) return FileError(errno, "hand over a descriptor to", options.argv[0]);
    high.push_back(copy);
  }
  QL_RETURN_IF_ERROR(PrepareActions(options, high, &actions));

  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes,
                           static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |  // NOLINT
                                              (options.new_session ? POSIX_SPAWN_SETSID : 0)));
  std::vector<char*> argv;
  for (const std::string& argument : options.argv) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, argv[0], &actions, &attributes, argv.data(), environ);
  if (error != 0) return FileError(error, "start", options.argv[0]);
  return pid;
}

std::string TailOf(const std::string& path, int lines) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return "";
  const int64_t size = in.tellg();
  in.seekg(std::max<int64_t>(0, size - kTailBytes));
  std::string text(std::min(size, kTailBytes), '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(in.gcount());
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::vector<std::string> all = absl::StrSplit(text, '\n');
  if (static_cast<int>(all.size()) > lines) all.erase(all.begin(), all.end() - lines);
  return absl::StrJoin(all, "\n");
}

ChildKeeper::ChildKeeper(KeeperOptions options) : options_(std::move(options)) {}

ChildKeeper::~ChildKeeper() {
  Stop(absl::ZeroDuration());
}

void ChildKeeper::Start() {
  {
    MutexLock lock(mutex_);
    if (!done_ || stopping_) return;
    done_ = false;
  }
  thread_ = std::thread([this] { Loop(); });
}

bool ChildKeeper::ready() const {
  MutexLock lock(mutex_);
  return ready_;
}

absl::Status ChildKeeper::failure() const {
  MutexLock lock(mutex_);
  return failure_;
}

pid_t ChildKeeper::pid() const {
  MutexLock lock(mutex_);
  return pid_;
}

int ChildKeeper::starts() const {
  MutexLock lock(mutex_);
  return starts_;
}

void ChildKeeper::AwaitReady(pid_t pid, int ready_fd) {
  while (true) {
    pollfd waiting{ready_fd, POLLIN, 0};
    const int changed = poll(&waiting, 1, 100);
    char byte;
    const ssize_t got = changed > 0 ? read(ready_fd, &byte, 1) : -1;
    if (got > 0) break;
    if (got == 0) return;
    // A grandchild may hold the other end open: the child's own end counts.
    siginfo_t info = {};
    if (waitid(P_PID, pid, &info, WEXITED | WNOWAIT | WNOHANG) == 0 && info.si_pid == pid) return;
  }
  MutexLock lock(mutex_);
  ready_ = true;
  changed_.NotifyAll();
}

bool ChildKeeper::LiveOnce(std::string* why) {
  Pipe lifeline, ready;
  absl::Status status = lifeline.Open();
  if (status.ok()) status = ready.Open();
  SpawnOptions spawn{options_.argv, options_.log_path, {lifeline.read_fd(), ready.write_fd()}, false};
  spawn.argv.insert(spawn.argv.end(), {"--lifeline-fd", "3", "--ready-fd", "4"});
  absl::StatusOr<pid_t> pid = 0;
  {
    MutexLock lock(mutex_);
    if (stopping_) return false;
    pid = status.ok() ? Spawn(spawn) : absl::StatusOr<pid_t>(status);
    if (!pid.ok()) {
      *why = std::string(pid.status().message());
      return false;
    }
    pid_ = *pid;
    ++starts_;
    changed_.NotifyAll();
  }
  lifeline.CloseRead();
  ready.CloseWrite();
  AwaitReady(*pid, ready.read_fd());

  // Waits without reaping, so that nobody signals a number that belongs to another process by now.
  siginfo_t info;
  while (waitid(P_PID, *pid, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
  MutexLock lock(mutex_);
  int exit_status = 0;
  waitpid(*pid, &exit_status, 0);
  pid_ = 0;
  const bool was_ready = ready_;
  ready_ = false;
  *why = DescribeEnd(exit_status);
  changed_.NotifyAll();
  return was_ready;
}

void ChildKeeper::Loop() {
  int failed = 0;
  absl::Duration pause = options_.first_pause;
  while (true) {
    std::string why;
    const bool was_ready = LiveOnce(&why);
    failed = was_ready ? 0 : failed + 1;
    if (was_ready) pause = options_.first_pause;

    MutexLock lock(mutex_);
    if (!stopping_ && failed >= options_.max_failed_starts) {
      const std::string tail = options_.log_path.empty() ? "" : TailOf(options_.log_path, 5);
      failure_ = absl::UnavailableError(
          absl::StrCat("the ", options_.name, " could not be started (", failed, " tries): it ", why,
                       tail.empty() ? "" : "; the end of its log (", tail.empty() ? "" : options_.log_path,
                       tail.empty() ? "" : "):\n", tail));
    }
    const absl::Time deadline = absl::Now() + pause;
    while (!stopping_ && failure_.ok() && absl::Now() < deadline)
      changed_.WaitFor(mutex_, deadline - absl::Now());
    pause = std::min(pause * 2, options_.longest_pause);
    if (stopping_ || !failure_.ok()) {
      done_ = true;
      changed_.NotifyAll();
      return;
    }
  }
}

void ChildKeeper::Stop(absl::Duration grace) {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
    if (pid_ > 0) kill(pid_, SIGTERM);
    const absl::Time deadline = absl::Now() + grace;
    while (!done_ && absl::Now() < deadline) changed_.WaitFor(mutex_, deadline - absl::Now());
    if (!done_ && pid_ > 0) kill(pid_, SIGKILL);
    while (!done_) changed_.Wait(mutex_);
  }
  if (thread_.joinable()) thread_.join();
}

}  // namespace quantlab::client
