#include "worker/agent/program/agent.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/messages.h"
#include "base/status_macros.h"
#include "platform/digest.h"
#include "platform/files.h"
#include "worker/agent/attempt/lease_keeper.h"

namespace quantlab::agent {
namespace {

void Tell(AttemptControl& control, int stops) {
  if (stops == 1) control.Stop(StopReason::kPreempted, messages::kWorkerStopping());
  if (stops >= 2) control.Stop(StopReason::kPreemptedNow, messages::kWorkerStopping());
}

}  // namespace

Agent::Agent(AgentOptions options, AttemptEnvironment environment)
    : options_(std::move(options)), environment_(std::move(environment)), log_(environment_.log) {}

void Agent::Stop(bool now) {
  MutexLock lock(mutex_);
  stops_ = std::max(stops_, now ? 2 : 1);
  if (control_ != nullptr) Tell(*control_, stops_);
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
  Tell(*control_, stops_);
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
  while (!stopping()) TakeRun(backoff);
  return absl::OkStatus();
}

absl::Status Agent::Recover() {
  QL_ASSIGN_OR_RETURN(const std::vector<std::string> folders, FindAttempts(environment_.options.data_folder));
  for (const std::string& folder : folders) {
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

void Agent::TakeRun(Backoff& backoff) {
  v1::SyncRequest request;
  *request.mutable_worker() = options_.worker;
  request.set_wants_run(HasSpace());
  // The first call registers; it should not wait for work.
  request.set_max_wait_seconds(ready_ ? absl::ToDoubleSeconds(options_.max_wait) : 0);
  const absl::Duration start = Clock::Real().Monotonic();
  const absl::StatusOr<v1::SyncResponse> response = environment_.coordinator->Sync(request, &idle_calls_);
  if (!response.ok()) {
    if (!idle_calls_.cancelled()) environment_.outage->Failed(response.status());
    Pause(backoff.Next());
    return;
  }
  environment_.outage->Answered();
  backoff.Reset();
  const bool first = !ready_;
  if (first) {
    log_.Info(absl::StrCat("registered with the coordinator as ", options_.worker.id()));
    if (options_.ready) options_.ready();
    ready_ = true;
  }
  if (response->has_assignment()) return RunAttempt(*response);
  // A coordinator that does not hold the call open must not be asked in a tight loop.
  const absl::Duration asked = Clock::Real().Monotonic() - start;
  const absl::Duration pause = absl::Seconds(std::clamp(response->next_sync_seconds(), 0.0, 5.0));
  if (!first && asked < absl::Seconds(1)) Pause(std::max(pause, absl::Milliseconds(200)) - asked);
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
