// The events of one attempt on disk, from the moment they are numbered until the coordinator has them.
//
// One append-only file. It starts with an 8-byte magic; each record is
//
//   u32 length of the payload | u32 CRC-32 of type and payload | u8 type | payload
//
// little-endian, where type 1 is a serialized quantlab.v1.Event and type 2 a serialized
// quantlab.v1.FinishAttemptRequest: how the attempt ended. A later finish record replaces an earlier
// one. A record that is torn or wrong ends the file: it and what follows is cut off when it is opened.
//
// How far the coordinator has acknowledged stands in a file beside it; losing that file only means
// that events are sent again.
#ifndef QUANTLAB_WORKER_AGENT_EVENTS_SPOOL_H_
#define QUANTLAB_WORKER_AGENT_EVENTS_SPOOL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "platform/unique_fd.h"
#include "quantlab/v1/event.pb.h"
#include "quantlab/v1/worker.pb.h"

namespace quantlab::agent {

// Threads: safe; one thread appends, one reads and acknowledges.
class Spool {
 public:
  // Opens or creates the spool in `folder`.
  // Errors: DATA_LOSS it is not a spool; otherwise as platform/files.h.
  // `sync_file` makes a file's content durable, as fdatasync(2) does: replaced in tests.
  using SyncFile = int (*)(int fd);
  static absl::StatusOr<std::unique_ptr<Spool>> Open(const std::string& folder,
                                                     SyncFile sync_file = fdatasync);

  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // Gives `event` the next number and writes it. Errors: RESOURCE_EXHAUSTED the disk is full; the
  // spool is then as before, and can be written again when there is space.
  absl::Status Append(v1::Event& event);

  // Writes how the attempt ended and makes the whole spool durable.
  absl::Status AppendFinish(const v1::FinishAttemptRequest& finish);

  // Makes what was appended durable, if it is not yet. After an error nothing of it counts as durable, and
  // the next call writes it anew: Linux takes pages that it could not write for clean.
  absl::Status Sync();

  struct Batch {
    std::vector<v1::Event> events;  // numbered without gaps
    int64_t bytes = 0;              // serialized
  };
  // Unacknowledged events from the first on: at most `max_events` and about `max_bytes`, at least one
  // where there is one.
  absl::StatusOr<Batch> Read(int max_events, int64_t max_bytes);

  // The coordinator has everything up to `number`. Numbers below what is known already mean that it
  // lost some: they are sent again.
  void Acknowledge(int64_t number);

  int64_t last_number() const;
  int64_t acknowledged() const;
  // Bytes of events that are not acknowledged, and of the whole file.
  int64_t backlog_bytes() const;
  int64_t size_bytes() const;
  std::optional<v1::FinishAttemptRequest> finish() const;
  // Every artifact announced in the events, in order.
  std::vector<v1::Artifact> artifacts() const;

 private:
  Spool(std::string folder, UniqueFd file, SyncFile sync_file)
      : folder_(std::move(folder)), file_(std::move(file)), sync_file_(sync_file) {}

  struct Record {
    char type = 0;
    std::string payload;
    int64_t end = 0;  // offset after it
  };
  absl::Status Recover();
  absl::StatusOr<std::optional<Record>> ReadRecord(int64_t offset, int64_t end) const;
  absl::Status AppendRecord(char type, const std::string& payload) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SyncLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status RewriteUnsynced() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StoreAcknowledged() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string folder_;
  const UniqueFd file_;
  const SyncFile sync_file_;

  mutable Mutex mutex_;
  int64_t size_ ABSL_GUARDED_BY(mutex_) = 0;          // of whole records
  int64_t synced_ ABSL_GUARDED_BY(mutex_) = 0;        // as far as durable
  bool sync_failed_ ABSL_GUARDED_BY(mutex_) = false;  // the last one
  int64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t acknowledged_ ABSL_GUARDED_BY(mutex_) = 0;
  // Where the first unacknowledged event starts; where each event of the last batch ends.
  int64_t read_offset_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t batch_first_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<int64_t> batch_ends_ ABSL_GUARDED_BY(mutex_);
  std::optional<v1::FinishAttemptRequest> finish_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::Artifact> artifacts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_EVENTS_SPOOL_H_
