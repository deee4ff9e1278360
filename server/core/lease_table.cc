#include "server/core/lease_table.h"

#include <algorithm>

namespace quantlab {

void LeaseTable::Grant(const AttemptRecord& attempt, absl::Duration time_limit) {
  const absl::Duration now = clock_.Monotonic();
  leases_[attempt.key.run_id] = Lease{attempt, now + term_, now + time_limit, false, 0};
  by_worker_[attempt.worker_id] = attempt.key.run_id;
}

void LeaseTable::Drop(const std::string& run_id) {
  const auto it = leases_.find(run_id);
  if (it == leases_.end()) return;
  const auto worker = by_worker_.find(it->second.attempt.worker_id);
  if (worker != by_worker_.end() && worker->second == run_id) by_worker_.erase(worker);
  leases_.erase(it);
}

bool LeaseTable::Renew(const AttemptKey& attempt, absl::Duration time) {
  Lease* lease = Find(attempt);
  if (lease == nullptr) return false;
  lease->expires = std::max(lease->expires, time + term_);
  return true;
}

void LeaseTable::RenewAll() {
  for (auto& [run, lease] : leases_) lease.expires = clock_.Monotonic() + term_;
}

Lease* LeaseTable::Find(const AttemptKey& attempt) {
  Lease* lease = FindByRun(attempt.run_id);
  return lease != nullptr && lease->attempt.key == attempt ? lease : nullptr;
}

Lease* LeaseTable::FindByRun(const std::string& run_id) {
  const auto it = leases_.find(run_id);
  return it == leases_.end() ? nullptr : &it->second;
}

Lease* LeaseTable::FindByWorker(const std::string& worker_id) {
  const auto it = by_worker_.find(worker_id);
  Lease* lease = it == by_worker_.end() ? nullptr : FindByRun(it->second);
  return lease != nullptr && lease->attempt.worker_id == worker_id ? lease : nullptr;
}

std::vector<AttemptKey> LeaseTable::Expired() const {
  std::vector<const Lease*> expired;
  for (const auto& [run, lease] : leases_) {
    if (lease.expires <= clock_.Monotonic()) expired.push_back(&lease);
  }
  std::stable_sort(expired.begin(), expired.end(),
                   [](const Lease* a, const Lease* b) { return a->expires < b->expires; });
  std::vector<AttemptKey> keys;
  for (const Lease* lease : expired) keys.push_back(lease->attempt.key);
  return keys;
}

void LeaseTable::MarkOverTime() {
  for (auto& [run, lease] : leases_) lease.over_time = lease.time_limit <= clock_.Monotonic();
}

std::vector<AttemptKey> LeaseTable::OverTimeSince(absl::Duration grace) const {
  std::vector<AttemptKey> keys;
  for (const auto& [run, lease] : leases_) {
    if (lease.time_limit + grace <= clock_.Monotonic()) keys.push_back(lease.attempt.key);
  }
  return keys;
}

}  // namespace quantlab
