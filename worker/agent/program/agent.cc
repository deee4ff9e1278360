#include "worker/agent/program/agent.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "platform/digest.h"
#include "platform/files.h"
#include "worker/agent/attempt/lease_keeper.h"

namespace quantlab::agent {
namespace {

void RequestStop(AttemptControl& control, int stops) {
  if (stops == 1) control.Stop(StopReason::kPreempted, messages::kWorkerStopping());
  if (stops >= 2) control.Stop(StopReason::kPreemptedNow, messages::kWorkerStopping());
}

}  // namespace

Agent::Agent(AgentOptions options, AttemptEnvironment environment)
    : options_(std::move(options)), environment_(std::move(environment)), log_(environment_.log) {}

void Agent::Stop(bool now) {
  MutexLock lock(mutex_);
  stops_ = std::max(stops_, now ? 2 : 1);
  if (control_ != nullptr) RequestStop(*control_, stops_);
  idle_calls_.Cancel();
  changed_.NotifyAll();
}

bool Agent::stopping() {
  MutexLock lock(mutex_);
  return stops_ > 0;
}

std::shared_ptr<AttemptControl> Agent::NewControl() {
  MutexLock lock(mutex_);
  control_ = std::make_shared<AttemptControl>();
  RequestStop(*control_, stops_);
  return control_;
}

void Agent::DropControl() {
  MutexLock lock(mutex_);
  control_.reset();
}

bool Agent::Pause(absl::Duration duration) {
  const absl::Duration end = Clock::Real().Monotonic() + duration;
  MutexLock lock(mutex_);
  while (stops_ == 0) {
    const absl::Duration left = end - Clock::Real().Monotonic();
    if (left <= absl::ZeroDuration()) return false;
    changed_.WaitFor(mutex_, left);
  }
  return true;
}

absl::Status Agent::Run() {
  QL_RETURN_IF_ERROR(Recover());
  Backoff backoff(options_.first_pause, options_.longest_pause);
  idle_since_ = Clock::Real().Monotonic();
  while (!stopping()) {
    if (IdleTimeLeft() <= absl::ZeroDuration()) {
      log_.Info(absl::StrCat("ending after ", absl::FormatDuration(options_.max_idle), " without a run"));
      break;
    }
    QL_RETURN_IF_ERROR(TakeRun(backoff));
  }
  return absl::OkStatus();
}

absl::Duration Agent::IdleTimeLeft() const {
  return options_.max_idle - (Clock::Real().Monotonic() - idle_since_);
}

absl::Status Agent::CheckRefusal(const absl::Status& answer) {
  if (absl::IsUnauthenticated(answer)) {
    return absl::UnauthenticatedError(
        absl::StrCat(answer.message(),
                     "; join again with a token of 'quantctl admin add-worker': quant-worker join "
                     "--coordinator ADDRESS --data-dir ",
                     environment_.options.data_folder));
  }
  if (!absl::IsAlreadyExists(answer)) {
    if (answer.ok()) refused_since_.reset();
    return absl::OkStatus();
  }
  const absl::Duration now = Clock::Real().Monotonic();
  if (!refused_since_) refused_since_ = now;
  if (now - *refused_since_ < options_.id_patience) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat(
      answer.message(), "; if ", environment_.options.data_folder,
      " is a copy, remove worker_id and attempts/ in it, and the worker starts under an id of its own"));
}

absl::Status Agent::Introduce(const v1::AttemptRef& attempt) {
  v1::SyncRequest request;
  *request.mutable_worker() = options_.worker;
  *request.mutable_attempt() = attempt;
  Backoff backoff(options_.first_pause, options_.longest_pause);
  while (!stopping()) {
    const absl::Status answer = environment_.coordinator->Sync(request, &idle_calls_).status();
    QL_RETURN_IF_ERROR(CheckRefusal(answer));
    // What else is wrong, handing over finds out.
    const bool again =
        absl::IsUnavailable(answer) || absl::IsDeadlineExceeded(answer) || absl::IsAlreadyExists(answer);
    if (!again || idle_calls_.cancelled()) return absl::OkStatus();
    environment_.outage->Failed(answer);
    Pause(backoff.Next());
  }
  return absl::OkStatus();
}

absl::Status Agent::Recover() {
  QL_ASSIGN_OR_RETURN(const std::vector<std::string> folders, FindAttempts(environment_.options.data_folder));
  bool introduced = false;
  for (const std::string& folder : folders) {
    const absl::StatusOr<v1::Assignment> assignment = ReadAssignment(folder);
    if (!introduced && assignment.ok()) QL_RETURN_IF_ERROR(Introduce(assignment->attempt()));
    introduced = introduced || assignment.ok();
    if (stopping()) break;
    ResumeAttempt(folder);
  }
  return absl::OkStatus();
}

void Agent::ResumeAttempt(const std::string& folder) {
  absl::StatusOr<v1::Assignment> assignment = ReadAssignment(folder);
  // A folder without a readable assignment never got as far as having events.
  if (!assignment.ok() || AttemptFolder(environment_.options.data_folder, assignment->attempt()) != folder) {
    log_.Warn(absl::StrCat("removing ", folder, ", which is no attempt: ", assignment.status().ToString()));
    if (const absl::Status removed = RemoveTree(folder); !removed.ok()) log_.Error(removed.ToString());
    return;
  }
  const std::shared_ptr<AttemptControl> control = NewControl();
  {
    const LeaseKeeper keeper(options_.worker, assignment->attempt(), absl::ZeroDuration(),
                             environment_.coordinator, control.get(), environment_.outage);
    Attempt(environment_, *assignment, control.get()).Resume();
  }
  DropControl();
}

absl::Status Agent::TakeRun(Backoff& backoff) {
  v1::SyncRequest request;
  *request.mutable_worker() = options_.worker;
  request.set_wants_run(HasSpace());
  // The first call registers, and the first one after an outage finds that it is over: they should not wait
  // for work.
  const bool waits = ready_ && !environment_.outage->away();
  const absl::Duration wait = std::min(options_.max_wait, IdleTimeLeft());
  request.set_max_wait_seconds(waits ? std::max(0.0, absl::ToDoubleSeconds(wait)) : 0);
  const absl::Duration start = Clock::Real().Monotonic();
  const absl::StatusOr<v1::SyncResponse> response = environment_.coordinator->Sync(request, &idle_calls_);
  QL_RETURN_IF_ERROR(CheckRefusal(response.status()));
  if (!response.ok()) {
    if (!idle_calls_.cancelled()) environment_.outage->Failed(response.status());
    Pause(backoff.Next());
    return absl::OkStatus();
  }
  environment_.outage->Answered();
  backoff.Reset();
  const bool first = !ready_;
  if (first) {
    log_.Info(absl::StrCat("registered with the coordinator as ", options_.worker.id()));
    if (options_.ready) options_.ready();
    ready_ = true;
  }
  if (response->has_assignment()) {
    RunAttempt(*response);
    return absl::OkStatus();
  }
  // A coordinator that does not hold the call open must not be asked in a tight loop.
  const absl::Duration asked = Clock::Real().Monotonic() - start;
  const absl::Duration pause = absl::Seconds(std::clamp(response->next_sync_seconds(), 0.0, 5.0));
  if (!first && asked < absl::Seconds(1)) Pause(std::max(pause, absl::Milliseconds(200)) - asked);
  return absl::OkStatus();
}

void Agent::RunAttempt(const v1::SyncResponse& response) {
  const v1::AttemptRef& attempt = response.assignment().attempt();
  const std::shared_ptr<AttemptControl> control = NewControl();
  {
    const LeaseKeeper keeper(options_.worker, attempt, absl::Seconds(response.lease_seconds()),
                             environment_.coordinator, control.get(), environment_.outage);
    Attempt(environment_, response.assignment(), control.get()).Execute();
  }
  DropControl();
  idle_since_ = Clock::Real().Monotonic();
}

bool Agent::HasSpace() {
  const absl::StatusOr<int64_t> available = FreeBytes(environment_.options.data_folder);
  if (!available.ok()) return true;
  const bool low = *available < options_.min_free_bytes;
  if (low != low_on_space_) {
    log_.Warn(low ? absl::StrCat("taking no runs: only ", *available >> 20, " MiB are free in ",
                                 environment_.options.data_folder, "; ", options_.min_free_bytes >> 20,
                                 " MiB are wanted")
                  : "taking runs again: there is free disk space");
  }
  low_on_space_ = low;
  return !low;
}

}  // namespace quantlab::agent
