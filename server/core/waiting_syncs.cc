#include "server/core/waiting_syncs.h"

#include <iterator>
#include <utility>

namespace quantlab {

int64_t WaitingSyncs::Add(const std::string& worker_id, absl::Duration deadline, SyncDone done) {
  calls_.push_back({++last_id_, worker_id, deadline, std::move(done)});
  by_worker_[worker_id] = std::prev(calls_.end());
  return last_id_;
}

std::optional<WaitingSync> WaitingSyncs::TakeOf(const std::string& worker_id) {
  const auto found = by_worker_.find(worker_id);
  if (found == by_worker_.end()) return std::nullopt;
  return Remove(found->second);
}

std::vector<WaitingSync> WaitingSyncs::TakeOverdue(absl::Duration now) {
  std::vector<WaitingSync> taken;
  for (auto it = calls_.begin(); it != calls_.end();) {
    const auto call = it++;
    if (call->deadline <= now) taken.push_back(Remove(call));
  }
  return taken;
}

std::vector<WaitingSync> WaitingSyncs::TakeAll() {
  return TakeOverdue(absl::InfiniteDuration());
}

std::string WaitingSyncs::Drop(int64_t id) {
  for (auto it = calls_.begin(); it != calls_.end(); ++it) {
    if (it->id == id) return Remove(it).worker_id;
  }
  return "";
}

WaitingSync WaitingSyncs::Remove(Calls::iterator call) {
  WaitingSync taken = std::move(*call);
  by_worker_.erase(taken.worker_id);
  calls_.erase(call);
  return taken;
}

}  // namespace quantlab
