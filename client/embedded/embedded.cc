#include "client/embedded/embedded.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "platform/address.h"
#include "platform/environment.h"
#include "platform/files.h"
#include "platform/process.h"

namespace quantlab::client {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kPoll = absl::Milliseconds(50);
constexpr int64_t kSmallFile = 64 << 10;

// Longer than a supervisor's own patience with its programs.
constexpr absl::Duration kStopping = absl::Seconds(40);

// Short enough for a socket, and without characters that mean something in gRPC's addresses, which are URIs.
bool IsSocketPath(const std::string& path) {
  return path.size() <= kMaxSocketPathBytes && std::all_of(path.begin(), path.end(), [](char c) {
           return absl::ascii_isalnum(c) || absl::string_view("/._-~+@=,").find(c) != absl::string_view::npos;
         });
}

absl::Status CheckPrograms(const EmbeddedOptions& options) {
  for (const char* name : {"quant-coordinator", "quant-worker"}) {
    const std::string path = absl::StrCat(options.program_folder, "/", name);
    if (access(path.c_str(), X_OK) != 0) {
      return absl::NotFoundError(
          absl::StrCat(path,
                       " is missing, and without a configured coordinator quantctl starts "
                       "it. Build everything (scripts/setup.sh), or name a coordinator with "
                       "--coordinator or QUANTLAB_COORDINATOR"));
    }
  }
  return absl::OkStatus();
}

std::string ReadSmall(const std::string& path) {
  absl::StatusOr<std::string> content = ReadFile(path, kSmallFile);
  if (!content.ok()) return "";
  while (!content->empty() && content->back() == '\n') content->pop_back();
  return *std::move(content);
}

// What the supervisor writes to its ready pipe; empty when it ended without a word.
absl::StatusOr<std::string> ReadAnswer(int fd, absl::Duration timeout) {
  const absl::Duration deadline = Clock::Real().Monotonic() + timeout;
  std::string answer;
  while (answer.size() < kSmallFile) {
    pollfd waiting{fd, POLLIN, 0};
    const absl::Duration left = deadline - Clock::Real().Monotonic();
    if (left <= absl::ZeroDuration()) return absl::DeadlineExceededError("no answer");
    const int changed = poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
    if (changed < 0 && errno != EINTR) return FileError(errno, "wait for", "the supervisor");
    if (changed <= 0) continue;
    char buffer[4096];
    const ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    answer.append(buffer, got);
  }
  return answer;
}

}  // namespace

EmbeddedPaths::EmbeddedPaths(std::string data_dir)
    : data(std::move(data_dir)),
      embedded(data + "/embedded"),
      logs(data + "/logs"),
      supervisor_lock(embedded + "/supervisor.lock"),
      users_lock(embedded + "/users.lock"),
      worker_lock(embedded + "/worker.lock"),
      address(embedded + "/address"),
      failure(embedded + "/failure"),
      keep(embedded + "/keep"),
      coordinator_data(data + "/coordinator"),
      worker_data(data + "/worker"),
      coordinator_log(logs + "/coordinator.log"),
      worker_log(logs + "/worker.log"),
      supervisor_log(logs + "/supervisor.log") {}

absl::StatusOr<std::string> SocketPath(const std::string& data_dir, const std::string& runtime_dir) {
  const std::string beside = data_dir + "/coordinator.sock";
  if (IsSocketPath(beside)) return beside;
  const std::string name = absl::StrCat("quantlab-", geteuid(), "-", Sha256Hex(data_dir).substr(0, 12));
  const std::string in_runtime = absl::StrCat(runtime_dir, "/", name);
  const bool usable = !runtime_dir.empty() && runtime_dir[0] == '/' &&
                      access(runtime_dir.c_str(), W_OK) == 0 &&
                      IsSocketPath(in_runtime + "/coordinator.sock");
  const std::string folder = usable ? in_runtime : absl::StrCat("/tmp/", name);
  if (const absl::Status made = MakePrivateDirectory(folder); !made.ok()) {
    return absl::Status(made.code(),
                        absl::StrCat(made.message(), ", or choose a shorter data folder with --data-dir"));
  }
  return folder + "/coordinator.sock";
}

std::string FindCatalog(const std::string& program_folder, const std::string& current_folder) {
  std::error_code error;
  const fs::path installed = fs::path(program_folder).parent_path() / "share/quantlab/catalog.yaml";
  if (fs::is_regular_file(installed, error)) return installed.string();
  for (const std::string& start : {current_folder, program_folder}) {
    for (fs::path folder = start; !folder.empty(); folder = folder.parent_path()) {
      const fs::path candidate = folder / "configs/catalog.yaml";
      if (fs::is_regular_file(candidate, error)) return candidate.string();
      if (folder == folder.root_path()) break;
    }
  }
  return "";
}

EmbeddedService::EmbeddedService(EmbeddedOptions options)
    : options_(std::move(options)), paths_(options_.data_dir) {}

EmbeddedService::~EmbeddedService() = default;

absl::StatusOr<std::unique_ptr<EmbeddedService>> EmbeddedService::Open(EmbeddedOptions options) {
  QL_RETURN_IF_ERROR(CheckPrograms(options));
  std::unique_ptr<EmbeddedService> service(new EmbeddedService(std::move(options)));
  QL_RETURN_IF_ERROR(Annotate(MakeDirectories(service->paths_.embedded), "the data folder"));
  QL_RETURN_IF_ERROR(MakeDirectories(service->paths_.logs));
  QL_RETURN_IF_ERROR(service->AwaitUsersLock());
  if (service->options_.want_worker) QL_RETURN_IF_ERROR(service->WantWorker());
  QL_RETURN_IF_ERROR(service->EnsureSupervisor());
  QL_RETURN_IF_ERROR(service->ReadAddress());
  return service;
}

absl::Status EmbeddedService::AwaitUsersLock() {
  const absl::Duration deadline = Clock::Real().Monotonic() + kStopping;
  while (Clock::Real().Monotonic() < deadline) {
    QL_ASSIGN_OR_RETURN(std::unique_ptr<FileLock> lock,
                        FileLock::Try(paths_.users_lock, FileLock::Mode::kShared));
    if (lock != nullptr) {
      MutexLock guard(mutex_);
      users_ = std::move(lock);
      return absl::OkStatus();
    }
    absl::SleepFor(kPoll);  // the supervisor is stopping; its successor is ours to start
  }
  return absl::UnavailableError(absl::StrCat("the service of ", paths_.data, " has been stopping for ",
                                             absl::ToInt64Seconds(kStopping), " s; see ",
                                             paths_.supervisor_log));
}

absl::Status EmbeddedService::WantWorker() {
  const absl::Duration deadline = Clock::Real().Monotonic() + absl::Seconds(10);
  while (Clock::Real().Monotonic() < deadline) {
    QL_ASSIGN_OR_RETURN(std::unique_ptr<FileLock> lock,
                        FileLock::Try(paths_.worker_lock, FileLock::Mode::kShared));
    if (lock != nullptr) {
      MutexLock guard(mutex_);
      worker_ = std::move(lock);
      return absl::OkStatus();
    }
    absl::SleepFor(absl::Milliseconds(5));  // the supervisor looks at it for a moment
  }
  return absl::UnavailableError(absl::StrCat("cannot lock ", paths_.worker_lock));
}

absl::Status EmbeddedService::SpawnSupervisor() {
  QL_ASSIGN_OR_RETURN(Pipe ready, MakePipe());
  ProcessSpec spawn;
  spawn.argv = {options_.self,           "supervise",  "--data-dir", paths_.data, "--programs",
                options_.program_folder, "--ready-fd", "3"};
  if (!options_.catalog.empty()) spawn.argv.insert(spawn.argv.end(), {"--catalog", options_.catalog});
  spawn.output = ProcessSpec::Output::kLog;
  spawn.log_path = paths_.supervisor_log;
  spawn.fds = {ready.write.get()};
  spawn.new_session = true;
  QL_ASSIGN_OR_RETURN(const pid_t pid, LaunchDetached(spawn));
  supervisor_pid_ = pid;
  ready.write.Reset();
  const absl::StatusOr<std::string> answer = ReadAnswer(ready.read.get(), options_.start_timeout);
  if (answer.ok() && *answer == "ready\n") return absl::OkStatus();
  if (!answer.ok()) {
    return absl::UnavailableError(absl::StrCat("the service of ", paths_.data, " was not ready within ",
                                               absl::FormatDuration(options_.start_timeout), "; see ",
                                               paths_.logs));
  }
  supervisor_pid_ = 0;
  ReapChild(pid, /*wait=*/true);
  if (answer->empty()) {
    return absl::UnavailableError(
        absl::StrCat("the supervisor ended before it was ready; the end of its log (", paths_.supervisor_log,
                     "):\n", TailOf(paths_.supervisor_log, 5)));
  }
  return absl::UnavailableError(*answer);
}

absl::Status EmbeddedService::EnsureSupervisor() {
  const absl::Duration deadline = Clock::Real().Monotonic() + options_.start_timeout;
  absl::Status last = absl::UnavailableError("the embedded service does not start");
  while (Clock::Real().Monotonic() < deadline) {
    QL_ASSIGN_OR_RETURN(EmbeddedState state, InspectEmbedded(paths_.data));
    if (state.running) return absl::OkStatus();
    last = SpawnSupervisor();
    if (last.ok()) return last;
    // Where two start one at a time, the second finds the folder taken and uses the first one's.
    QL_ASSIGN_OR_RETURN(state, InspectEmbedded(paths_.data));
    if (!state.running) return last;
    absl::SleepFor(kPoll);
  }
  return last;
}

absl::Status EmbeddedService::ReadAddress() {
  const absl::Duration deadline = Clock::Real().Monotonic() + options_.start_timeout;
  while (Clock::Real().Monotonic() < deadline) {
    address_ = ReadSmall(paths_.address);
    struct stat info;
    const std::string path = std::string(absl::StripPrefix(address_, "unix:"));
    if (!address_.empty() && stat(path.c_str(), &info) == 0) return absl::OkStatus();
    const std::string failure = ReadSmall(paths_.failure);
    if (!failure.empty()) return absl::UnavailableError(failure);
    absl::SleepFor(kPoll);
  }
  return absl::UnavailableError(
      absl::StrCat("the service of ", paths_.data, " has no address; see ", paths_.logs));
}

absl::Status EmbeddedService::EnsureRunning() {
  QL_ASSIGN_OR_RETURN(const EmbeddedState state, InspectEmbedded(paths_.data));
  if (state.running) return absl::OkStatus();
  if (const pid_t child = supervisor_pid_.exchange(0); child > 0) ReapChild(child, /*wait=*/false);
  const std::string failure = ReadSmall(paths_.failure);
  if (!failure.empty())
    return absl::FailedPreconditionError(absl::StrCat("the embedded service ended: ", failure));
  QL_RETURN_IF_ERROR(EnsureSupervisor());
  bool keep;
  {
    MutexLock guard(mutex_);
    keep = keep_;
  }
  return keep ? Keep() : absl::OkStatus();
}

absl::Status EmbeddedService::Keep() {
  QL_RETURN_IF_ERROR(WriteFileAtomically(paths_.keep, ""));
  MutexLock guard(mutex_);
  keep_ = true;
  return absl::OkStatus();
}

bool EmbeddedService::Close(absl::Duration timeout) {
  {
    MutexLock guard(mutex_);
    worker_.reset();
    users_.reset();
    if (keep_) return false;
  }
  const absl::Duration deadline = Clock::Real().Monotonic() + timeout;
  while (Clock::Real().Monotonic() < deadline) {
    const auto stopped = FileLock::Try(paths_.supervisor_lock, FileLock::Mode::kShared);
    if (stopped.ok() && *stopped != nullptr) return true;
    // Neither may be taken while the supervisor stops; only one while there are other users.
    const bool alone = [this] {
      const auto lock = FileLock::Try(paths_.users_lock, FileLock::Mode::kExclusive);
      return lock.ok() && *lock != nullptr;
    }();
    if (!alone) {
      const auto shared = FileLock::Try(paths_.users_lock, FileLock::Mode::kShared);
      if (shared.ok() && *shared != nullptr) return false;
    }
    absl::SleepFor(kPoll);
  }
  return false;
}

absl::StatusOr<EmbeddedState> InspectEmbedded(const std::string& data_dir) {
  const EmbeddedPaths paths(data_dir);
  EmbeddedState state;
  if (access(paths.supervisor_lock.c_str(), F_OK) != 0) return state;
  QL_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock,
                      FileLock::Try(paths.supervisor_lock, FileLock::Mode::kShared));
  if (lock != nullptr) return state;
  state.running = true;
  if (!absl::SimpleAtoi(ReadSmall(paths.supervisor_lock), &state.pid)) state.pid = 0;
  state.address = ReadSmall(paths.address);
  state.kept = access(paths.keep.c_str(), F_OK) == 0;
  return state;
}

absl::Status StopEmbedded(const std::string& data_dir, absl::Duration timeout) {
  QL_ASSIGN_OR_RETURN(EmbeddedState state, InspectEmbedded(data_dir));
  if (!state.running || state.pid <= 1) {
    return MessageStatus(absl::StatusCode::kNotFound, messages::kNothingRuns(data_dir));
  }
  unlink(EmbeddedPaths(data_dir).keep.c_str());
  QL_RETURN_IF_ERROR(SignalProcess(state.pid, SIGTERM));
  const absl::Duration deadline = Clock::Real().Monotonic() + timeout;
  while (Clock::Real().Monotonic() < deadline) {
    QL_ASSIGN_OR_RETURN(state, InspectEmbedded(data_dir));
    if (!state.running) return absl::OkStatus();
    absl::SleepFor(kPoll);
  }
  return absl::DeadlineExceededError(absl::StrCat("process ", state.pid, " has not stopped within ",
                                                  absl::FormatDuration(timeout), "; see ",
                                                  EmbeddedPaths(data_dir).logs));
}

}  // namespace quantlab::client
