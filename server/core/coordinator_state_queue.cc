// The queue's part of the coordinator's state: which run goes to which worker, and why one waits.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/messages/queue.h"
#include "server/core/coordinator_state.h"

namespace quantlab {
namespace {

// Of the runs that follow the first one in its group, these may start before it where the worker has what
// they read: only those that entered the queue soon after it, so that it cannot be passed over for ever.
constexpr size_t kMaxPassed = 32;
constexpr absl::Duration kPassWindow = absl::Minutes(10);
// No estimate over more runs than this: it would take long, and mean little.
constexpr int kMaxEstimated = 10'000;

}  // namespace

// ---- choosing ------------------------------------------------------------------------------------------

// The longest waiting first.
CoordinatorState::IdleWorkers CoordinatorState::Waiting() const {
  return {[this](const std::string& id) { return waiting_.IsWaiting(id); },
          [this](const std::function<bool(const WorkerRecord&)>& wanted) -> const WorkerRecord* {
            for (const WaitingSync& call : waiting_.calls()) {
              const WorkerRecord& worker = workers_.record(call.worker_id);
              if (wanted(worker)) return &worker;
            }
            return nullptr;
          }};
}

CoordinatorState::IdleWorkers CoordinatorState::Only(const WorkerRecord& worker) {
  return {[&worker](const std::string& id) { return worker.id == id; },
          [&worker](const std::function<bool(const WorkerRecord&)>& wanted) {
            return wanted(worker) ? &worker : nullptr;
          }};
}

std::optional<CoordinatorState::Choice> CoordinatorState::Choose(const IdleWorkers& idle,
                                                                 const std::set<std::string>& failed) {
  std::optional<Choice> choice;
  std::set<std::string> hopeless;  // requirements that none of the workers meets now
  Reservations reserved;
  queue_.VisitAll(running_, [&](const QueueEntry& entry) {
    if (hopeless.count(entry.requirement) > 0) return Visit::kNextGroup;
    const RunRecord* run = failed.count(entry.run_id) > 0 ? nullptr : Peek(entry.run_id);
    if (run == nullptr) return Visit::kNextRun;
    if (const WorkerRecord* const worker = ChooseWorker(*run, idle, reserved)) {
      choice = Choice{PreferHeld(*run, entry, worker->id, failed), worker->id};
      return Visit::kStop;
    }
    if (RunsAlone(*run)) Reserve(*run, reserved);
    hopeless.insert(entry.requirement);
    return Visit::kNextGroup;
  });
  return choice;
}

// A worker that has what the run reads, else the first.
const WorkerRecord* CoordinatorState::ChooseWorker(const RunRecord& run, const IdleWorkers& idle,
                                                   const Reservations& reserved) const {
  const auto can_take = [&](const WorkerRecord& worker) {
    return CanTake(run, worker) && MachineIsFree(run, worker, reserved);
  };
  for (const std::string& id : HoldersOfInputs(run)) {
    if (!idle.has(id)) continue;
    const WorkerRecord& holder = workers_.record(id);
    if (can_take(holder)) return &holder;
  }
  return idle.first(can_take);
}

// The run, or one of its group soon after it of whose inputs the worker has more.
std::string CoordinatorState::PreferHeld(const RunRecord& run, const QueueEntry& entry,
                                         const std::string& worker_id, const std::set<std::string>& failed) {
  std::string best = run.id;
  int held = HeldInputs(run, worker_id);
  if (held > 0) return best;
  for (const std::string& id : queue_.Following(entry, kMaxPassed, kPassWindow)) {
    const RunRecord* other = failed.count(id) > 0 ? nullptr : Peek(id);
    if (other == nullptr) continue;
    const int others = HeldInputs(*other, worker_id);
    if (others <= held) continue;
    best = id;
    held = others;
  }
  return best;
}

std::vector<AttemptKey> CoordinatorState::ResultsRead(const RunRecord& run) const {
  std::vector<AttemptKey> results;
  const auto active = active_.find(run.experiment_id);
  if (run.needs.empty() || active == active_.end()) return results;
  for (const RunDependency& need : run.needs) {
    const std::optional<size_t> needed = active->second.index.Find(need.run);
    if (!needed) continue;
    const std::optional<AttemptKey>& result = active->second.runs[*needed].result;
    if (result) results.push_back(*result);
  }
  return results;
}

int CoordinatorState::HeldInputs(const RunRecord& run, const std::string& worker_id) const {
  int held = 0;
  for (const AttemptKey& result : ResultsRead(run)) {
    const std::vector<std::string>& holders = holders_.Of(result);
    if (std::find(holders.begin(), holders.end(), worker_id) != holders.end()) ++held;
  }
  return held;
}

// Who has most of them first.
std::vector<std::string> CoordinatorState::HoldersOfInputs(const RunRecord& run) const {
  std::map<std::string, int> counts;
  for (const AttemptKey& result : ResultsRead(run)) {
    for (const std::string& id : holders_.Of(result)) ++counts[id];
  }
  std::vector<std::string> holders;
  for (const auto& [id, count] : counts) holders.push_back(id);
  std::stable_sort(holders.begin(), holders.end(),
                   [&](const std::string& a, const std::string& b) { return counts.at(a) > counts.at(b); });
  return holders;
}

void CoordinatorState::RecordHolders(const RunRecord& run, const std::string& worker_id) {
  for (const AttemptKey& result : ResultsRead(run)) holders_.Record(result, worker_id);
}

bool CoordinatorState::MachineIsFree(const RunRecord& run, const WorkerRecord& worker,
                                     const Reservations& reserved) const {
  const std::string machine = MachineOf(worker);
  if (!running_.AloneOn(machine).empty()) return false;
  if (RunsAlone(run) && running_.On(machine) > 0) return false;
  return reserved.count(machine) == 0;
}

// The machine with the fewest runs gets no others that come later in the queue, until it is free. Without
// this, a machine with two workers would always have a run. A machine without any need not be kept free: a
// worker there that can take the run gets it as soon as it asks.
void CoordinatorState::Reserve(const RunRecord& run, Reservations& reserved) const {
  std::string best;
  for (const WorkerRecord* worker : workers_.Connected()) {
    const std::string machine = MachineOf(*worker);
    const bool idle = running_.On(machine) == 0;
    if (idle || reserved.count(machine) > 0 || !CanTake(run, *worker)) continue;
    if (best.empty() || running_.On(machine) < running_.On(best) ||
        (running_.On(machine) == running_.On(best) && machine < best)) {
      best = machine;
    }
  }
  if (!best.empty()) reserved[best] = run.id;
}

// ---- explaining ----------------------------------------------------------------------------------------

// The machines that are kept free for runs before this one, and for this one itself.
CoordinatorState::Reservations CoordinatorState::ReservedBefore(const std::string& run_id) {
  Reservations reserved;
  std::set<std::string> seen;  // requirements, which also say whether their runs are alone
  queue_.VisitAll(running_, [&](const QueueEntry& entry) {
    const RunRecord* run = seen.count(entry.requirement) > 0 ? nullptr : Peek(entry.run_id);
    if (run != nullptr) {
      seen.insert(entry.requirement);
      if (RunsAlone(*run)) Reserve(*run, reserved);
    }
    return entry.run_id == run_id ? Visit::kStop : Visit::kNextRun;
  });
  return reserved;
}

// No message where the worker is free for the run, or only busy itself.
Message CoordinatorState::WhyMachineIsTaken(const RunRecord& run, const WorkerRecord& worker,
                                            const Reservations& reserved) {
  const std::string machine = MachineOf(worker);
  const std::string alone = running_.AloneOn(machine);
  if (!alone.empty()) {
    const Lease* lease = leases_.FindByWorker(worker.id);
    const bool itself = lease != nullptr && lease->attempt.key.run_id == alone;
    return itself ? Message() : messages::kMachineMeasures(alone);
  }
  const auto kept = reserved.find(machine);
  if (kept != reserved.end() && kept->second != run.id) return messages::kMachineReserved(kept->second);
  if (RunsAlone(run) && running_.On(machine) > 0) return messages::kMachineInUse(running_.On(machine));
  return {};
}

void CoordinatorState::ExplainQueue(const RunRecord& run, ExplanationFacts& facts) {
  const Reservations reserved = ReservedBefore(run.id);
  for (const WorkerRecord* worker : *facts.workers) {
    if (!CanTake(run, *worker)) continue;
    const Message why = WhyMachineIsTaken(run, *worker, reserved);
    if (!why.empty()) facts.taken_machines[worker->id] = why;
  }
  const std::optional<RunsAhead> ahead = queue_.Ahead(run.id, running_);
  if (!ahead) return;
  facts.queue_position = ahead->size();
  facts.ahead_by_priority = static_cast<int>(ahead->by_priority.size());
  facts.ahead_by_turn = static_cast<int>(ahead->by_turn.size());
  facts.other_submitters = ahead->submitters;
  if (ahead->size() <= kMaxEstimated) {
    facts.estimate = EstimateStart(BusySlots(run, reserved), CompetingRuns(run, *ahead));
  }
}

// What the worker executes now; nothing where it is idle.
std::optional<TimeLeft> CoordinatorState::TimeLeftOn(const WorkerRecord& worker) {
  const Lease* lease = leases_.FindByWorker(worker.id);
  if (lease == nullptr) return std::nullopt;
  TimeLeft left;
  left.at_most = std::max(lease->time_limit - parts_.clock->Monotonic(), absl::ZeroDuration());
  const RunRecord* run = Peek(lease->attempt.key.run_id);
  if (run != nullptr) left.usual = run_times_.Find(*run);
  if (left.usual) {
    const absl::Duration passed = parts_.clock->Now() - lease->attempt.start_time;
    left.usual->mean = std::max(left.usual->mean - passed, absl::ZeroDuration());
  }
  return left;
}

// What of a worker must be free: the whole machine, where a run is to be alone or is.
std::string CoordinatorState::SlotOf(const RunRecord& run, const WorkerRecord& worker,
                                     const Reservations& reserved) const {
  const std::string machine = MachineOf(worker);
  const bool whole = RunsAlone(run) || !running_.AloneOn(machine).empty() || reserved.count(machine) > 0;
  return absl::StrCat(whole ? "machine " : "worker ", whole ? machine : worker.id);
}

// What each worker or machine that fits executes now, until its last run ends.
std::vector<std::optional<TimeLeft>> CoordinatorState::BusySlots(const RunRecord& run,
                                                                 const Reservations& reserved) {
  std::map<std::string, std::optional<TimeLeft>> slots;
  const std::vector<const WorkerRecord*> connected = workers_.Connected();
  for (const WorkerRecord* worker : connected) {
    if (CanTake(run, *worker)) slots.emplace(SlotOf(run, *worker, reserved), std::nullopt);
  }
  for (const WorkerRecord* worker : connected) {
    const auto slot = slots.find(SlotOf(run, *worker, reserved));
    const std::optional<TimeLeft> left = slot == slots.end() ? std::nullopt : TimeLeftOn(*worker);
    if (left && (!slot->second || slot->second->at_most < left->at_most)) slot->second = left;
  }
  std::vector<std::optional<TimeLeft>> busy;
  for (const auto& [id, left] : slots) busy.push_back(left);
  return busy;
}

// Of the runs ahead, those that a worker could take on which `run` waits.
std::vector<TimeLeft> CoordinatorState::CompetingRuns(const RunRecord& run, const RunsAhead& ahead) {
  std::vector<const WorkerRecord*> fit;
  for (const WorkerRecord* worker : workers_.Connected()) {
    if (CanTake(run, *worker)) fit.push_back(worker);
  }
  std::vector<TimeLeft> competing;
  std::map<std::string, bool> competes;  // by requirement
  for (const auto* part : {&ahead.by_priority, &ahead.by_turn, &ahead.own}) {
    for (const QueueEntry* entry : *part) {
      const RunRecord* other = Peek(entry->run_id);
      if (other == nullptr) continue;
      const auto [known, added] = competes.try_emplace(entry->requirement);
      if (added) {
        known->second = std::any_of(fit.begin(), fit.end(),
                                    [&](const WorkerRecord* worker) { return CanTake(*other, *worker); });
      }
      if (!known->second) continue;
      competing.push_back({run_times_.Find(*other), other->time_limit + options_.time_limit_grace});
    }
  }
  return competing;
}

}  // namespace quantlab
