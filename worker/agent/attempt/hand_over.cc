#include "worker/agent/attempt/hand_over.h"

#include <algorithm>
#include <optional>
#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/records/checkpoint_names.h"
#include "base/records/error_reason.h"
#include "base/status_macros.h"
#include "platform/digest.h"
#include "proto/convert.h"

namespace quantlab::agent {
namespace {

constexpr int kMaxEvents = 1000;
constexpr int64_t kMaxBytes = 1900 << 10;  // of 2 MiB, with room for the framing of each event
constexpr int kMaxGaps = 5;
constexpr int kRefusedUploads = 3;

bool IsFenced(const absl::Status& status) {
  return absl::IsAborted(status) || absl::IsNotFound(status);
}

// Errors that another try with the same content cannot change.
bool IsRefusal(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status) || absl::IsDataLoss(status) ||
         ReasonOf(status) == "ARTIFACT_TOO_LARGE";
}

// No space for artifacts: the disk is full, or the day's quota is used. Limits of simultaneous and frequent
// calls are RESOURCE_EXHAUSTED too, but soon over.
bool IsStoreFull(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  return absl::IsResourceExhausted(status) && reason != "TOO_MANY_REQUESTS" &&
         reason != "TOO_MANY_OPEN_CALLS";
}

void SetMessage(const Message& message, v1::FinishAttemptRequest* finish) {
  finish->set_message(English(message));
  *finish->mutable_coded_message() = ToProto(message);
}

// Of other outcomes nobody will look for the results: the run is executed again, or was not wanted.
bool NeedsResults(const v1::FinishAttemptRequest& finish) {
  return finish.outcome() == v1::RUN_STATE_SUCCEEDED || finish.outcome() == v1::RUN_STATE_FAILED ||
         finish.outcome() == v1::RUN_STATE_TIMED_OUT;
}

// Outcomes after which another attempt may continue the training.
bool NeedsCheckpoint(const v1::FinishAttemptRequest& finish) {
  return finish.outcome() == v1::RUN_STATE_PREEMPTED || finish.outcome() == v1::RUN_STATE_LOST ||
         finish.outcome() == v1::RUN_STATE_CRASHED || finish.worker_fault();
}

}  // namespace

HandOver::HandOver(v1::AttemptRef attempt, std::string output_folder, Coordinator* coordinator, Spool* spool,
                   AttemptControl* control, OutageLog* outage, LogScope log, HandOverOptions options)
    : attempt_(std::move(attempt)),
      output_folder_(std::move(output_folder)),
      coordinator_(coordinator),
      spool_(spool),
      control_(control),
      outage_(outage),
      log_(std::move(log)),
      options_(options) {}

HandOver::~HandOver() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
    changed_.NotifyAll();
  }
  canceller_.Cancel();
  checkpoint_canceller_.Cancel();
  if (sender_.joinable()) sender_.join();
  if (uploader_.joinable()) uploader_.join();
}

void HandOver::Start() {
  sender_ = std::thread([this] { SendEvents(); });
  uploader_ = std::thread([this] { UploadArtifacts(); });
}

void HandOver::Notify() {
  MutexLock lock(mutex_);
  changed_.NotifyAll();
}

// True when the thread should leave.
bool HandOver::Pause(Backoff& backoff) {
  const absl::Duration end = Clock::Real().Monotonic() + backoff.Next();
  MutexLock lock(mutex_);
  while (!ending_) {
    const absl::Duration left = end - Clock::Real().Monotonic();
    if (left <= absl::ZeroDuration()) return false;
    changed_.WaitFor(mutex_, left);
  }
  return true;
}

void HandOver::Refuse(const absl::Status& why, absl::Status HandOver::*what) {
  log_.Error(absl::StrCat("the coordinator refuses what this attempt sends: ", why.ToString()));
  MutexLock lock(mutex_);
  this->*what = why;
  changed_.NotifyAll();
}

void HandOver::SendEvents() {
  Backoff backoff(options_.first_pause, options_.longest_pause);
  while (true) {
    {
      MutexLock lock(mutex_);
      while (!ending_ && (!events_refused_.ok() || spool_->acknowledged() == spool_->last_number())) {
        changed_.Wait(mutex_);
      }
      if (ending_) return;
      if (!finishing_ && spool_->backlog_bytes() < kMaxBytes)
        changed_.WaitFor(mutex_, options_.batch_interval);
    }
    if (SendBatch()) {
      backoff.Reset();
    } else if (Pause(backoff)) {
      return;
    }
  }
}

bool HandOver::SendBatch() {
  // Durable before it leaves: a number that the coordinator has is never given twice.
  if (absl::Status synced = spool_->Sync(); !synced.ok()) {
    log_.Warn(absl::StrCat("events wait until they are durable on this worker: ", synced.ToString()));
    return false;
  }
  absl::StatusOr<Spool::Batch> batch = spool_->Read(kMaxEvents, kMaxBytes);
  if (!batch.ok()) {
    Refuse(batch.status(), &HandOver::events_refused_);
    return false;
  }
  if (batch->events.empty()) return true;
  v1::ReportEventsRequest request;
  *request.mutable_attempt() = attempt_;
  request.set_first_number(batch->events.front().number());
  for (v1::Event& event : batch->events) request.add_events()->Swap(&event);
  const absl::StatusOr<int64_t> through = coordinator_->ReportEvents(request, &canceller_);
  if (through.ok()) {
    outage_->Answered();
    spool_->Acknowledge(*through);
    const bool advanced = *through >= request.first_number();
    MutexLock lock(mutex_);
    if (advanced) gaps_ = 0;
    changed_.NotifyAll();
    return advanced;
  }
  const absl::Status& status = through.status();
  if (IsFenced(status)) {
    control_->Stop(StopReason::kFenced, MessageOf(status));
  } else if (absl::IsOutOfRange(status)) {  // it lost some: from the beginning; what it knows it skips
    spool_->Acknowledge(0);
    MutexLock lock(mutex_);
    if (++gaps_ < kMaxGaps) return false;
  } else if (!IsRefusal(status)) {
    if (!canceller_.cancelled()) outage_->Failed(status);
    return false;
  }
  if (!IsFenced(status)) Refuse(status, &HandOver::events_refused_);
  return false;
}

void HandOver::UploadArtifacts() {
  Backoff backoff(options_.first_pause, options_.longest_pause);
  while (UploadNext(backoff)) {
  }
}

// False when the thread should leave.
bool HandOver::UploadNext(Backoff& backoff) {
  v1::Artifact artifact;
  size_t index = 0;
  {
    MutexLock lock(mutex_);
    while (!ending_ && (!uploads_refused_.ok() || !FindNextUpload())) changed_.Wait(mutex_);
    if (ending_) return false;
    index = handled_;
    artifact = spool_->artifacts()[index];
  }
  const absl::Status status = Upload(artifact, backoff);
  const bool checkpoint = IsCheckpointName(artifact.name());
  if (checkpoint && absl::IsCancelled(status)) {
    log_.Info(absl::StrCat(artifact.name(), " is not uploaded: it is not needed any more"));
  } else if (checkpoint && !status.ok()) {
    log_.Warn(absl::StrCat(artifact.name(), " is not uploaded: ", status.message()));
  } else if (!status.ok() && !absl::IsCancelled(status)) {
    Refuse(Annotate(status, absl::StrCat("artifact ", artifact.name())), &HandOver::uploads_refused_);
  }
  if (!status.ok() && !checkpoint) return true;
  MutexLock lock(mutex_);
  if (handled_ == index) ++handled_;  // else the finishing thread has skipped it, or begun anew
  if (!checkpoint) uploaded_[artifact.name()] = artifact;
  changed_.NotifyAll();
  return true;
}

// Errors: those that are for good, or CANCELLED when the artifact is not wanted any more.
absl::Status HandOver::Upload(const v1::Artifact& artifact, Backoff& backoff) {
  int refused = 0;
  std::optional<absl::Duration> full_since;
  while (true) {
    const absl::Status status = TryUpload(artifact);
    if (status.ok()) {
      outage_->Answered();
      backoff.Reset();
      return status;
    }
    {
      MutexLock lock(mutex_);
      if (ending_ || !IsWanted(artifact)) return absl::CancelledError("not wanted any more");
    }
    if (IsRefusal(status) || absl::IsOutOfRange(status) || absl::IsNotFound(status)) {
      if (++refused >= kRefusedUploads) return status;
    } else if (IsStoreFull(status)) {
      if (IsCheckpointName(artifact.name())) return status;  // a later one may find space
      const absl::Duration now = Clock::Real().Monotonic();
      if (!full_since) {
        full_since = now;
        log_.Warn(absl::StrCat(
            "the coordinator stores no artifacts for now; the results wait on this worker for up to ",
            absl::FormatDuration(options_.full_store_patience), ": ", status.message()));
      }
      if (now - *full_since >= options_.full_store_patience) return status;
    } else {
      outage_->Failed(status);
    }
    if (Pause(backoff)) return absl::CancelledError("stopped");
  }
}

absl::Status HandOver::TryUpload(const v1::Artifact& artifact) {
  CallCanceller* const canceller = IsCheckpointName(artifact.name()) ? &checkpoint_canceller_ : &canceller_;
  QL_ASSIGN_OR_RETURN(const v1::ArtifactStat known, coordinator_->StatArtifact(artifact.sha256(), canceller));
  if (known.present()) return absl::OkStatus();
  const std::string path = absl::StrCat(output_folder_, "/", artifact.name());
  struct stat info;
  if (lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_size != artifact.size()) {
    return absl::DataLossError(absl::StrCat(path, " changed after the runner had announced it"));
  }
  const int64_t offset = known.size() >= 0 && known.size() < artifact.size() ? known.size() : 0;
  QL_ASSIGN_OR_RETURN(
      const int64_t durable,
      coordinator_->UploadArtifact(path, artifact.sha256(), artifact.size(), offset, canceller));
  if (durable == artifact.size()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("the upload ended at ", durable, " of ", artifact.size(), " bytes"));
}

bool HandOver::IsWanted(const v1::Artifact& artifact) const {
  return IsCheckpointName(artifact.name()) ? !skip_checkpoints_ : !skip_results_;
}

bool HandOver::FindNextUpload() {
  const std::vector<v1::Artifact> artifacts = spool_->artifacts();
  while (handled_ < artifacts.size() && !IsWanted(artifacts[handled_])) ++handled_;
  return handled_ < artifacts.size();
}

bool HandOver::CheckpointPending() {
  const std::vector<v1::Artifact> artifacts = spool_->artifacts();
  MutexLock lock(mutex_);
  if (skip_checkpoints_ || !uploads_refused_.ok()) return false;
  for (size_t i = handled_; i < artifacts.size(); ++i) {
    if (IsCheckpointName(artifacts[i].name())) return true;
  }
  return false;
}

bool HandOver::checkpoints_needed() {
  MutexLock lock(mutex_);
  return !skip_checkpoints_;
}

absl::Duration HandOver::StopPatience() {
  return CheckpointPending() ? std::max(options_.stop_patience, options_.checkpoint_patience)
                             : options_.stop_patience;
}

void HandOver::SkipCheckpoints() {
  skip_checkpoints_ = true;
  checkpoint_canceller_.Cancel();
}

bool HandOver::Drained() {
  const bool events = !events_refused_.ok() || spool_->acknowledged() == spool_->last_number();
  return events && (!uploads_refused_.ok() || !FindNextUpload());
}

bool HandOver::GivenUp() {
  return control_->reason() == StopReason::kFenced || control_->reason() == StopReason::kPreemptedNow;
}

void HandOver::AwaitDrained() {
  absl::Duration leave = absl::InfiniteDuration();
  const absl::Duration patience = StopPatience();
  MutexLock lock(mutex_);
  while (!Drained() && !GivenUp()) {
    const absl::Duration now = Clock::Real().Monotonic();
    if (control_->reason() == StopReason::kPreempted && leave == absl::InfiniteDuration()) {
      leave = now + patience;
    }
    if (now >= leave) {
      SkipCheckpoints();  // without it the run may go on elsewhere, from an older state
      return;
    }
    changed_.WaitFor(mutex_, absl::Milliseconds(200));  // `control_` has no way to wake this
  }
}

void HandOver::Complete(v1::FinishAttemptRequest& finish) {
  *finish.mutable_attempt() = attempt_;
  finish.set_last_number(spool_->last_number());
  finish.clear_artifacts();
  MutexLock lock(mutex_);
  const absl::Status& refused = events_refused_.ok() ? uploads_refused_ : events_refused_;
  if (!refused.ok() && finish.outcome() == v1::RUN_STATE_SUCCEEDED) {
    finish.set_outcome(v1::RUN_STATE_FAILED);
    SetMessage(messages::kResultsNotStored(MessageOf(refused)), &finish);
  }
  if (!events_refused_.ok()) finish.set_last_number(spool_->acknowledged());
  for (const auto& [name, artifact] : uploaded_) *finish.add_artifacts() = artifact;
}

void HandOver::StartOver() {
  spool_->Acknowledge(0);
  MutexLock lock(mutex_);
  handled_ = 0;
  uploaded_.clear();
  changed_.NotifyAll();
}

HandOver::Result HandOver::Finish(v1::FinishAttemptRequest finish) {
  {
    MutexLock lock(mutex_);
    finishing_ = true;
    skip_results_ = !NeedsResults(finish);
    if (!NeedsCheckpoint(finish)) SkipCheckpoints();
    changed_.NotifyAll();
  }
  Backoff backoff(options_.first_pause, options_.longest_pause);
  absl::Duration leave = absl::InfiniteDuration();
  while (true) {
    AwaitDrained();
    if (control_->reason() == StopReason::kFenced) return Result::kFenced;
    if (control_->reason() == StopReason::kPreemptedNow) return Result::kLeft;
    const absl::Duration now = Clock::Real().Monotonic();
    if (control_->reason() == StopReason::kPreempted && leave == absl::InfiniteDuration()) {
      leave = now + options_.stop_patience;
    }
    bool drained;
    {
      MutexLock lock(mutex_);
      drained = Drained();
    }
    if (!drained || now >= leave) return Result::kLeft;
    Complete(finish);
    const absl::Status status = coordinator_->FinishAttempt(finish, &canceller_);
    if (status.ok()) {
      outage_->Answered();
      return Result::kAccepted;
    }
    if (IsFenced(status)) return Result::kFenced;
    if (absl::IsFailedPrecondition(status)) {  // it has lost something that it had: send all again
      log_.Warn(absl::StrCat("handing over again: ", status.message()));
      StartOver();
    } else if (absl::IsInvalidArgument(status)) {
      if (finish.outcome() == v1::RUN_STATE_FAILED && !finish.message().empty() &&
          finish.artifacts().empty()) {
        log_.Error(
            absl::StrCat("the coordinator does not take the end of this attempt: ", status.ToString()));
        return Result::kFenced;
      }
      {
        MutexLock lock(mutex_);
        uploaded_.clear();
      }
      finish.set_outcome(v1::RUN_STATE_FAILED);
      SetMessage(messages::kResultRefused(MessageOf(status)), &finish);
    } else {
      outage_->Failed(status);
    }
    if (Pause(backoff)) return Result::kLeft;
  }
}

}  // namespace quantlab::agent
