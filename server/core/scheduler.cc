#include "server/core/scheduler.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "base/messages.h"

namespace quantlab {

void RunQueue::Add(const RunRecord& run, int priority) {
  Remove(run.id);
  const QueueEntry entry{priority, run.queue_time.value_or(run.create_time), ++arrivals_, run.id,
                         Requirement(run)};
  entries_.insert(entry);
  by_run_[run.id] = entry;
}

void RunQueue::Remove(const std::string& run_id) {
  const auto it = by_run_.find(run_id);
  if (it == by_run_.end()) return;
  entries_.erase(it->second);
  by_run_.erase(it);
}

std::optional<int> RunQueue::Position(const std::string& run_id) const {
  const auto it = by_run_.find(run_id);
  if (it == by_run_.end()) return std::nullopt;
  return static_cast<int>(std::distance(entries_.begin(), entries_.find(it->second)));
}

absl::Time RunQueue::OldestEntry() const {
  absl::Time oldest = absl::InfiniteFuture();
  for (const QueueEntry& entry : entries_) oldest = std::min(oldest, entry.queue_time);
  return oldest;
}

Message WhyNot(const RunRecord& run, const WorkerRecord& worker) {
  if (std::find(worker.devices.begin(), worker.devices.end(), run.device) == worker.devices.end()) {
    return messages::kWorkerLacksDevice(run.device);
  }
  if (run.method.empty()) return {};
  std::optional<int> other;
  for (const MethodVersion& method : worker.methods) {
    if (method.name != run.method) continue;
    if (method.version == run.method_version) return {};
    other = method.version;
  }
  return other ? messages::kWorkerHasOtherMethod(run.method, run.method_version, *other)
               : messages::kWorkerLacksMethod(run.method, run.method_version);
}

std::string Requirement(const RunRecord& run) {
  return absl::StrCat(run.device, "|", run.method, "|", run.method_version);
}

}  // namespace quantlab
