#include "worker/runner/event_channel.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/text/escape.h"
#include "codec/event_json.h"

namespace quantlab::runner {
namespace {

std::atomic<int> stop_signals{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler changes it");

extern "C" void OnStopSignal(int signal) {
  if (stop_signals.fetch_add(1) > 0) {
    std::signal(signal, SIG_DFL);
    raise(signal);
  }
}

// A pipe without a reader reports POLLERR, without anything being written.
void ExitWhenReaderGoes(int fd) {
  while (true) {
    pollfd watched{fd, 0, 0};
    if (poll(&watched, 1, -1) < 0 && errno != EINTR) return;
    if ((watched.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) _exit(kExitPipeClosed);
  }
}

// No text of an event is longer: one that grows with the data (a list of a thousand names) is of no use to a
// reader, and must not make a line that the agent leaves out.
constexpr size_t kMaxText = 4096;

struct Bound {
  void operator()(Progress& progress) const { progress.phase = Shorten(progress.phase, kMaxText); }
  void operator()(LogLine& line) const { line.message = Shorten(line.message, kMaxText); }
  void operator()(Caveat& caveat) const { caveat.message = Shorten(caveat.message, kMaxText); }
  void operator()(Layer& layer) const { layer.reason = Shorten(layer.reason, kMaxText); }
  template <typename Other>
  void operator()(Other&) const {}
};

}  // namespace

int ExitCodeFor(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kFailedPrecondition:
      return kExitBadInput;
    case absl::StatusCode::kCancelled:
      return kExitStopped;
    case absl::StatusCode::kResourceExhausted:
      return kExitNoResources;
    case absl::StatusCode::kDataLoss:
      return kExitDeviceFault;
    default:
      return kExitFailure;
  }
}

absl::StatusOr<std::unique_ptr<EventChannel>> EventChannel::Open(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) {
    return absl::InvalidArgumentError(absl::StrCat("--events-fd ", fd, " is not open for writing"));
  }
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  std::thread(ExitWhenReaderGoes, fd).detach();
  return std::unique_ptr<EventChannel>(new EventChannel(fd));
}

void EventChannel::Emit(const EventKind& event) {
  EventKind bounded = event;
  std::visit(Bound(), bounded);
  WriteLine(RunnerEventToJson(bounded));
}

void EventChannel::Finish(const RunnerFinished& finished) {
  RunnerFinished bounded = finished;
  bounded.message = Shorten(bounded.message, kMaxText);
  WriteLine(RunnerEventToJson(bounded));
}

void EventChannel::WriteLine(std::string line) {
  line.push_back('\n');
  const std::lock_guard<std::mutex> lock(mutex_);
  size_t written = 0;
  while (written < line.size()) {
    const ssize_t n = write(fd_, line.data() + written, line.size() - written);
    if (n > 0) {
      written += static_cast<size_t>(n);
    } else if (n < 0 && errno == EAGAIN) {
      pollfd ready{fd_, POLLOUT, 0};
      poll(&ready, 1, -1);
    } else if (n < 0 && errno != EINTR) {
      _exit(kExitPipeClosed);
    }
  }
}

void InstallStopSignals() {
  struct sigaction action;
  std::memset(&action, 0, sizeof action);
  action.sa_handler = OnStopSignal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

bool StopRequested() {
  return stop_signals.load() > 0;
}

}  // namespace quantlab::runner
