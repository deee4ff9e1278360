// Explains the state of a run, in messages made from the coordinator's state.
#ifndef QUANTLAB_SERVER_CORE_EXPLANATION_H_
#define QUANTLAB_SERVER_CORE_EXPLANATION_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/messages/message.h"
#include "base/records/records.h"
#include "base/records/worker_modes.h"
#include "server/core/lease_table.h"
#include "server/core/start_estimate.h"
#include "server/core/sync.h"
#include "server/core/worker_holds.h"

namespace quantlab {

struct Explanation {
  RunState state = RunState::kPending;
  std::vector<Message> reasons;                // most important first
  int queue_position = 0;                      // runs ahead of it
  std::optional<StartEstimate> estimate = {};  // of a queued run, where one can be made
};

// The input of an explanation. Everything is borrowed.
struct ExplanationFacts {
  const std::vector<RunRecord>* runs = nullptr;               // of the experiment
  const std::vector<const WorkerRecord*>* workers = nullptr;  // connected ones
  const Lease* lease = nullptr;                               // of the run; nullptr when none
  int queue_position = 0;
  absl::Duration since_contact;                        // since the last contact with the lease's worker
  std::map<std::string, WorkerHold> holds = {};        // workers that are assigned no runs now, by id
  std::map<std::string, WorkerModeRecord> modes = {};  // workers that are not kActive, by id
  // Workers that could take it but for the other runs of their machine, by id, with the reason.
  std::map<std::string, Message> taken_machines = {};
  // Of queue_position: runs of a higher priority, and those of so many other submitters whose turn comes
  // first.
  int ahead_by_priority = 0, ahead_by_turn = 0, other_submitters = 0;
  std::optional<StartEstimate> estimate = {};
  std::optional<RunCheckpoint> checkpoint = {};  // from which its next attempt would continue
};

// At most this many workers are named one by one, and this many runs.
inline constexpr size_t kMaxNamedWorkers = 20;
inline constexpr size_t kMaxNamedRuns = 50;

// Threads: pure functions.
Explanation ExplainRun(const RunRecord& run, const ExplanationFacts& facts);

// Explains each run that no connected worker can execute, with the reason of each worker; empty while no
// worker is connected. Long lists end with the number of further entries.
std::vector<Message> ExplainUnplaceable(const std::vector<RunRecord>& runs,
                                        const std::vector<const WorkerRecord*>& workers);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CORE_EXPLANATION_H_
