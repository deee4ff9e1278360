#include "server/core/worker_holds.h"

#include <algorithm>

namespace quantlab {
namespace {

constexpr int kFaultsBeforeQuarantine = 3;  // 5 s, 20 s, 80 s

}  // namespace

void WorkerHolds::RecordFault(const std::string& worker_id, const Message& fault) {
  Entry& entry = entries_[worker_id];
  absl::Duration hold = kFirstHold;
  for (int i = 0; i < entry.faults && hold < kQuarantine; ++i) hold *= 4;
  entry.faults += 1;
  entry.until = clock_.Monotonic() + (entry.faults > kFaultsBeforeQuarantine ? kQuarantine : hold);
  entry.last_fault = fault;
}

bool WorkerHolds::IsHeld(const std::string& worker_id) const {
  const auto it = entries_.find(worker_id);
  return it != entries_.end() && clock_.Monotonic() < it->second.until;
}

std::optional<WorkerHold> WorkerHolds::Find(const std::string& worker_id) const {
  const auto it = entries_.find(worker_id);
  if (it == entries_.end()) return std::nullopt;
  const Entry& entry = it->second;
  return WorkerHold{entry.faults, std::max(entry.until - clock_.Monotonic(), absl::ZeroDuration()),
                    entry.last_fault};
}

}  // namespace quantlab
