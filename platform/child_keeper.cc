#include "platform/child_keeper.h"

#include <cerrno>
#include <csignal>
#include <poll.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "platform/files.h"

namespace quantlab {

ChildKeeper::ChildKeeper(KeeperOptions options)
    : options_(std::move(options)), launcher_(MakeProcessLauncher()) {}

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
  return process_ == nullptr ? 0 : process_->pid();
}

int ChildKeeper::starts() const {
  MutexLock lock(mutex_);
  return starts_;
}

void ChildKeeper::AwaitReady(const Process& process, int ready_fd) {
  while (true) {
    // A grandchild may hold the other end of the pipe open: the child's own end counts.
    pollfd fds[] = {{ready_fd, POLLIN, 0}, {process.exit_fd(), POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 && errno == EINTR) continue;
    if (fds[0].revents == 0) return;
    char byte;
    const ssize_t got = read(ready_fd, &byte, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    break;
  }
  MutexLock lock(mutex_);
  ready_ = true;
  changed_.NotifyAll();
}

std::unique_ptr<Process> ChildKeeper::Launch(const ProcessSpec& spec, std::string* why) {
  MutexLock lock(mutex_);
  if (stopping_) return nullptr;
  absl::StatusOr<std::unique_ptr<Process>> process = launcher_->Launch(spec);
  if (!process.ok()) {
    *why = std::string(process.status().message());
    return nullptr;
  }
  process_ = process->get();
  ++starts_;
  changed_.NotifyAll();
  return *std::move(process);
}

bool ChildKeeper::RunOnce(std::string* why) {
  absl::StatusOr<Pipe> lifeline = MakePipe();
  absl::StatusOr<Pipe> ready = MakePipe();
  if (!lifeline.ok() || !ready.ok()) {
    *why = std::string((lifeline.ok() ? ready.status() : lifeline.status()).message());
    return false;
  }
  ProcessSpec spec;
  spec.argv = options_.argv;
  spec.argv.insert(spec.argv.end(), {"--lifeline-fd", "3", "--ready-fd", "4"});
  spec.output = ProcessSpec::Output::kLog;
  spec.log_path = options_.log_path;
  spec.fds = {lifeline->read.get(), ready->write.get()};
  spec.dies_with_caller = false;  // the lifeline lets it end gently
  const std::unique_ptr<Process> process = Launch(spec, why);
  if (process == nullptr) return false;
  lifeline->read.Reset();
  ready->write.Reset();
  AwaitReady(*process, ready->read.get());
  *why = DescribeExit(process->Wait());

  MutexLock lock(mutex_);
  process_ = nullptr;
  const bool was_ready = ready_;
  ready_ = false;
  changed_.NotifyAll();
  return was_ready;
}

absl::Status ChildKeeper::GivenUp(int failed_starts, const std::string& why) const {
  const std::string tail = options_.log_path.empty() ? "" : TailOf(options_.log_path, 5);
  return absl::UnavailableError(absl::StrCat(
      "the ", options_.name, " could not be started (", failed_starts, " tries): it ", why,
      tail.empty() ? "" : absl::StrCat("; the end of its log (", options_.log_path, "):\n", tail)));
}

void ChildKeeper::Loop() {
  int failed = 0;
  Backoff backoff(options_.first_pause, options_.longest_pause);
  while (true) {
    std::string why;
    const bool was_ready = RunOnce(&why);
    failed = was_ready ? 0 : failed + 1;
    if (was_ready) backoff.Reset();

    MutexLock lock(mutex_);
    if (!stopping_ && failed >= options_.max_failed_starts) failure_ = GivenUp(failed, why);
    const absl::Duration deadline = Clock::Real().Monotonic() + backoff.Next();
    while (!stopping_ && failure_.ok() && Clock::Real().Monotonic() < deadline)
      changed_.WaitFor(mutex_, deadline - Clock::Real().Monotonic());
    if (stopping_ || !failure_.ok()) {
      done_ = true;
      changed_.NotifyAll();
      return;
    }
  }
}

void ChildKeeper::Replace() {
  MutexLock lock(mutex_);
  if (process_ != nullptr) process_->Signal(SIGKILL);
}

void ChildKeeper::Stop(absl::Duration grace) {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
    if (process_ != nullptr) process_->Signal(SIGTERM);
    const absl::Duration deadline = Clock::Real().Monotonic() + grace;
    while (!done_ && Clock::Real().Monotonic() < deadline)
      changed_.WaitFor(mutex_, deadline - Clock::Real().Monotonic());
    if (!done_ && process_ != nullptr) process_->Signal(SIGKILL);
    while (!done_) changed_.Wait(mutex_);
  }
  if (thread_.joinable()) thread_.join();
}

}  // namespace quantlab
