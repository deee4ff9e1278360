// Leases: which worker holds which attempt, and until when.
//
// Leases use the monotonic clock and are kept only in memory: after a restart every running attempt gets a
// full term again, because the length of the outage is unknown.
#ifndef QUANTLAB_SERVER_CORE_LEASE_TABLE_H_
#define QUANTLAB_SERVER_CORE_LEASE_TABLE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/records/records.h"

namespace quantlab {

struct Lease {
  AttemptRecord attempt;  // as it started
  absl::Duration expires;
  absl::Duration time_limit;  // end of the run's own time limit, on the same clock
  bool over_time = false;     // the limit has passed: the worker is asked to stop
  int handed_out_again = 0;   // how often the assignment was repeated to a worker that did not know of it
};

// Borrows the clock. Threads: one at a time (guarded by its owner).
class LeaseTable {
 public:
  LeaseTable(const Clock& clock, absl::Duration term) : clock_(clock), term_(term) {}

  // A new lease for one term; replaces one on the same run.
  void Grant(const AttemptRecord& attempt, absl::Duration time_limit);

  // A full term from now. False when this attempt has no lease (any more).
  bool Renew(const AttemptKey& attempt) { return Renew(attempt, clock_.Monotonic()); }
  // A full term from `time`; without effect where the lease lasts longer already.
  bool Renew(const AttemptKey& attempt, absl::Duration time);
  // The same for every lease: after a pause of the coordinator itself.
  void RenewAll();

  void Drop(const std::string& run_id);

  // nullptr when there is none.
  Lease* Find(const AttemptKey& attempt);
  Lease* FindByRun(const std::string& run_id);
  Lease* FindByWorker(const std::string& worker_id);

  // Leases that have run out, oldest first.
  std::vector<AttemptKey> Expired() const;
  // Sets over_time where the run's time limit has passed.
  void MarkOverTime();
  // Leases whose run has been over its time limit for longer than `grace`.
  std::vector<AttemptKey> OverTimeSince(absl::Duration grace) const;

  absl::Duration term() const { return term_; }
  size_t size() const { return leases_.size(); }

 private:
  const Clock& clock_;
  const absl::Duration term_;
  std::map<std::string, Lease> leases_;           // by run id
  std::map<std::string, std::string> by_worker_;  // worker id to the run that it took last
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CORE_LEASE_TABLE_H_
