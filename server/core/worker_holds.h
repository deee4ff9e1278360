// Workers that get no runs for a while because they could not execute what they were given: a full disk, a
// runner that does not start. Without it one such worker would end run after run, faster than healthy ones
// can take them.
#ifndef QUANTLAB_SERVER_CORE_WORKER_HOLDS_H_
#define QUANTLAB_SERVER_CORE_WORKER_HOLDS_H_

#include <map>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/messages/message.h"

namespace quantlab {

struct WorkerHold {
  int faults = 0;       // in a row
  absl::Duration left;  // until the worker gets a run again; not negative
  Message last_fault;
};

// Each fault in a row holds the worker back four times as long as the one before; from the fourth on it is
// quarantined: one run every kQuarantine shows whether it has recovered.
//
// Borrows the clock. Threads: one at a time (guarded by its owner).
class WorkerHolds {
 public:
  static constexpr absl::Duration kFirstHold = absl::Seconds(5);
  static constexpr absl::Duration kQuarantine = absl::Minutes(10);

  explicit WorkerHolds(const Clock& clock) : clock_(clock) {}

  // The worker ended an attempt by a fault of its own.
  void RecordFault(const std::string& worker_id, const Message& fault);
  // An attempt on the worker ended otherwise: it works.
  void RecordHealthy(const std::string& worker_id) { entries_.erase(worker_id); }

  // Whether the worker gets no runs now.
  bool IsHeld(const std::string& worker_id) const;
  // Its faults since it last worked, also when the hold is over; nothing without any.
  std::optional<WorkerHold> Find(const std::string& worker_id) const;

 private:
  struct Entry {
    int faults = 0;
    absl::Duration until;  // monotonic
    Message last_fault;
  };

  const Clock& clock_;
  std::map<std::string, Entry> entries_;  // by worker id
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CORE_WORKER_HOLDS_H_
