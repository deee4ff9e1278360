// A private coordinator and worker, started when needed and stopped when no longer used.
//
//   quantctl ──spawns──▶ quantctl supervise ──keeps──▶ quant-coordinator, quant-worker
//
// There is one supervisor process per data folder, in a separate session, shared by every quantctl that uses
// the folder. It restarts either program if it dies, and stops both when the last user has exited in any way:
// users hold a shared lock on a file (users.lock), which the kernel releases. The two programs hold the end
// of a pipe, so that they stop if the supervisor itself is killed; a user who finds no supervisor starts
// another one.
//
// Files in <data>/embedded: supervisor.lock (held by the supervisor; its pid), users.lock, worker.lock (held
// by users who need a worker), address, failure (why the last supervisor ended, if not as planned), keep.
#ifndef QUANTLAB_CLIENT_EMBEDDED_EMBEDDED_H_
#define QUANTLAB_CLIENT_EMBEDDED_EMBEDDED_H_

#include <atomic>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "client/connection/cancellation.h"
#include "platform/file_lock.h"

namespace quantlab::client {

// Paths in a data folder.
struct EmbeddedPaths {
  explicit EmbeddedPaths(std::string data_dir);

  std::string data, embedded, logs;
  std::string supervisor_lock, users_lock, worker_lock, address, failure, keep;
  std::string coordinator_data, worker_data;
  std::string coordinator_log, worker_log, supervisor_log;
};

// The coordinator's socket: in the data folder; or, if that path is too long for a socket or has characters
// that are invalid in gRPC's addresses, in a folder that only the user can access below `runtime_dir`
// (XDG_RUNTIME_DIR) or /tmp, which is created. Errors: PERMISSION_DENIED it exists and belongs to another
// user.
absl::StatusOr<std::string> SocketPath(const std::string& data_dir, const std::string& runtime_dir);

// catalog.yaml of an installation or of a source tree: share/quantlab beside the folder of programs, or else
// configs/ there, in the current folder or in one of its parents. Empty if there is none.
std::string FindCatalog(const std::string& program_folder, const std::string& current_folder);

struct EmbeddedOptions {
  std::string data_dir;
  std::string self;            // the program to run as `self supervise …`
  std::string program_folder;  // of quant-coordinator, quant-worker and quant-runner
  std::string catalog;         // may be empty
  bool want_worker = false;
  // The first start of a worker loads LibTorch and hashes the runner.
  absl::Duration start_timeout = absl::Seconds(60);
};

// One user's reference to the service of a data folder.
//
// Threads: safe.
class EmbeddedService {
 public:
  // Starts it unless it is running, and waits until the coordinator answers on its socket.
  // Errors: UNAVAILABLE it does not start, with the end of its log; NOT_FOUND a program is missing.
  static absl::StatusOr<std::unique_ptr<EmbeddedService>> Open(EmbeddedOptions options);

  // Releases the reference, without waiting.
  ~EmbeddedService();

  const std::string& address() const { return address_; }

  // Restarts the supervisor if it was killed; to be called when the coordinator does not answer.
  // Errors: why the supervisor gave up.
  absl::Status EnsureRunning();

  // Also starts a worker.
  absl::Status WantWorker();

  // Keeps the service running after its users have exited, until StopEmbedded.
  absl::Status Keep();

  // Releases the reference, and waits until the service has stopped unless it has other users. False if it
  // keeps running.
  bool Close(absl::Duration timeout);

 private:
  explicit EmbeddedService(EmbeddedOptions options);

  absl::Status AwaitUsersLock();
  absl::Status EnsureSupervisor();
  absl::Status SpawnSupervisor();
  absl::Status ReadAddress();

  // Constant after Open.
  const EmbeddedOptions options_;
  const EmbeddedPaths paths_;
  std::string address_;
  // Atomic. The supervisor that this process started, to be reaped; 0: none.
  std::atomic<pid_t> supervisor_pid_{0};

  Mutex mutex_;
  bool keep_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<FileLock> users_ ABSL_GUARDED_BY(mutex_), worker_ ABSL_GUARDED_BY(mutex_);
};

// Whether a supervisor of this data folder is running, and its pid.
struct EmbeddedState {
  bool running = false;
  int pid = 0;
  std::string address;
  bool kept = false;
};
absl::StatusOr<EmbeddedState> InspectEmbedded(const std::string& data_dir);

// Stops the running service. Errors: NOT_FOUND there is none; DEADLINE_EXCEEDED.
absl::Status StopEmbedded(const std::string& data_dir, absl::Duration timeout);

struct SupervisorOptions {
  std::string data_dir;
  std::string listen;  // "unix:/path"
  // Complete except for what ChildKeeper adds.
  std::vector<std::string> coordinator = {}, worker = {};
  int ready_fd = -1;  // gets "ready\n", or the error
};

// The supervisor process: returns its exit status when the service has no users left, or when `stop` is
// cancelled.
int RunSupervisor(const SupervisorOptions& options, const Cancellation& stop);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_EMBEDDED_EMBEDDED_H_
