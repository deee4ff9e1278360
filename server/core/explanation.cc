#include "server/core/explanation.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/core/attempt_words.h"
#include "server/core/scheduler.h"

namespace quantlab {
namespace {

void ExplainPending(const RunRecord& run, const ExplanationFacts& facts, Explanation& explanation) {
  for (const RunDependency& need : run.needs) {
    for (const RunRecord& other : *facts.runs) {
      if (other.name != need.run || IsEnded(other.state)) continue;
      explanation.reasons.push_back(
          absl::StrCat("waits for ", other.name, " (", std::string(RunStateName(other.state)), ")"));
    }
  }
}

std::string Requirements(const RunRecord& run) {
  return run.method.empty()
             ? run.device
             : absl::StrCat(run.device, " and ", run.method, " of version ", run.method_version);
}

void ExplainMisfits(const RunRecord& run, const std::vector<const WorkerRecord*>& workers,
                    Explanation& explanation) {
  explanation.reasons.push_back(
      absl::StrCat("no worker that is connected can take it: it needs ", Requirements(run)));
  for (size_t i = 0; i < std::min(workers.size(), kMaxNamedWorkers); ++i) {
    explanation.reasons.push_back(
        absl::StrCat("worker ", workers[i]->id, " on ", workers[i]->hostname, " ", WhyNot(run, *workers[i])));
  }
  if (workers.size() > kMaxNamedWorkers) {
    explanation.reasons.push_back(absl::StrCat("so it is with ", workers.size() - kMaxNamedWorkers, " more"));
  }
}

void ExplainQueued(const RunRecord& run, const ExplanationFacts& facts, Explanation& explanation) {
  explanation.queue_position = facts.queue_position;
  const auto fitting =
      std::count_if(facts.workers->begin(), facts.workers->end(),
                    [&](const WorkerRecord* worker) { return WhyNot(run, *worker).empty(); });
  if (facts.workers->empty()) {
    explanation.reasons.push_back("no worker is connected; start one with quant-worker");
  } else if (fitting == 0) {
    ExplainMisfits(run, *facts.workers, explanation);
  } else {
    explanation.reasons.push_back(
        absl::StrCat("waits for one of ", fitting, " workers that can take it; all are busy"));
    if (facts.queue_position > 0) {
      explanation.reasons.push_back(absl::StrCat(facts.queue_position, " runs are ahead of it in the queue"));
    }
  }
}

void ExplainRunning(const RunRecord& run, const ExplanationFacts& facts, Explanation& explanation) {
  if (facts.lease == nullptr) return;
  explanation.reasons.push_back(absl::StrCat("attempt ", facts.lease->attempt.key.number, " runs on ",
                                             Who(facts.lease->attempt), ", last heard of ",
                                             absl::ToInt64Seconds(facts.since_contact), " s ago"));
  if (run.cancel_requested) explanation.reasons.push_back("its worker is being asked to stop it");
  if (facts.lease->over_time) {
    explanation.reasons.push_back(
        absl::StrCat("it is over its time limit of ", absl::FormatDuration(run.time_limit)));
  }
}

// Why no worker can take runs of this requirement; empty when one can.
std::string WhyNobody(const RunRecord& run, const std::vector<const WorkerRecord*>& workers) {
  std::vector<std::string> why_not;
  for (const WorkerRecord* worker : workers) {
    const std::string why = WhyNot(run, *worker);
    if (why.empty()) return "";
    if (why_not.size() < kMaxNamedWorkers) why_not.push_back(absl::StrCat("worker ", worker->id, " ", why));
  }
  std::string all = absl::StrJoin(why_not, ", ");
  if (workers.size() > why_not.size())
    absl::StrAppend(&all, ", and ", workers.size() - why_not.size(), " more");
  return all;
}

}  // namespace

Explanation ExplainRun(const RunRecord& run, const ExplanationFacts& facts) {
  Explanation explanation;
  explanation.state = run.state;
  if (run.state == RunState::kPending) ExplainPending(run, facts, explanation);
  if (run.state == RunState::kQueued) ExplainQueued(run, facts, explanation);
  if (run.state == RunState::kRunning) ExplainRunning(run, facts, explanation);
  if (!run.message.empty()) explanation.reasons.push_back(run.message);
  return explanation;
}

std::vector<std::string> ExplainUnplaceable(const std::vector<RunRecord>& runs,
                                            const std::vector<const WorkerRecord*>& workers) {
  std::vector<std::string> sentences;
  if (workers.empty()) return sentences;
  std::map<std::string, std::string> why;  // by requirement
  size_t more = 0;
  for (const RunRecord& run : runs) {
    const auto [known, added] = why.try_emplace(Requirement(run));
    if (added) known->second = WhyNobody(run, workers);
    if (known->second.empty()) continue;
    if (sentences.size() == kMaxNamedRuns) {
      ++more;
    } else {
      sentences.push_back(absl::StrCat(run.name, ": ", known->second));
    }
  }
  if (more > 0) sentences.push_back(absl::StrCat("and ", more, " more runs"));
  return sentences;
}

}  // namespace quantlab
