// Long polls: Sync calls of idle workers that wait for a run.
#ifndef QUANTLAB_SERVER_CORE_WAITING_SYNCS_H_
#define QUANTLAB_SERVER_CORE_WAITING_SYNCS_H_

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/core/sync.h"

namespace quantlab {

struct WaitingSync {
  int64_t id = 0;
  std::string worker_id;
  absl::Duration deadline;  // monotonic
  SyncDone done;
};

// At most one call per worker. Holds the calls and never runs their callbacks: the caller that takes a call
// answers it. Threads: one at a time (guarded by its owner).
class WaitingSyncs {
 public:
  // Adds a call behind the waiting ones and returns its id, which is positive. Call
  // TakeOf first where the worker may be waiting.
  int64_t Add(const std::string& worker_id, absl::Duration deadline, SyncDone done);

  bool IsWaiting(const std::string& worker_id) const { return by_worker_.count(worker_id) > 0; }
  size_t size() const { return calls_.size(); }
  bool empty() const { return calls_.empty(); }

  // Longest waiting first.
  const std::list<WaitingSync>& calls() const { return calls_; }

  // Each removes calls and returns them.
  std::optional<WaitingSync> TakeOf(const std::string& worker_id);
  std::vector<WaitingSync> TakeOverdue(absl::Duration now);
  std::vector<WaitingSync> TakeAll();

  // Removes a call whose caller is gone, and returns its worker; its callback will not run. Empty when
  // there is no such call.
  std::string Drop(int64_t id);

 private:
  using Calls = std::list<WaitingSync>;
  WaitingSync Remove(Calls::iterator call);

  Calls calls_;  // longest waiting first
  std::map<std::string, Calls::iterator> by_worker_;
  int64_t last_id_ = 0;
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CORE_WAITING_SYNCS_H_
