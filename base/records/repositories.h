// Durable state behind interfaces, which core/ uses and storage/ implements. Every implementation is tested
// by one conformance suite (storage/repository_conformance.h).
//
// Threads: all implementations are safe.
// Errors:  NOT_FOUND unknown id; ABORTED an expected state did not hold, or an attempt is fenced;
//          FAILED_PRECONDITION a transition that base/records/run_state.h does not allow, or a run that would
//          be RUNNING without a running attempt or have one without being RUNNING; ALREADY_EXISTS;
//          INVALID_ARGUMENT a bad page token; RESOURCE_EXHAUSTED the disk is full; UNAVAILABLE the
//          database is busy; DATA_LOSS it is damaged. A failed call changes nothing.
#ifndef QUANTLAB_BASE_RECORDS_REPOSITORIES_H_
#define QUANTLAB_BASE_RECORDS_REPOSITORIES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/records/records.h"

namespace quantlab {

// The transition of one run from one state to another.
struct RunTransition {
  std::string run_id;
  RunState from = RunState::kPending;  // what must hold, else the whole change is ABORTED
  RunState to = RunState::kPending;
  std::string message;
  // Set with SUCCEEDED: the attempt whose result is the run's.
  std::optional<AttemptKey> result;
  bool reused = false;
  // The counters after the change.
  int crashes = 0;
  int interruptions = 0;
  Message coded_message = {};
};

// The end of an attempt.
struct AttemptEnd {
  AttemptKey key;
  RunState outcome = RunState::kSucceeded;  // an ended state
  std::string message;
  absl::Time time;
  // Refused with FAILED_PRECONDITION unless the stored events reach this number; -1: not checked.
  int64_t last_event = -1;
  std::vector<Artifact> artifacts;  // recorded with the attempt
  Message coded_message = {};
  // The worker could not execute the run, whatever the run is; only with kFailed.
  bool worker_fault = false;
};

// A result that later runs may reuse.
struct ReuseEntry {
  std::string key;  // input key, fingerprint and runner digest, hashed
  AttemptKey attempt;
};

// The request to stop a run that is RUNNING: survives a restart of the coordinator.
struct CancelRequest {
  std::string run_id;   // ABORTED unless RUNNING
  std::string message;  // becomes the run's message
  Message coded_message = {};
};

// An atomic change. Core computes it; storage applies it as
// `UPDATE … WHERE state = <expected>`, appends one entry per transition to the experiment's change log,
// and derives the experiment's state anew.
struct StateChange {
  absl::Time time;
  std::vector<RunTransition> runs;  // applied in this order; a run may appear twice
  std::vector<CancelRequest> cancel_requests;
  std::optional<AttemptRecord> start_attempt;  // its number is the run's attempts + 1
  std::optional<AttemptEnd> end_attempt;       // must be the run's running attempt
  std::optional<ReuseEntry> remember;
};

struct ExperimentFilter {
  std::optional<ExperimentState> state;
  std::string name;  // empty: all
};

// A page ends early once its entries have this many bytes of content; it has at least one entry.
inline constexpr int64_t kMaxPageBytes = 1 << 20;

template <typename T>
struct Page {
  std::vector<T> items;
  std::string next_page_token;  // empty on the last page
};

class StateRepository {
 public:
  virtual ~StateRepository() = default;

  // Stores an experiment with its runs, and one entry of its change log for the state in which each run
  // begins. Where the request_id is already known, stores nothing and returns the experiment's id;
  // `created` says which.
  struct Created {
    std::string experiment_id;
    bool created = true;
  };
  virtual absl::StatusOr<Created> CreateExperiment(const ExperimentRecord& experiment,
                                                   const std::vector<RunRecord>& runs) = 0;

  virtual absl::Status Commit(const StateChange& change) = 0;

  virtual absl::StatusOr<ExperimentRecord> GetExperiment(const std::string& id) = 0;
  virtual absl::StatusOr<std::optional<ExperimentRecord>> FindExperimentByRequest(
      const std::string& request_id) = 0;
  // Newest first; without `files`.
  virtual absl::StatusOr<Page<ExperimentRecord>> ListExperiments(const ExperimentFilter& filter,
                                                                 int page_size,
                                                                 const std::string& page_token) = 0;
  virtual absl::StatusOr<RunRecord> GetRun(const std::string& run_id) = 0;
  // In the order of creation.
  virtual absl::StatusOr<std::vector<RunRecord>> ListRuns(const std::string& experiment_id) = 0;
  // Runs of experiments that are ACTIVE, for a coordinator that starts.
  virtual absl::StatusOr<std::vector<RunRecord>> ListActiveRuns() = 0;
  virtual absl::StatusOr<std::vector<AttemptRecord>> ListAttempts(const std::string& run_id) = 0;
  virtual absl::StatusOr<AttemptRecord> GetAttempt(const AttemptKey& key) = 0;
  virtual absl::StatusOr<std::optional<AttemptKey>> FindReusable(const std::string& key) = 0;

  virtual absl::Status SaveWorker(const WorkerRecord& worker) = 0;
  virtual absl::StatusOr<std::vector<WorkerRecord>> ListWorkers() = 0;
};

// One entry of an experiment's change log: a run's new state, the experiment's, or an attempt's event.
struct Change {
  int64_t sequence = 0;  // increases within the experiment, over all runs
  absl::Time time;
  std::string run_id;   // empty for a change of the experiment
  int64_t attempt = 0;  // 0 for a change of the run or the experiment
  std::optional<RunState> run_state;
  std::optional<ExperimentState> experiment_state;
  std::optional<Event> event;
  std::string message;  // with run_state
  Message coded_message = {};
};

struct LogFilter {
  std::string experiment_id;
  std::string run;      // run name; empty: all
  int64_t attempt = 0;  // 0: the latest of each run; -1: all
  Severity min_severity = Severity::kDebug;
};

struct LogEntry {
  int64_t sequence = 0;
  absl::Time time;
  AttemptKey attempt;
  LogLine line;
};

class EventRepository {
 public:
  virtual ~EventRepository() = default;

  // Stores events, each once: numbers up to the last stored one are skipped. Returns the number up to
  // which all are durable.
  // Errors: ABORTED the attempt is not running; OUT_OF_RANGE a gap after the last stored number.
  virtual absl::StatusOr<int64_t> AppendEvents(const AttemptKey& attempt,
                                               const std::vector<Event>& events) = 0;

  // The changes after a sequence number, in order: up to `limit`, and one or more as long as there are any
  // until `max_bytes` of content are reached.
  virtual absl::StatusOr<std::vector<Change>> ReadChanges(const std::string& experiment_id,
                                                          int64_t after_sequence, int limit,
                                                          int64_t max_bytes) = 0;

  // Pages end early at kMaxPageBytes.
  virtual absl::StatusOr<Page<LogEntry>> ListLogs(const LogFilter& filter, int page_size,
                                                  const std::string& page_token) = 0;

  // The events of an attempt except progress and logs, in order of number.
  virtual absl::StatusOr<std::vector<Event>> ListResultEvents(const AttemptKey& attempt) = 0;

  // The last progress of an attempt, with when its phase began.
  struct LatestProgress {
    Progress progress;
    absl::Time time;
    absl::Time phase_start;
  };
  virtual absl::StatusOr<std::optional<LatestProgress>> GetProgress(const AttemptKey& attempt) = 0;

  // The artifacts that an ended attempt was finished with.
  virtual absl::StatusOr<std::vector<Artifact>> ListArtifacts(const AttemptKey& attempt) = 0;
};

// Immutable files named by their SHA-256.
class ArtifactStore {
 public:
  virtual ~ArtifactStore() = default;

  struct Stat {
    bool present = false;
    int64_t size = 0;  // when present; else durable bytes of an unfinished upload
  };
  virtual absl::StatusOr<Stat> GetStat(const std::string& sha256) = 0;

  // An upload that continues at `offset` (at most what Stat returned). One at a time per digest: a second one
  // is refused with ABORTED while the first is open, with ALREADY_EXISTS once the file is in the store.
  class Writer {
   public:
    virtual ~Writer() = default;  // an unfinished upload is kept, to be resumed
    virtual absl::Status Append(absl::string_view data) = 0;
    // Syncs; checks the digest when all bytes are there, and publishes the file atomically. Returns the
    // durable size.
    // Errors: DATA_LOSS wrong digest: the received part is discarded.
    virtual absl::StatusOr<int64_t> Close() = 0;
  };
  virtual absl::StatusOr<std::unique_ptr<Writer>> OpenWriter(const std::string& sha256, int64_t size,
                                                             int64_t offset) = 0;

  class Reader {
   public:
    virtual ~Reader() = default;
    virtual int64_t size() const = 0;
    // Up to `limit` bytes from `offset`; empty at the end.
    virtual absl::StatusOr<std::string> Read(int64_t offset, int64_t limit) = 0;
  };
  // Errors: NOT_FOUND.
  virtual absl::StatusOr<std::unique_ptr<Reader>> OpenReader(const std::string& sha256) = 0;

  // The stored content was found to differ from its digest: it is no longer in the store, so that a good
  // copy can be uploaded or computed again. Without effect where there is none.
  virtual absl::Status SetAside(const std::string& sha256) = 0;
};

}  // namespace quantlab

#endif  // QUANTLAB_BASE_RECORDS_REPOSITORIES_H_
