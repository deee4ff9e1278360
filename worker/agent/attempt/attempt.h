// One attempt from its assignment to its accepted end.
//
// On disk, below data/attempts/<run>/<number>/:
//   assignment.pb    quantlab.v1.Assignment, so that a restarted worker knows what this is
//   events.spool     see spool.h; `acknowledged` beside it
//   job.json         what the runner reads
//   inputs/          links to the files of its inputs
//   output/          what the runner makes
#ifndef QUANTLAB_WORKER_AGENT_ATTEMPT_ATTEMPT_H_
#define QUANTLAB_WORKER_AGENT_ATTEMPT_ATTEMPT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/message.h"
#include "base/run_config.h"
#include "logging/log.h"
#include "platform/process.h"
#include "quantlab/v1/worker.pb.h"
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
  int threads = 0;  // for runs that leave it open; 0: left to the runner
  absl::Duration grace = absl::Seconds(10);
  RecorderLimits recorder;
  HandOverOptions hand_over;
  size_t max_event_line = 1 << 20;
};

// What attempts share. Everything is borrowed.
struct AttemptEnvironment {
  AttemptOptions options;
  ProcessLauncher* launcher = nullptr;
  Coordinator* coordinator = nullptr;
  ArtifactCache* cache = nullptr;
  AssetStore* assets = nullptr;
  OutageLog* outage = nullptr;
  const Clock* clock = nullptr;
  LogScope log;
};

// Where the attempt's files lie.
std::string AttemptFolder(const std::string& data_folder, const v1::AttemptRef& attempt);

// Folders of attempts that an earlier process left. Errors: what reading the data folder gave.
absl::StatusOr<std::vector<std::string>> FindAttempts(const std::string& data_folder);
absl::StatusOr<v1::Assignment> ReadAssignment(const std::string& attempt_folder);

// Threads: one runs it; `control` may be used by others.
class Attempt {
 public:
  Attempt(AttemptEnvironment environment, v1::Assignment assignment, AttemptControl* control);

  // Prepares, runs, hands over. What goes wrong becomes the attempt's outcome; the result only says
  // whether its files were needed further.
  HandOver::Result Execute();

  // Hands over what an earlier process left, ending it as LOST unless it had ended.
  HandOver::Result Resume();

 private:
  Outcome PrepareAndRun();
  absl::Status CreateFolder();
  absl::StatusOr<Job> Prepare();
  absl::StatusOr<std::string> ProvideAsset(const AssetRef& asset, const std::string& folder);
  absl::Status PlaceFiles(const std::vector<AssetFile>& files, const std::string& folder,
                          const std::string& what);
  absl::StatusOr<std::vector<ModelInput>> PrepareInputs();
  Outcome PreparationFailed(const absl::Status& why, bool worker_fault = false) const;
  bool DiskIsFull() const;
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
  CallCanceller canceller_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<HandOver> hand_over_;
  std::unique_ptr<EventRecorder> recorder_;
};

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_ATTEMPT_ATTEMPT_H_
