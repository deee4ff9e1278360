// A coordinator and a worker of the user's own, started when needed and gone when nobody needs them.
//
//   quantctl ──spawns──▶ quantctl supervise ──keeps──▶ quant-coordinator, quant-worker
//
// One supervising process per data folder, in a session of its own, shared by every quantctl that uses the
// folder. It starts either program again when it dies, and stops both when the last user is gone, however
// that one ended: users hold a shared lock on a file (users.lock), which the kernel lets go of. The two
// programs hold the end of a pipe, so that they stop when the supervisor itself is killed; a user who finds
// the supervisor gone starts another.
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

// Where things of a data folder are.
struct EmbeddedPaths {
  explicit EmbeddedPaths(std::string data_dir);

  std::string data, embedded, logs;
  std::string supervisor_lock, users_lock, worker_lock, address, failure, keep;
  std::string coordinator_data, worker_data;
  std::string coordinator_log, worker_log, supervisor_log;
};

// The coordinator's socket: in the data folder, or where that is too long for a socket or has characters that
// gRPC's addresses cannot hold, in a folder of the user alone below `runtime_dir` (XDG_RUNTIME_DIR) or /tmp,
// which is made. Errors: PERMISSION_DENIED such a folder is there and not the user's own.
absl::StatusOr<std::string> SocketPath(const std::string& data_dir, const std::string& runtime_dir);

// catalog.yaml of an installation or of a source tree: share/quantlab beside the folder of programs, else
// configs/ there or here or further up. Empty when there is none.
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

// One user's hold on the service of a data folder.
//
// Threads: safe.
class EmbeddedService {
 public:
  // Starts it unless it runs, and waits until the coordinator answers to its socket.
  // Errors: UNAVAILABLE it does not start, with the end of its log; NOT_FOUND a program is missing.
  static absl::StatusOr<std::unique_ptr<EmbeddedService>> Open(EmbeddedOptions options);

  // Lets go, without waiting.
  ~EmbeddedService();

  const std::string& address() const { return address_; }

  // Starts the supervisor again where it was killed; to be called when the coordinator does not answer.
  // Errors: why the supervisor gave up.
  absl::Status EnsureRunning();

  // From now on a worker is needed too.
  absl::Status WantWorker();

  // Lets the service run on when its users are gone, until StopEmbedded.
  absl::Status Keep();

  // Lets go, and waits until the service has stopped if nobody else uses it. False where it goes on running.
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
  // Own synchronisation. Of the supervisor that this process started, to be reaped; 0: none.
  std::atomic<pid_t> supervisor_pid_{0};

  Mutex mutex_;
  bool keep_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<FileLock> users_ ABSL_GUARDED_BY(mutex_), worker_ ABSL_GUARDED_BY(mutex_);
};

// Whether a supervisor of this data folder runs, and its pid.
struct EmbeddedState {
  bool running = false;
  int pid = 0;
  std::string address;
  bool kept = false;
};
absl::StatusOr<EmbeddedState> InspectEmbedded(const std::string& data_dir);

// Stops a service that runs. Errors: NOT_FOUND none does; DEADLINE_EXCEEDED.
absl::Status StopEmbedded(const std::string& data_dir, absl::Duration timeout);

struct SupervisorOptions {
  std::string data_dir;
  std::string listen;  // "unix:/path"
  // Complete but for what ChildKeeper adds.
  std::vector<std::string> coordinator = {}, worker = {};
  int ready_fd = -1;  // gets "ready\n", or why not
};

// The supervising process: returns its exit status when nobody needs the service any longer, or once `stop`
// is cancelled.
int RunSupervisor(const SupervisorOptions& options, const Cancellation& stop);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_EMBEDDED_EMBEDDED_H_
