#include "worker/agent/attempt/lease_keeper.h"

#include <algorithm>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "proto/convert.h"

namespace quantlab::agent {
namespace {

constexpr absl::Duration kShortest = absl::Milliseconds(20);
constexpr absl::Duration kLongest = absl::Seconds(10);

absl::Duration Third(absl::Duration lease) {
  return lease <= absl::ZeroDuration() ? absl::Seconds(2) : std::clamp(lease / 3, kShortest, kLongest);
}

}  // namespace

LeaseKeeper::LeaseKeeper(const v1::WorkerInfo& worker, const v1::AttemptRef& attempt, absl::Duration lease,
                         Coordinator* coordinator, AttemptControl* control, OutageLog* outage)
    : lease_(lease), coordinator_(coordinator), control_(control), outage_(outage) {
  *request_.mutable_worker() = worker;
  *request_.mutable_attempt() = attempt;
  thread_ = std::thread([this] { Run(); });
}

LeaseKeeper::~LeaseKeeper() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
    changed_.NotifyAll();
  }
  canceller_.Cancel();
  thread_.join();
}

absl::Duration LeaseKeeper::Handle(const v1::SyncResponse& response) {
  if (response.fenced()) {
    control_->Stop(StopReason::kFenced, messages::kLeaseLost());
  } else if (response.cancel()) {
    const Message reason =
        MessageOr(FromProto(response.coded_cancel_reason()).value_or(Message()), response.cancel_reason());
    control_->Stop(StopReason::kCancelled, reason.empty() ? messages::kRunCancelled({}) : reason);
  }
  if (response.lease_seconds() > 0) lease_ = absl::Seconds(response.lease_seconds());
  absl::Duration next = Third(lease_);
  if (response.next_sync_seconds() > 0) next = std::min(next, absl::Seconds(response.next_sync_seconds()));
  return std::max(next, kShortest);
}

void LeaseKeeper::Run() {
  Backoff backoff(absl::Milliseconds(100), Third(lease_));
  while (control_->reason() != StopReason::kFenced) {
    const absl::StatusOr<v1::SyncResponse> response = coordinator_->Sync(request_, &canceller_);
    absl::Duration pause;
    if (response.ok()) {
      outage_->Answered();
      backoff.Reset();
      pause = Handle(*response);
    } else {
      if (!canceller_.cancelled()) outage_->Failed(response.status());
      pause = backoff.Next();
    }
    const absl::Duration end = Clock::Real().Monotonic() + pause;
    MutexLock lock(mutex_);
    while (!ending_) {
      const absl::Duration left = end - Clock::Real().Monotonic();
      if (left <= absl::ZeroDuration()) break;
      changed_.WaitFor(mutex_, left);
    }
    if (ending_) return;
  }
}

}  // namespace quantlab::agent
