// The process behind `quantctl supervise`. See embedded.h for who holds which lock.
#include <cstdio>
#include <fcntl.h>
#include <memory>
#include <signal.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "client/embedded/embedded.h"
#include "platform/address.h"
#include "platform/child_keeper.h"
#include "platform/file_lock.h"
#include "platform/files.h"
#include "platform/probe.h"

namespace quantlab::client {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(200);
constexpr absl::Duration kWorkerGrace = absl::Seconds(15);
constexpr absl::Duration kCoordinatorGrace = absl::Seconds(10);
// A coordinator that runs but serves no new connections is replaced after so many failed checks in a row. It
// notices itself when its socket is removed; this is for one that is stopped or stuck.
constexpr absl::Duration kCheckEvery = absl::Seconds(5);
constexpr absl::Duration kCheckTimeout = absl::Seconds(3);
constexpr int kMaxFailedChecks = 6;
constexpr int64_t kLogLimit = 16 << 20;

bool Exists(const std::string& path) {
  return access(path.c_str(), F_OK) == 0;
}

// One earlier log is kept.
void RotateLog(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) == 0 && info.st_size > kLogLimit)
    std::rename(path.c_str(), (path + ".1").c_str());
}

void Log(const std::string& message) {
  std::fprintf(stderr, "%s %s\n",
               absl::FormatTime(absl::RFC3339_sec, absl::Now(), absl::UTCTimeZone()).c_str(),
               message.c_str());
}

// Runs the coordinator and the worker of a private service until it is no longer used.
class PrivateService {
 public:
  PrivateService(const SupervisorOptions& options, const Cancellation& stop)
      : options_(options),
        stop_(stop),
        paths_(options.data_dir),
        coordinator_(
            {.name = "coordinator", .argv = options.coordinator, .log_path = paths_.coordinator_log}) {}

  int Run() {
    absl::Status status = Prepare();
    if (!status.ok()) return Fail(status);
    coordinator_.Start();
    while (status.ok()) {
      if (!announced_ && coordinator_.ready()) Announce();
      CheckCoordinator();
      if (stop_.WaitFor(kTick)) status = absl::CancelledError("it was stopped (quantctl stop, or a signal)");
      if (status.ok()) status = coordinator_.failure();
      if (status.ok()) status = TendWorker();
      if (status.ok() && Unused()) break;
    }
    Log(status.ok() ? "the service is no longer used" : std::string(status.message()));
    if (!status.ok()) WriteFileAtomically(paths_.failure, status.message()).IgnoreError();
    if (worker_ != nullptr) worker_->Stop(kWorkerGrace);
    coordinator_.Stop(kCoordinatorGrace);
    unlink(paths_.address.c_str());
    Log("stopped");
    return status.ok() ? 0 : Fail(status);
  }

 private:
  absl::Status Prepare() {
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    QL_RETURN_IF_ERROR(MakeDirectories(paths_.embedded));
    QL_RETURN_IF_ERROR(MakeDirectories(paths_.logs));
    // Those who only look hold the lock for a moment.
    for (int i = 0; i < 40 && lock_ == nullptr; ++i) {
      if (i > 0) absl::SleepFor(absl::Milliseconds(25));
      QL_ASSIGN_OR_RETURN(lock_, FileLock::Try(paths_.supervisor_lock, FileLock::Mode::kExclusive));
    }
    if (lock_ == nullptr) return absl::AlreadyExistsError("another supervisor has this data folder");
    QL_RETURN_IF_ERROR(lock_->Write(absl::StrCat(getpid(), "\n")));
    unlink(paths_.failure.c_str());
    unlink(paths_.keep.c_str());
    RotateLog(paths_.coordinator_log);
    RotateLog(paths_.worker_log);
    return WriteFileAtomically(paths_.address, options_.listen);
  }

  void Announce() {
    announced_ = true;
    Log("the coordinator is ready");
    Report("ready\n");
  }

  void Report(const std::string& text) {
    if (options_.ready_fd < 0 || reported_) return;
    reported_ = true;
    if (write(options_.ready_fd, text.data(), text.size()) < 0)
      Log("the process that started this one has ended");
    close(options_.ready_fd);
  }

  int Fail(const absl::Status& status) {
    Report(std::string(status.message()));
    return 1;
  }

  void CheckCoordinator() {
    const absl::Duration now = Clock::Real().Monotonic();
    if (now < next_check_) return;
    next_check_ = now + kCheckEvery;
    const absl::StatusOr<Address> address = ParseLocalAddress(options_.listen);
    if (!coordinator_.ready() || !address.ok() || CheckServes(*address, kCheckTimeout).ok()) {
      failed_checks_ = 0;
      return;
    }
    if (++failed_checks_ < kMaxFailedChecks) return;
    Log("the coordinator runs but does not answer; restarting it");
    failed_checks_ = 0;
    coordinator_.Replace();
  }

  absl::Status TendWorker() {
    if (worker_ != nullptr) return worker_->failure();
    if (!coordinator_.ready() || !HeldByOthers(paths_.worker_lock)) return absl::OkStatus();
    worker_ = std::make_unique<ChildKeeper>(
        KeeperOptions{.name = "worker", .argv = options_.worker, .log_path = paths_.worker_log});
    worker_->Start();
    return absl::OkStatus();
  }

  static bool HeldByOthers(const std::string& path) {
    const auto lock = FileLock::Try(path, FileLock::Mode::kExclusive);
    return lock.ok() && *lock == nullptr;
  }

  // Once true, newcomers wait: the lock is kept until this process ends.
  bool Unused() {
    if (Exists(paths_.keep)) return false;
    auto lock = FileLock::Try(paths_.users_lock, FileLock::Mode::kExclusive);
    // A data folder that was removed has no users, and gets none.
    if (absl::IsNotFound(lock.status())) return true;
    if (!lock.ok() || *lock == nullptr) return false;
    last_ = *std::move(lock);
    return true;
  }

  const SupervisorOptions& options_;
  const Cancellation& stop_;
  const EmbeddedPaths paths_;
  std::unique_ptr<FileLock> lock_, last_;
  ChildKeeper coordinator_;
  std::unique_ptr<ChildKeeper> worker_;
  bool announced_ = false, reported_ = false;
  absl::Duration next_check_;  // monotonic
  int failed_checks_ = 0;      // in a row
};

}  // namespace

int RunSupervisor(const SupervisorOptions& options, const Cancellation& stop) {
  return PrivateService(options, stop).Run();
}

}  // namespace quantlab::client
