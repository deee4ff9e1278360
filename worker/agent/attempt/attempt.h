// One attempt from its assignment to its accepted end.
//
// On disk, below data/attempts/<run>/<number>/:
//   assignment.pb    quantlab.v1.Assignment, read again by a restarted worker
//   events.spool     see spool.h; `acknowledged` is beside it
//   job.json         the runner's input
//   inputs/          links to the files of its inputs, and to the checkpoint from which it continues
//   output/          files written by the runner
#ifndef QUANTLAB_WORKER_AGENT_ATTEMPT_ATTEMPT_H_
#define QUANTLAB_WORKER_AGENT_ATTEMPT_ATTEMPT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/config/run_config.h"
#include "base/messages/message.h"
#include "logging/log.h"
#include "platform/process.h"
#include "quantlab/v1/worker.pb.h"
#include "worker/agent/attempt/attempt_status.h"
#include "worker/agent/attempt/hand_over.h"
#include "worker/agent/attempt/supervisor.h"
#include "worker/agent/connection/control.h"
#include "worker/agent/connection/coordinator.h"
#include "worker/agent/connection/outage_log.h"
#include "worker/agent/events/event_recorder.h"
#include "worker/agent/inputs/artifact_cache.h"
#include "worker/agent/inputs/assets.h"

namespace quantlab::agent {

struct AttemptOptions {
  std::string data_folder;  // absolute
  std::string runner;
  int threads = 0;  // of runs that do not specify a number; 0: the runner chooses
  absl::Duration grace = absl::Seconds(10);
  // How often the state of a training is saved; zero: never.
  absl::Duration checkpoint_interval = absl::Minutes(10);
  RecorderLimits recorder;
  HandOverOptions hand_over;
  size_t max_event_line = 1 << 20;
};

// Objects shared by all attempts. Everything is borrowed.
struct AttemptEnvironment {
  AttemptOptions options;
  ProcessLauncher* launcher = nullptr;
  Coordinator* coordinator = nullptr;
  ArtifactCache* cache = nullptr;
  AssetStore* assets = nullptr;
  OutageLog* outage = nullptr;
  const Clock* clock = nullptr;
  LogScope log;
  AttemptObserver* observer = AttemptObserver::None();
};

// The attempt's folder.
std::string AttemptFolder(const std::string& data_folder, const v1::AttemptRef& attempt);

// Folders of attempts that an earlier process left behind. Errors: those of reading the data folder.
absl::StatusOr<std::vector<std::string>> FindAttempts(const std::string& data_folder);
absl::StatusOr<v1::Assignment> ReadAssignment(const std::string& attempt_folder);

// Threads: one runs it; `control` may be used by others.
class Attempt {
 public:
  Attempt(AttemptEnvironment environment, v1::Assignment assignment, AttemptControl* control);
  ~Attempt();

  // Prepares, runs, delivers. Failures become the attempt's outcome; the result only says whether the
  // attempt's files were still needed.
  HandOver::Result Execute();

  // Delivers an attempt that an earlier process left behind; if it had not ended, it ends as LOST.
  HandOver::Result Resume();

 private:
  Outcome PrepareAndRun();
  absl::Status CreateFolder();
  absl::StatusOr<Job> Prepare();
  absl::StatusOr<std::string> ProvideAsset(const AssetRef& asset, const std::string& folder);
  absl::Status PlaceFiles(const std::vector<AssetFile>& files, const std::string& folder,
                          const std::string& what);
  absl::StatusOr<std::vector<ModelInput>> PrepareInputs();
  absl::Status PlaceCheckpoint();
  Outcome PreparationFailed(const absl::Status& why, bool worker_fault = false) const;
  bool DiskIsFull() const;
  void AddCheckpointOptions(std::vector<std::string>& argv) const;
  Outcome RunRunner();
  HandOver::Result HandOverAll(const Outcome& outcome);
  HandOver::Result FinishWithoutSpool(const Outcome& outcome);
  v1::FinishAttemptRequest FinishRequest(const Outcome& outcome) const;
  void CleanUp(HandOver::Result result);
  void Progress(const Message& phase, int64_t done, int64_t total);

  const AttemptEnvironment environment_;
  const v1::Assignment assignment_;
  AttemptControl* const control_;
  const std::string folder_;
  const LogScope log_;
  const std::shared_ptr<AttemptStatus> status_;
  CallCanceller canceller_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<HandOver> hand_over_;
  std::unique_ptr<EventRecorder> recorder_;
  std::string resume_from_;  // the file from which the training continues; empty: from the beginning
};

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_ATTEMPT_ATTEMPT_H_
