#include "server/core/scheduler.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/config/device.h"
#include "base/messages/messages.h"
#include "base/messages/queue.h"
#include "base/records/worker_facts.h"

namespace quantlab {
namespace {

using Group = std::set<QueueEntry>;
using Groups = std::map<std::string, Group>;

// Names of the facts that runners report.
constexpr char kMachineMemory[] = "memory_bytes";
constexpr char kDeviceMemory[] = "gpu_memory_bytes";

const QueueEntry& FirstOf(const Groups& groups) {
  const QueueEntry* first = nullptr;
  for (const auto& [requirement, group] : groups) {
    if (first == nullptr || *group.begin() < *first) first = &*group.begin();
  }
  return *first;
}

// Visits the runs of one submitter and priority in their order. False once the visitor stops.
bool VisitGroups(const Groups& groups, const std::function<Visit(const QueueEntry&)>& visit) {
  std::vector<std::pair<Group::const_iterator, Group::const_iterator>> cursors;  // next and end
  for (const auto& [requirement, group] : groups) cursors.emplace_back(group.begin(), group.end());
  while (!cursors.empty()) {
    const auto next = std::min_element(cursors.begin(), cursors.end(),
                                       [](const auto& a, const auto& b) { return *a.first < *b.first; });
    const Visit answer = visit(*next->first);
    if (answer == Visit::kStop) return false;
    if (answer == Visit::kNextGroup || ++next->first == next->second) cursors.erase(next);
  }
  return true;
}

// Sorts first who is to start a run next.
auto TurnOf(const std::string& submitter, const RunningRuns& running) {
  return std::tuple(running.Of(submitter), running.LastStart(submitter));
}

// How many runs of `other` start before one that `own` runs of `submitter` precede, if all can start and none
// ends. A turn at n running runs comes before one at n + 1. At the same number, who had that many to begin
// with comes before who has only just reached it.
int64_t TurnsBefore(const std::string& other, const std::string& submitter, int64_t own,
                    const RunningRuns& running, bool other_is_first) {
  const int theirs = running.Of(other), ours = running.Of(submitter);
  const bool wins_tie = theirs > ours || (theirs == ours && other_is_first);
  return std::max<int64_t>(0, ours + own - theirs + (wins_tie ? 1 : 0));
}

std::optional<int64_t> MemoryOf(const WorkerRecord& worker, const std::string& device) {
  const auto fact = worker.facts.find(Device(device).is_cpu() ? kMachineMemory : kDeviceMemory);
  int64_t bytes = 0;
  if (fact == worker.facts.end() || !absl::SimpleAtoi(fact->second, &bytes)) return std::nullopt;
  return bytes;
}

Message WhyNotMethod(const RunRecord& run, const WorkerRecord& worker) {
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

// The feature that a key of RunRequirements::labels asks for; nullptr: it asks for a label.
const RunnerFeature* FeatureOf(absl::string_view requirement) {
  const auto* const found =
      std::find_if(std::begin(kRunnerFeatures), std::end(kRunnerFeatures),
                   [&](const RunnerFeature& f) { return requirement == f.requirement; });
  return found == std::end(kRunnerFeatures) ? nullptr : found;
}

bool HasFeature(const WorkerRecord& worker, const RunnerFeature& feature) {
  const auto fact = worker.facts.find(feature.fact);
  return fact != worker.facts.end() && fact->second == "true";
}

Message WhyNotRequirements(const RunRecord& run, const WorkerRecord& worker) {
  for (const auto& [label, value] : run.requirements.labels) {
    if (const RunnerFeature* const feature = FeatureOf(label); feature != nullptr) {
      if (!HasFeature(worker, *feature)) return messages::kWorkerIgnoresSetting(feature->setting);
      continue;
    }
    const auto given = worker.labels.find(label);
    if (given == worker.labels.end()) return messages::kWorkerLacksLabel(label, value);
    if (given->second != value) return messages::kWorkerHasOtherLabel(label, value, given->second);
  }
  if (run.requirements.memory_bytes == 0) return {};
  const std::optional<int64_t> memory = MemoryOf(worker, run.device);
  if (!memory) return messages::kWorkerMemoryUnknown(run.device, run.requirements.memory_bytes);
  if (*memory >= run.requirements.memory_bytes) return {};
  return messages::kWorkerLacksMemory(run.device, *memory, run.requirements.memory_bytes);
}

}  // namespace

void RunQueue::Add(const RunRecord& run, int priority, const std::string& submitter) {
  Remove(run.id);
  const QueueEntry entry{
      priority, run.queue_time.value_or(run.create_time), ++arrivals_, run.id, submitter, Requirement(run)};
  levels_[priority][submitter][entry.requirement].insert(entry);
  by_run_[run.id] = entry;
}

void RunQueue::Remove(const std::string& run_id) {
  const auto it = by_run_.find(run_id);
  if (it == by_run_.end()) return;
  const QueueEntry& entry = it->second;
  Submitters& submitters = levels_[entry.priority];
  Groups& groups = submitters[entry.submitter];
  Group& group = groups[entry.requirement];
  group.erase(entry);
  if (group.empty()) groups.erase(entry.requirement);
  if (groups.empty()) submitters.erase(entry.submitter);
  if (submitters.empty()) levels_.erase(entry.priority);
  by_run_.erase(it);
}

void RunQueue::VisitAll(const RunningRuns& running,
                        const std::function<Visit(const QueueEntry&)>& visit) const {
  struct Turn {
    int running;
    uint64_t last_start;
    const QueueEntry* first;
    const Groups* groups;
  };
  for (const auto& [priority, submitters] : levels_) {
    std::vector<Turn> turns;
    turns.reserve(submitters.size());
    for (const auto& [name, groups] : submitters) {
      turns.push_back({running.Of(name), running.LastStart(name), &FirstOf(groups), &groups});
    }
    std::sort(turns.begin(), turns.end(), [](const Turn& a, const Turn& b) {
      return std::tie(a.running, a.last_start, *a.first) < std::tie(b.running, b.last_start, *b.first);
    });
    for (const Turn& turn : turns) {
      if (!VisitGroups(*turn.groups, visit)) return;
    }
  }
}

std::vector<std::string> RunQueue::Following(const QueueEntry& entry, size_t most,
                                             absl::Duration window) const {
  std::vector<std::string> following;
  const Group& group = levels_.at(entry.priority).at(entry.submitter).at(entry.requirement);
  for (auto it = group.upper_bound(entry); it != group.end() && following.size() < most; ++it) {
    if (it->queue_time - entry.queue_time > window) break;
    following.push_back(it->run_id);
  }
  return following;
}

std::optional<RunsAhead> RunQueue::Ahead(const std::string& run_id, const RunningRuns& running) const {
  const auto found = by_run_.find(run_id);
  if (found == by_run_.end()) return std::nullopt;
  const QueueEntry& entry = found->second;
  RunsAhead ahead;
  const auto take_all = [](std::vector<const QueueEntry*>& into) {
    return [&into](const QueueEntry& other) {
      into.push_back(&other);
      return Visit::kNextRun;
    };
  };
  for (const auto& [priority, submitters] : levels_) {
    if (priority <= entry.priority) break;
    for (const auto& [name, groups] : submitters) VisitGroups(groups, take_all(ahead.by_priority));
  }
  const Submitters& submitters = levels_.at(entry.priority);
  const Groups& own_groups = submitters.at(entry.submitter);
  VisitGroups(own_groups, [&](const QueueEntry& other) {
    if (!(other < entry)) return Visit::kStop;
    ahead.own.push_back(&other);
    return Visit::kNextRun;
  });
  const auto own_turn = std::tuple(TurnOf(entry.submitter, running), FirstOf(own_groups));
  for (const auto& [name, groups] : submitters) {
    if (name == entry.submitter) continue;
    const bool is_first = std::tuple(TurnOf(name, running), FirstOf(groups)) < own_turn;
    int64_t left =
        TurnsBefore(name, entry.submitter, static_cast<int64_t>(ahead.own.size()), running, is_first);
    if (left == 0) continue;
    ++ahead.submitters;
    VisitGroups(groups, [&](const QueueEntry& other) {
      ahead.by_turn.push_back(&other);
      return --left > 0 ? Visit::kNextRun : Visit::kStop;
    });
  }
  return ahead;
}

Message WhyNot(const RunRecord& run, const WorkerRecord& worker) {
  if (std::find(worker.devices.begin(), worker.devices.end(), run.device) == worker.devices.end()) {
    return messages::kWorkerLacksDevice(run.device);
  }
  const Message method = WhyNotMethod(run, worker);
  return method.empty() ? WhyNotRequirements(run, worker) : method;
}

bool RunsAlone(const RunRecord& run) {
  return run.requirements.alone || run.kind == RunKind::kComparison;
}

std::string Requirement(const RunRecord& run) {
  std::string text = absl::StrCat(run.device, "|", run.method, "|", run.method_version, "|",
                                  RunsAlone(run) ? "alone" : "", "|", run.requirements.memory_bytes);
  // With their lengths, so that no two sets of labels give the same text.
  for (const auto& [label, value] : run.requirements.labels)
    absl::StrAppend(&text, "|", label.size(), ":", label, "=", value.size(), ":", value);
  return text;
}

std::string MachineOf(const WorkerRecord& worker) {
  return worker.machine_id.empty() ? absl::StrCat("worker ", worker.id) : worker.machine_id;
}

}  // namespace quantlab
