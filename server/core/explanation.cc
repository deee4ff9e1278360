#include "server/core/explanation.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/messages/checkpoint.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/messages/queue.h"
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
  const bool needs_more = run.requirements.memory_bytes > 0 || !run.requirements.labels.empty();
  explanation.reasons.push_back(
      needs_more           ? messages::kNoWorkerFits()
      : run.method.empty() ? messages::kNoWorkerHasDevice(run.device)
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

// Why a worker that could execute the run gets none; no message where it is only busy.
Message WhyHeldBack(const WorkerRecord& worker, const ExplanationFacts& facts) {
  const auto mode = facts.modes.find(worker.id);
  if (mode != facts.modes.end()) {
    return mode->second.mode == WorkerMode::kDrained
               ? messages::kWorkerDrained(mode->second.by, mode->second.reason)
               : messages::kWorkerQuarantined(mode->second.by, mode->second.reason);
  }
  const auto hold = facts.holds.find(worker.id);
  if (hold != facts.holds.end()) {
    return messages::kWorkerHeld(absl::Ceil(hold->second.left, absl::Seconds(1)), hold->second.faults,
                                 hold->second.last_fault);
  }
  const auto taken = facts.taken_machines.find(worker.id);
  return taken == facts.taken_machines.end() ? Message() : taken->second;
}

// Names each fit worker that is held back, with the reason.
void ExplainHolds(const std::vector<const WorkerRecord*>& held, const ExplanationFacts& facts,
                  Explanation& explanation) {
  for (size_t i = 0; i < std::min(held.size(), kMaxNamedWorkers); ++i) {
    explanation.reasons.push_back(
        messages::kWorkerCannot(held[i]->id, held[i]->hostname, WhyHeldBack(*held[i], facts)));
  }
  if (held.size() > kMaxNamedWorkers) {
    explanation.reasons.push_back(
        messages::kMoreWorkersCannot(static_cast<int64_t>(held.size() - kMaxNamedWorkers)));
  }
}

// What comes before it, and when it can start.
void ExplainOrder(const ExplanationFacts& facts, Explanation& explanation) {
  std::vector<Message>& reasons = explanation.reasons;
  if (facts.queue_position > 0) reasons.push_back(messages::kRunsAhead(facts.queue_position));
  if (facts.ahead_by_priority > 0) reasons.push_back(messages::kAheadByPriority(facts.ahead_by_priority));
  if (facts.ahead_by_turn > 0) {
    reasons.push_back(messages::kAheadByTurn(facts.ahead_by_turn, facts.other_submitters));
  }
  if (!facts.estimate || facts.estimate->in <= absl::ZeroDuration()) return;
  explanation.estimate = facts.estimate;
  const absl::Duration in = absl::Ceil(facts.estimate->in, absl::Seconds(1));
  reasons.push_back(facts.estimate->at_most ? messages::kStartsWithin(in)
                                            : messages::kStartsInAbout(in, facts.estimate->runs));
}

void ExplainQueued(const RunRecord& run, const ExplanationFacts& facts, Explanation& explanation) {
  explanation.queue_position = facts.queue_position;
  int64_t fit = 0;
  std::vector<const WorkerRecord*> held;
  for (const WorkerRecord* worker : *facts.workers) {
    if (!WhyNot(run, *worker).empty()) continue;
    if (WhyHeldBack(*worker, facts).empty()) {
      ++fit;
    } else {
      held.push_back(worker);
    }
  }
  if (facts.workers->empty()) {
    explanation.reasons.push_back(messages::kNoWorkerConnected());
  } else if (fit == 0 && held.empty()) {
    ExplainMisfits(run, *facts.workers, explanation);
  }
  if (fit > 0) explanation.reasons.push_back(messages::kWaitsForWorkers(fit));
  ExplainHolds(held, facts, explanation);
  if (fit > 0 || !facts.taken_machines.empty()) ExplainOrder(facts, explanation);
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
std::vector<Message> WhyNoWorker(const RunRecord& run, const std::vector<const WorkerRecord*>& workers) {
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
  if (facts.checkpoint) {
    const RunCheckpoint& checkpoint = *facts.checkpoint;
    explanation.reasons.push_back(run.state == RunState::kRunning
                                      ? messages::kTrainingIsSaved(checkpoint.step, checkpoint.attempt)
                                      : messages::kNextAttemptResumes(checkpoint.step, checkpoint.attempt));
  }
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
    if (added) known->second = WhyNoWorker(run, workers);
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
