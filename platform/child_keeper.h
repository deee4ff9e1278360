// Keeps one child process running: restarts it when it ends, and stops it gently.
#ifndef QUANTLAB_PLATFORM_CHILD_KEEPER_H_
#define QUANTLAB_PLATFORM_CHILD_KEEPER_H_

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "platform/process.h"

namespace quantlab {

struct KeeperOptions {
  std::string name;  // for messages: "coordinator"
  // The program; "--lifeline-fd 3 --ready-fd 4" is added. It must exit when descriptor 3 reaches its end, and
  // write a line to descriptor 4 when it is ready.
  std::vector<std::string> argv;
  std::string log_path;
  absl::Duration first_pause = absl::Milliseconds(100);
  absl::Duration longest_pause = absl::Seconds(3);
  // Consecutive starts that ended before the program was ready, after which it is given up.
  int max_failed_starts = 8;
};

// Threads: safe. Has one thread of its own.
class ChildKeeper {
 public:
  explicit ChildKeeper(KeeperOptions options);
  // Kills the child.
  ~ChildKeeper();

  void Start();

  // Whether the program has been ready since its last start.
  bool ready() const;
  // Why it was given up; OK while it is kept.
  absl::Status failure() const;
  // 0 while the program does not run.
  pid_t pid() const;
  int starts() const;

  // SIGKILL: the program is started again. For one that runs but does not do its work.
  void Replace();

  // SIGTERM, and SIGKILL after `grace`. Returns when the child has ended. Idempotent.
  void Stop(absl::Duration grace);

 private:
  void Loop();
  // Runs the child once. Returns whether it became ready, and in `why` how it ended.
  bool RunOnce(std::string* why);
  // Starts the child; null, with the reason in `why`, if it could not be started or Stop was called.
  std::unique_ptr<Process> Launch(const ProcessSpec& spec, std::string* why);
  void AwaitReady(const Process& process, int ready_fd);
  absl::Status GivenUp(int failed_starts, const std::string& why) const;

  // Constant after construction.
  const KeeperOptions options_;
  const std::unique_ptr<ProcessLauncher> launcher_;

  mutable Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool done_ ABSL_GUARDED_BY(mutex_) = true;
  bool ready_ ABSL_GUARDED_BY(mutex_) = false;
  Process* process_ ABSL_GUARDED_BY(mutex_) = nullptr;  // owned by the thread; null while none runs
  int starts_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace quantlab

#endif  // QUANTLAB_PLATFORM_CHILD_KEEPER_H_
