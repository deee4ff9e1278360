// Delivers the spool of an attempt to the coordinator, while the attempt runs and after it has ended.
#ifndef QUANTLAB_WORKER_AGENT_ATTEMPT_HAND_OVER_H_
#define QUANTLAB_WORKER_AGENT_ATTEMPT_HAND_OVER_H_

#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/backoff.h"
#include "base/mutex.h"
#include "logging/log.h"
#include "quantlab/v1/worker.pb.h"
#include "worker/agent/connection/control.h"
#include "worker/agent/connection/coordinator.h"
#include "worker/agent/connection/outage_log.h"
#include "worker/agent/events/spool.h"

namespace quantlab::agent {

struct HandOverOptions {
  // Events wait this long, so that several are sent together.
  absl::Duration batch_interval = absl::Milliseconds(200);
  // When the worker is stopping: how long Finish keeps trying before it leaves the rest on disk.
  absl::Duration stop_patience = absl::Seconds(4);
  absl::Duration first_pause = absl::Milliseconds(100);
  absl::Duration longest_pause = absl::Seconds(5);
  // How long an artifact waits for the coordinator's full disk or for its own used quota, before the run ends
  // as FAILED.
  absl::Duration full_store_patience = absl::Hours(24);
  // As stop_patience, where the last checkpoint of the run's training is not with the coordinator yet.
  absl::Duration checkpoint_patience = absl::Seconds(20);
};

// One thread sends events, one uploads artifacts, so that a large model does not hold up progress.
//
//   Start ──▶ Notify… ──▶ Finish
//
// If the coordinator answers that the attempt is fenced, `control` is stopped with kFenced.
//
// Ownership: borrows everything given, which outlives it. Destroying it ends its calls and threads.
// Threads:   one thread owns it.
class HandOver {
 public:
  enum class Result {
    kAccepted,  // the coordinator has everything
    kFenced,    // the coordinator refuses everything of this attempt
    kLeft,      // the worker is stopping first; all is on disk
  };

  HandOver(v1::AttemptRef attempt, std::string output_folder, Coordinator* coordinator, Spool* spool,
           AttemptControl* control, OutageLog* outage, LogScope log, HandOverOptions options);
  ~HandOver();
  HandOver(const HandOver&) = delete;
  HandOver& operator=(const HandOver&) = delete;

  void Start();
  // Something was appended to the spool.
  void Notify();
  // Whether a checkpoint of the spool is not with the coordinator yet. Safe to call from any thread.
  bool CheckpointPending();
  // Whether another attempt may continue from a checkpoint of this one. After Finish.
  bool checkpoints_needed();

  // Delivers the whole spool, and `finish` last (its numbers and artifacts are filled in here). If the
  // coordinator permanently refuses something, the outcome becomes FAILED with the reason.
  Result Finish(v1::FinishAttemptRequest finish);

 private:
  void SendEvents();
  // False: pause before the next try.
  bool SendBatch();
  void UploadArtifacts();
  bool UploadNext(Backoff& backoff);
  absl::Status Upload(const v1::Artifact& artifact, Backoff& backoff);
  absl::Status TryUpload(const v1::Artifact& artifact);
  bool Drained() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsWanted(const v1::Artifact& artifact) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Skips what is not wanted; false: nothing is left to upload.
  bool FindNextUpload() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Duration StopPatience();
  // No checkpoint is needed any more: results must not wait for the upload of one.
  void SkipCheckpoints() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits until everything is delivered or permanently refused, or there is a reason to stop.
  void AwaitDrained();
  bool GivenUp();
  void Complete(v1::FinishAttemptRequest& finish);
  void StartOver();
  void Refuse(const absl::Status& why, absl::Status HandOver::*what);
  bool Pause(Backoff& backoff);

  const v1::AttemptRef attempt_;
  const std::string output_folder_;
  Coordinator* const coordinator_;
  Spool* const spool_;
  AttemptControl* const control_;
  OutageLog* const outage_;
  const LogScope log_;
  const HandOverOptions options_;
  CallCanceller canceller_, checkpoint_canceller_;  // the latter of uploads of checkpoints
  std::thread sender_, uploader_;

  Mutex mutex_;
  CondVar changed_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;     // threads return
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;  // events are sent at once
  bool skip_results_ ABSL_GUARDED_BY(mutex_) = false;
  bool skip_checkpoints_ ABSL_GUARDED_BY(mutex_) = false;
  // Not OK: the coordinator will never accept the rest.
  absl::Status events_refused_ ABSL_GUARDED_BY(mutex_);
  absl::Status uploads_refused_ ABSL_GUARDED_BY(mutex_);
  int gaps_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t handled_ ABSL_GUARDED_BY(mutex_) = 0;                            // artifacts of the spool
  std::map<std::string, v1::Artifact> uploaded_ ABSL_GUARDED_BY(mutex_);  // by name
};

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_ATTEMPT_HAND_OVER_H_
