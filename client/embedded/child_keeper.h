// Keeps one child process running: starts it, starts it again when it dies, stops it gently.
#ifndef QUANTLAB_CLIENT_EMBEDDED_CHILD_KEEPER_H_
#define QUANTLAB_CLIENT_EMBEDDED_CHILD_KEEPER_H_

#include <string>
#include <sys/types.h>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace quantlab::client {

// A pipe whose ends close on exec; either end may be closed earlier.
class Pipe {
 public:
  Pipe() = default;
  ~Pipe();
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  absl::Status Open();
  void CloseRead();
  void CloseWrite();
  int read_fd() const { return read_fd_; }
  int write_fd() const { return write_fd_; }

 private:
  int read_fd_ = -1, write_fd_ = -1;
};

struct SpawnOptions {
  std::vector<std::string> argv;
  std::string log_path;  // standard output and error are appended; empty: /dev/null
  // Handed to the child as descriptors 3, 4, … in this order.
  std::vector<int> fds;
  bool new_session = false;  // out of reach of the terminal's Ctrl-C
  std::string folder = {};   // where it runs; empty: where we do
};

// Starts a program with default signals, standard input from /dev/null, and no other descriptor of ours.
absl::StatusOr<pid_t> Spawn(const SpawnOptions& options);

// The last `lines` lines of a log, for messages; empty where there is none.
std::string TailOf(const std::string& path, int lines);

struct KeeperOptions {
  std::string name;  // for messages: "coordinator"
  // The program; "--lifeline-fd 3 --ready-fd 4" is added. It must exit when descriptor 3 reaches its end, and
  // write a line to descriptor 4 when it is ready.
  std::vector<std::string> argv;
  std::string log_path;
  absl::Duration first_pause = absl::Milliseconds(100);
  absl::Duration longest_pause = absl::Seconds(3);
  // Starts in a row that ended before the program was ready, after which it is given up.
  int max_failed_starts = 8;
};

// Threads: safe. One thread of its own.
class ChildKeeper {
 public:
  explicit ChildKeeper(KeeperOptions options);
  // Stops the child, at once.
  ~ChildKeeper();

  void Start();

  // Ready at least once since the last start of the program.
  bool ready() const;
  // Why it was given up; OK while it is kept.
  absl::Status failure() const;
  // 0 between two lives.
  pid_t pid() const;
  int starts() const;

  // SIGTERM, and SIGKILL after `grace`. Returns when the child has ended and been reaped. Idempotent.
  void Stop(absl::Duration grace);

 private:
  void Loop();
  // One life of the child. Whether it became ready; the reason of its end in `why`.
  bool LiveOnce(std::string* why);
  void AwaitReady(pid_t pid, int ready_fd);

  // Constant after construction.
  const KeeperOptions options_;

  mutable Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool done_ ABSL_GUARDED_BY(mutex_) = true;
  bool ready_ ABSL_GUARDED_BY(mutex_) = false;
  pid_t pid_ ABSL_GUARDED_BY(mutex_) = 0;
  int starts_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_EMBEDDED_CHILD_KEEPER_H_
