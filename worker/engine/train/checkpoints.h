// Keeps the state of one training while it runs: on a schedule, and when the process is asked to stop.
#ifndef QUANTLAB_WORKER_ENGINE_TRAIN_CHECKPOINTS_H_
#define QUANTLAB_WORKER_ENGINE_TRAIN_CHECKPOINTS_H_

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "worker/engine/train/training_state.h"

namespace quantlab::engine {

// For one training.
//
// Threads: one.
class Checkpoints {
 public:
  struct Options {
    std::string folder;  // of the files; made when the first is written. Empty: none are written
    // Between two files. It becomes longer where writing one takes more than a hundredth of it. 0: after
    // every step.
    double interval_seconds = 0;
    std::string resume_from;  // a file to continue from; empty: none
    std::string executed_by;  // this process's execution fingerprint
    int64_t attempt = 0;      // of this process
    // Called on the training thread; may be empty. `name`: of the file, below the folder.
    std::function<void(const std::string& name)> on_written;
    std::function<void(const TrainingState& state)> on_resumed;
    std::function<void(const absl::Status& why)> on_refused;  // `resume_from` is not used
    std::function<void(const absl::Status& why)> on_failed;   // a file could not be written; training goes on
  };

  explicit Checkpoints(Options options);

  // The state to continue from, if there is one for a training of these inputs and steps. The training
  // answers with Accept once it has it, or with Refuse, after which it begins at the start.
  std::optional<TrainingState> Resume(const std::string& inputs, int64_t total_steps);
  void Accept(const TrainingState& state);
  void Refuse(const absl::Status& why);

  // Whether the schedule asks for a file now.
  bool Due() const;
  // Writes a file named by the number of steps, unless there is one. Only the newest two are kept. Fills in
  // `attempt` and `executed_by`.
  void Write(TrainingState state);

  // The state after the last step. It is written only if WriteFinal is called: when the process is asked to
  // stop before the results of the training were saved.
  void SetFinal(TrainingState state) { final_ = std::move(state); }
  void WriteFinal();

 private:
  using Clock = std::chrono::steady_clock;

  const Options options_;
  std::vector<std::string> executed_by_;  // of the state that was resumed
  Clock::time_point last_;
  double last_cost_ = 0;            // seconds that the last file took
  std::vector<std::string> names_;  // of the files that are kept, oldest first
  std::optional<TrainingState> final_;
};

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TRAIN_CHECKPOINTS_H_
