#include "server/core/explanation.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/message_catalogue.h"
#include "base/messages.h"
#include "server/core/scheduler.h"

namespace quantlab {
namespace {

void ExplainPending(const RunRecord& run, const ExplanationFacts& facts, Explanation& explanation) {
  for (const RunDependency& need : run.needs) {
    for (const RunRecord& other : *facts.runs) {
      if (other.name != need.run || IsEnded(other.state)) continue;
      explanation.reasons.push_back(messages::kWaitsForRun(other.name, RunStateName(other.state)));
    }
  }
}

void ExplainMisfits(const RunRecord& run, const std::vector<const WorkerRecord*>& workers,
                    Explanation& explanation) {
  explanation.reasons.push_back(
      run.method.empty() ? messages::kNoWorkerHasDevice(run.device)
                         : messages::kNoWorkerHasMethod(run.device, run.method, run.method_version));
  for (size_t i = 0; i < std::min(workers.size(), kMaxNamedWorkers); ++i) {
    explanation.reasons.push_back(
        messages::kWorkerCannot(workers[i]->id, workers[i]->hostname, WhyNot(run, *workers[i])));
  }
  if (workers.size() > kMaxNamedWorkers) {
    explanation.reasons.push_back(
        messages::kMoreWorkersCannot(static_cast<int64_t>(workers.size() - kMaxNamedWorkers)));
  }
}

// Names each fit worker that is held back, with its last fault.
void ExplainHolds(const std::vector<const WorkerRecord*>& held, const ExplanationFacts& facts,
                  Explanation& explanation) {
  for (size_t i = 0; i < std::min(held.size(), kMaxNamedWorkers); ++i) {
    const WorkerHold& hold = facts.holds.at(held[i]->id);
    explanation.reasons.push_back(messages::kWorkerCannot(
        held[i]->id, held[i]->hostname,
        messages::kWorkerHeld(absl::Ceil(hold.left, absl::Seconds(1)), hold.faults, hold.last_fault)));
  }
  if (held.size() > kMaxNamedWorkers) {
    explanation.reasons.push_back(
        messages::kMoreWorkersCannot(static_cast<int64_t>(held.size() - kMaxNamedWorkers)));
  }
}

void ExplainQueued(const RunRecord& run, const ExplanationFacts& facts, Explanation& explanation) {
  explanation.queue_position = facts.queue_position;
  int64_t fit = 0;
  std::vector<const WorkerRecord*> held;
  for (const WorkerRecord* worker : *facts.workers) {
    if (!WhyNot(run, *worker).empty()) continue;
    if (facts.holds.count(worker->id) > 0) {
      held.push_back(worker);
    } else {
      ++fit;
    }
  }
  if (facts.workers->empty()) {
    explanation.reasons.push_back(messages::kNoWorkerConnected());
  } else if (fit == 0 && held.empty()) {
    ExplainMisfits(run, *facts.workers, explanation);
  }
  if (fit > 0) explanation.reasons.push_back(messages::kWaitsForWorkers(fit));
  ExplainHolds(held, facts, explanation);
  if (fit > 0 && facts.queue_position > 0) {
    explanation.reasons.push_back(messages::kRunsAhead(facts.queue_position));
  }
}

void ExplainRunning(const RunRecord& run, const ExplanationFacts& facts, Explanation& explanation) {
  if (facts.lease == nullptr) return;
  const AttemptRecord& attempt = facts.lease->attempt;
  explanation.reasons.push_back(messages::kAttemptRuns(attempt.key.number, attempt.worker_id,
                                                       attempt.worker_hostname,
                                                       absl::Trunc(facts.since_contact, absl::Seconds(1))));
  if (run.cancel_requested) explanation.reasons.push_back(messages::kStopRequested());
  if (facts.lease->over_time) explanation.reasons.push_back(messages::kOverTimeLimit(run.time_limit));
}

// Why no worker can execute runs of this requirement; empty when one can.
std::vector<Message> WhyNobody(const RunRecord& run, const std::vector<const WorkerRecord*>& workers) {
  std::vector<Message> why_not;
  for (const WorkerRecord* worker : workers) {
    const Message why = WhyNot(run, *worker);
    if (why.empty()) return {};
    if (why_not.size() < kMaxNamedWorkers) why_not.push_back(messages::kWorkerCannot(worker->id, "", why));
  }
  if (workers.size() > why_not.size()) {
    why_not.push_back(messages::kMoreWorkers(static_cast<int64_t>(workers.size() - why_not.size())));
  }
  return why_not;
}

}  // namespace

Explanation ExplainRun(const RunRecord& run, const ExplanationFacts& facts) {
  Explanation explanation;
  explanation.state = run.state;
  if (run.state == RunState::kPending) ExplainPending(run, facts, explanation);
  if (run.state == RunState::kQueued) ExplainQueued(run, facts, explanation);
  if (run.state == RunState::kRunning) ExplainRunning(run, facts, explanation);
  if (!run.message.empty()) explanation.reasons.push_back(MessageOr(run.coded_message, run.message));
  return explanation;
}

std::vector<Message> ExplainUnplaceable(const std::vector<RunRecord>& runs,
                                        const std::vector<const WorkerRecord*>& workers) {
  std::vector<Message> explanations;
  if (workers.empty()) return explanations;
  std::map<std::string, std::vector<Message>> why;  // by requirement
  size_t more = 0;
  for (const RunRecord& run : runs) {
    const auto [known, added] = why.try_emplace(Requirement(run));
    if (added) known->second = WhyNobody(run, workers);
    if (known->second.empty()) continue;
    if (explanations.size() == kMaxNamedRuns) {
      ++more;
    } else {
      explanations.push_back(messages::kRunUnplaceable(run.name, known->second));
    }
  }
  if (more > 0) explanations.push_back(messages::kMoreRuns(static_cast<int64_t>(more)));
  return explanations;
}

}  // namespace quantlab
