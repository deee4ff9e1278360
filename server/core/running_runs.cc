#include "server/core/running_runs.h"

namespace quantlab {

void RunningRuns::Start(const std::string& run_id, const std::string& submitter, const std::string& machine,
                        bool alone) {
  End(run_id);
  runs_[run_id] = {submitter, machine, alone};
  machines_[machine][run_id] = alone;
  Submitter& entry = submitters_[submitter];
  ++entry.running;
  entry.last_start = ++starts_;
  if (submitters_.size() > kMaxSubmitters) ForgetOldest();
}

void RunningRuns::End(const std::string& run_id) {
  const auto run = runs_.find(run_id);
  if (run == runs_.end()) return;
  --submitters_[run->second.submitter].running;
  const auto machine = machines_.find(run->second.machine);
  machine->second.erase(run_id);
  if (machine->second.empty()) machines_.erase(machine);
  runs_.erase(run);
}

void RunningRuns::ForgetOldest() {
  auto oldest = submitters_.end();
  for (auto it = submitters_.begin(); it != submitters_.end(); ++it) {
    if (it->second.running > 0) continue;
    if (oldest == submitters_.end() || it->second.last_start < oldest->second.last_start) oldest = it;
  }
  if (oldest != submitters_.end()) submitters_.erase(oldest);
}

int RunningRuns::Of(const std::string& submitter) const {
  const auto it = submitters_.find(submitter);
  return it == submitters_.end() ? 0 : it->second.running;
}

uint64_t RunningRuns::LastStart(const std::string& submitter) const {
  const auto it = submitters_.find(submitter);
  return it == submitters_.end() ? 0 : it->second.last_start;
}

int RunningRuns::On(const std::string& machine) const {
  const auto it = machines_.find(machine);
  return it == machines_.end() ? 0 : static_cast<int>(it->second.size());
}

std::string RunningRuns::AloneOn(const std::string& machine) const {
  const auto it = machines_.find(machine);
  if (it == machines_.end()) return "";
  for (const auto& [run_id, alone] : it->second) {
    if (alone) return run_id;
  }
  return "";
}

}  // namespace quantlab
