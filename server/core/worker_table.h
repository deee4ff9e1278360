// The known workers and the time of each one's last contact.
#ifndef QUANTLAB_SERVER_CORE_WORKER_TABLE_H_
#define QUANTLAB_SERVER_CORE_WORKER_TABLE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/records/records.h"

namespace quantlab {

// A worker is connected while it waits in a call, and for `silence` after its last contact.
//
// Borrows the clock. Threads: one at a time (guarded by its owner).
class WorkerTable {
 public:
  WorkerTable(const Clock& clock, absl::Duration silence) : clock_(clock), silence_(silence) {}

  // Adds a worker as it was stored. It is not connected until its next contact.
  void Restore(const WorkerRecord& record);

  // ALREADY_EXISTS where `record` has the id of a connected worker (or of one that is `busy`: it has a lease)
  // and comes from another folder: one of the two folders is a copy. Older workers do not send their
  // folder's id.
  absl::Status CheckIsTheSame(const WorkerRecord& record, bool busy) const;

  // The worker called: its record is replaced and its last contact is now. True when the record should be
  // stored, because it changed or because the stored time of contact is older than a minute.
  bool Contact(const WorkerRecord& record);
  // Marks the record that Contact asked to store as stored.
  void MarkStored(const std::string& id);

  // A contact without a record.
  void Touch(const std::string& id);
  // Whether a call of the worker waits for an answer.
  void SetWaiting(const std::string& id, bool waiting);

  // Unknown workers are not connected, and have an empty record.
  bool IsConnected(const std::string& id) const;
  const WorkerRecord& record(const std::string& id) const;

  // By id. The pointers are valid until the table changes.
  std::vector<const WorkerRecord*> All() const;
  std::vector<const WorkerRecord*> Connected() const;

 private:
  struct Entry {
    WorkerRecord record;
    absl::Duration last_contact = -absl::InfiniteDuration();  // monotonic
    absl::Time stored = absl::InfinitePast();
    bool waiting = false;
  };

  bool IsConnected(const Entry& entry) const;

  const Clock& clock_;
  const absl::Duration silence_;
  std::map<std::string, Entry> entries_;  // by worker id
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CORE_WORKER_TABLE_H_
