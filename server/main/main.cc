// quant-coordinator.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <malloc.h>
#include <memory>
#include <poll.h>
#include <signal.h>
#include <string>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/main/app.h"
#include "server/main/options.h"
#include "storage/storage.h"

namespace quantlab {
namespace {

constexpr int kTickMilliseconds = 250;
constexpr int kTicksBetweenChecks = 40;
constexpr int kTicksBetweenCleanUps = 4 * 3600;

// Each connection and each upload needs a file; the soft limit is often 1024 where the hard one is far
// higher.
void RaiseFileLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
    std::perror("quant-coordinator: raising the limit of open files");
}

// Before any thread is started, so that all inherit the mask. Returns a descriptor that SIGTERM and SIGINT
// make readable, or -1.
int TakeSignals() {
  signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  if (pthread_sigmask(SIG_BLOCK, &set, nullptr) != 0) return -1;
  return signalfd(-1, &set, SFD_CLOEXEC);
}

// To stdout and, where asked for, to the supervisor's pipe.
void AnnounceReady(const std::string& target, int ready_fd) {
  std::printf("ready %s\n", target.c_str());
  std::fflush(stdout);
  if (ready_fd < 0) return;
  const std::string line = absl::StrCat(target, "\n");
  if (write(ready_fd, line.data(), line.size()) < 0) std::perror("quant-coordinator: --ready-fd");
  close(ready_fd);
}

// Gives memory that the allocator keeps after a large request back to the system.
class FreeMemory {
 public:
  // Walks the whole heap where more has become free since the last time; otherwise cheap.
  void Return() {
    const size_t free = mallinfo2().fordblks;
    if (free > kept_ + kWorthReturning) {
      malloc_trim(0);
      kept_ = mallinfo2().fordblks;
    } else if (free < kept_) {
      kept_ = free;
    }
  }

 private:
  static constexpr size_t kWorthReturning = 32 << 20;
  size_t kept_ = 0;  // free bytes after the last time; malloc_trim goes on counting them
};

bool IsOpen(int fd) {
  pollfd entry{fd, 0, 0};
  return fd < 0 || (poll(&entry, 1, 0) >= 0 && (entry.revents & POLLNVAL) == 0);
}

// Returns OK at a signal or when the lifeline closes, an error when new connections are no longer served.
// Bytes on the lifeline are ignored.
absl::Status RunUntilStopped(App& app, int signals, int lifeline) {
  FreeMemory memory;
  pollfd waits[2] = {{signals, POLLIN, 0}, {lifeline, POLLIN, 0}};
  for (int64_t tick = 1;; ++tick) {
    const int ready = poll(waits, lifeline >= 0 ? 2 : 1, kTickMilliseconds);
    if (ready < 0 && errno != EINTR) return absl::OkStatus();
    if (ready > 0 && waits[0].revents != 0) return absl::OkStatus();
    if (ready > 0 && lifeline >= 0 && waits[1].revents != 0) {
      char ignored[64];
      if (read(lifeline, ignored, sizeof(ignored)) <= 0) return absl::OkStatus();
    }
    app.Tick();
    if (absl::Status status = app.CheckSocket(); !status.ok()) return status;
    if (tick % kTicksBetweenCleanUps == 1) app.CleanUp();
    if (tick % kTicksBetweenChecks != 0) continue;
    if (absl::Status status = app.CheckServes(); !status.ok()) return status;
    memory.Return();
  }
}

int Restore(const Options& options) {
  const absl::Status status = RestoreStorage(options.restore, options.data_dir);
  if (status.ok()) {
    std::printf("restored %s from %s; start the coordinator\n", options.data_dir.c_str(),
                options.restore.c_str());
    return kExitOk;
  }
  std::fprintf(stderr, "quant-coordinator: %s\n", std::string(status.message()).c_str());
  return kExitDataFolder;
}

int Run(int argc, char** argv) {
  const ParsedCommandLine parsed = ParseCommandLine(std::vector<std::string>(argv + 1, argv + argc));
  if (parsed.exits) {
    std::fputs(parsed.text.c_str(), parsed.exit_code == kExitOk ? stdout : stderr);
    return parsed.exit_code;
  }
  const Options& options = parsed.options;
  if (!IsOpen(options.lifeline_fd) || !IsOpen(options.ready_fd)) {
    std::fputs("quant-coordinator: --lifeline-fd and --ready-fd must name open files\n", stderr);
    return kExitUsage;
  }
  if (!options.restore.empty()) return Restore(options);
  // gRPC's own messages about failures are replaced by our errors, which have remedies.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  RaiseFileLimit();
  const int signals = TakeSignals();
  if (signals < 0) {
    std::perror("quant-coordinator: signals");
    return kExitInternal;
  }
  int exit_code = kExitInternal;
  auto app = App::Start(options, &exit_code);
  if (!app.ok()) {
    std::fprintf(stderr, "quant-coordinator: %s\n", std::string(app.status().message()).c_str());
    return exit_code;
  }
  AnnounceReady((*app)->target(), options.ready_fd);
  const absl::Status served = RunUntilStopped(**app, signals, options.lifeline_fd);
  (*app)->Stop();
  if (served.ok()) return kExitOk;
  std::fprintf(
      stderr,
      "quant-coordinator: new connections are not served: %s. Where its socket is still there, raise the limit "
      "of open files (ulimit -n), or connect fewer workers and clients\n",
      std::string(served.message()).c_str());
  return kExitInternal;
}

}  // namespace
}  // namespace quantlab

int main(int argc, char** argv) {
  return quantlab::Run(argc, argv);
}
