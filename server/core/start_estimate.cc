#include "server/core/start_estimate.h"

#include <algorithm>
#include <functional>
#include <queue>

#include "absl/strings/str_cat.h"

namespace quantlab {
namespace {

std::string KindOf(const RunRecord& run) {
  return absl::StrCat(RunKindName(run.kind), "|", run.method, "|", run.device);
}

bool IsUsual(const TimeLeft& left) {
  return left.usual.has_value();
}

}  // namespace

void RunTimes::Record(const RunRecord& run, absl::Duration took) {
  Time& time = times_[KindOf(run)];
  ++time.runs;
  time.mean += (took - time.mean) / std::min(time.runs, kMemory);
}

std::optional<RunTimes::Time> RunTimes::Find(const RunRecord& run) const {
  const auto it = times_.find(KindOf(run));
  return it == times_.end() ? std::nullopt : std::optional(it->second);
}

std::optional<StartEstimate> EstimateStart(const std::vector<std::optional<TimeLeft>>& busy,
                                           const std::vector<TimeLeft>& ahead) {
  if (busy.empty()) return std::nullopt;
  StartEstimate estimate;
  estimate.at_most =
      !std::all_of(ahead.begin(), ahead.end(), IsUsual) ||
      !std::all_of(busy.begin(), busy.end(), [](const auto& left) { return !left || IsUsual(*left); });
  const auto take = [&](const TimeLeft& left) {
    if (estimate.at_most) return left.at_most;
    estimate.runs = estimate.runs == 0 ? left.usual->runs : std::min(estimate.runs, left.usual->runs);
    return left.usual->mean;
  };
  std::priority_queue<absl::Duration, std::vector<absl::Duration>, std::greater<>> free;
  for (const std::optional<TimeLeft>& left : busy) free.push(left ? take(*left) : absl::ZeroDuration());
  for (const TimeLeft& left : ahead) {
    const absl::Duration start = free.top();
    free.pop();
    free.push(start + take(left));
  }
  estimate.in = free.top();
  return estimate;
}

}  // namespace quantlab
