#include "server/service/transfers.h"

#include <utility>

#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/records/error_reason.h"

namespace quantlab {

Transfers::Slot::Slot(Transfers& transfers, std::function<void()> cancel) : transfers_(transfers) {
  MutexLock lock(transfers_.mutex_);
  const absl::Duration now = transfers_.clock_.Monotonic();
  if (static_cast<int>(transfers_.open_.size()) < transfers_.most_) {
    id_ = ++transfers_.last_id_;
    transfers_.open_[id_] = {std::move(cancel), now};
    return;
  }
  for (auto& [id, open] : transfers_.open_) {
    if (now - open.last_moved >= kIdleLimit) open.cancel();
  }
  status_ =
      WithReason(MessageStatus(absl::StatusCode::kUnavailable, messages::kTooManyTransfers(transfers_.most_)),
                 "TOO_MANY_TRANSFERS");
}

Transfers::Slot::~Slot() {
  MutexLock lock(transfers_.mutex_);
  transfers_.open_.erase(id_);
}

void Transfers::Slot::Touch() {
  MutexLock lock(transfers_.mutex_);
  const auto it = transfers_.open_.find(id_);
  if (it != transfers_.open_.end()) it->second.last_moved = transfers_.clock_.Monotonic();
}

}  // namespace quantlab
