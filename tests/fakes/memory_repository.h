// The repositories of base/records/repositories.h in memory, with failures on demand: for tests of core.
//
// Failures stand for a full disk (nothing is written) and for the nastier one: written, but the caller
// sees a failure.
#ifndef QUANTLAB_TESTS_FAKES_MEMORY_REPOSITORY_H_
#define QUANTLAB_TESTS_FAKES_MEMORY_REPOSITORY_H_

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/records/checkpoint_names.h"
#include "base/records/repositories.h"
#include "base/records/worker_modes.h"
#include "base/records/write_groups.h"
#include "base/sha256.h"
#include "base/status_macros.h"

namespace quantlab {

enum class Fault { kNone, kNotWritten, kWrittenButFailed };

// Threads: safe.
class MemoryRepository : public StateRepository,
                         public EventRepository,
                         public WorkerModeRepository,
                         public WriteGroups {
 public:
  // The next commits fail so, in this order.
  void FailCommits(std::deque<Fault> faults) {
    MutexLock lock(mutex_);
    faults_ = std::move(faults);
  }
  // The next groups that write fail so, in this order.
  void FailGroups(std::deque<Fault> faults) {
    MutexLock lock(mutex_);
    group_faults_ = std::move(faults);
  }
  // Reads of experiments fail while this is set.
  void FailReads(bool fail) {
    MutexLock lock(mutex_);
    fail_reads_ = fail;
  }
  int commits() {
    MutexLock lock(mutex_);
    return commits_;
  }

  // ---- WriteGroups ----

  // Everybody reads at once what a group writes: tests look at it only afterwards.
  absl::Status Together(const std::function<void()>& body) override {
    Tables before;
    {
      MutexLock lock(mutex_);
      before = tables_;
    }
    body();
    MutexLock lock(mutex_);
    if (tables_.writes == before.writes || group_faults_.empty()) return absl::OkStatus();
    const Fault fault = group_faults_.front();
    group_faults_.pop_front();
    if (fault == Fault::kNotWritten) {
      tables_ = std::move(before);
      return absl::ResourceExhaustedError("disk full");
    }
    return fault == Fault::kNone ? absl::OkStatus() : absl::UnavailableError("the answer got lost");
  }

  // ---- StateRepository ----

  absl::StatusOr<Created> CreateExperiment(const ExperimentRecord& experiment,
                                           const std::vector<RunRecord>& runs) override {
    MutexLock lock(mutex_);
    for (const auto& [id, known] : tables_.experiments) {
      if (known.request_id == experiment.request_id) return Created{id, false};
    }
    if (tables_.experiments.count(experiment.id) > 0) return absl::AlreadyExistsError(experiment.id);
    tables_.experiments[experiment.id] = experiment;
    tables_.order.push_back(experiment.id);
    for (const RunRecord& run : runs) {
      tables_.run_order[experiment.id].push_back(run.id);
      tables_.runs[run.id] = run;
    }
    ++tables_.writes;
    return Created{experiment.id, true};
  }

  absl::Status Commit(const StateChange& change) override {
    MutexLock lock(mutex_);
    Fault fault = Fault::kNone;
    if (!faults_.empty()) {
      fault = faults_.front();
      faults_.pop_front();
    }
    if (fault == Fault::kNotWritten) return absl::ResourceExhaustedError("disk full");
    QL_RETURN_IF_ERROR(Write(change));
    ++commits_;
    ++tables_.writes;
    return fault == Fault::kWrittenButFailed ? absl::UnavailableError("the answer got lost")
                                             : absl::OkStatus();
  }

  absl::StatusOr<ExperimentRecord> GetExperiment(const std::string& id) override {
    MutexLock lock(mutex_);
    if (fail_reads_) return absl::UnavailableError("busy");
    const auto it = tables_.experiments.find(id);
    if (it == tables_.experiments.end()) return absl::NotFoundError(absl::StrCat("no experiment ", id));
    return it->second;
  }

  absl::StatusOr<std::optional<ExperimentRecord>> FindExperimentByRequest(
      const std::string& request_id) override {
    MutexLock lock(mutex_);
    for (const auto& [id, known] : tables_.experiments) {
      if (known.request_id == request_id) return known;
    }
    return std::nullopt;
  }

  absl::StatusOr<Page<ExperimentRecord>> ListExperiments(const ExperimentFilter&, int,
                                                         const std::string&) override {
    MutexLock lock(mutex_);
    Page<ExperimentRecord> page;
    for (auto it = tables_.order.rbegin(); it != tables_.order.rend(); ++it)
      page.items.push_back(tables_.experiments[*it]);
    return page;
  }

  absl::StatusOr<RunRecord> GetRun(const std::string& run_id) override {
    MutexLock lock(mutex_);
    const auto it = tables_.runs.find(run_id);
    if (it == tables_.runs.end()) return absl::NotFoundError(absl::StrCat("no run ", run_id));
    return it->second;
  }

  absl::StatusOr<std::vector<RunRecord>> ListRuns(const std::string& experiment_id) override {
    MutexLock lock(mutex_);
    if (fail_reads_) return absl::UnavailableError("busy");
    if (tables_.experiments.count(experiment_id) == 0)
      return absl::NotFoundError(absl::StrCat("no experiment ", experiment_id));
    return RunsOf(experiment_id);
  }

  absl::StatusOr<std::vector<RunRecord>> ListActiveRuns() override {
    MutexLock lock(mutex_);
    std::vector<RunRecord> active;
    for (const std::string& id : tables_.order) {
      if (tables_.experiments[id].state != ExperimentState::kActive) continue;
      for (RunRecord& run : RunsOf(id)) active.push_back(std::move(run));
    }
    return active;
  }

  absl::StatusOr<std::vector<AttemptRecord>> ListAttempts(const std::string& run_id) override {
    MutexLock lock(mutex_);
    std::vector<AttemptRecord> found;
    for (const auto& [key, attempt] : tables_.attempts) {
      if (key.run_id == run_id) found.push_back(attempt);
    }
    return found;
  }

  absl::StatusOr<AttemptRecord> GetAttempt(const AttemptKey& key) override {
    MutexLock lock(mutex_);
    const auto it = tables_.attempts.find(key);
    if (it == tables_.attempts.end()) return absl::NotFoundError("no such attempt");
    return it->second;
  }

  absl::StatusOr<std::optional<AttemptKey>> FindReusable(const std::string& key) override {
    MutexLock lock(mutex_);
    const auto it = tables_.reuse.find(key);
    if (it == tables_.reuse.end()) return std::nullopt;
    return it->second;
  }

  absl::Status SaveWorker(const WorkerRecord& worker) override {
    MutexLock lock(mutex_);
    tables_.workers[worker.id] = worker;
    ++tables_.writes;
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<WorkerRecord>> ListWorkers() override {
    MutexLock lock(mutex_);
    std::vector<WorkerRecord> all;
    for (const auto& [id, worker] : tables_.workers) all.push_back(worker);
    return all;
  }

  // ---- WorkerModeRepository ----

  // Changes of modes fail while this is set.
  void FailModes(bool fail) {
    MutexLock lock(mutex_);
    fail_modes_ = fail;
  }

  absl::Status SetWorkerMode(const WorkerModeRecord& record) override {
    MutexLock lock(mutex_);
    if (fail_modes_) return absl::ResourceExhaustedError("disk full");
    tables_.modes.erase(record.worker_id);
    if (record.mode != WorkerMode::kActive) tables_.modes[record.worker_id] = record;
    ++tables_.writes;
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<WorkerModeRecord>> ListWorkerModes() override {
    MutexLock lock(mutex_);
    std::vector<WorkerModeRecord> all;
    for (const auto& [id, record] : tables_.modes) all.push_back(record);
    return all;
  }

  // ---- EventRepository ----

  absl::StatusOr<int64_t> AppendEvents(const AttemptKey& key, const std::vector<Event>& events) override {
    MutexLock lock(mutex_);
    const auto it = tables_.attempts.find(key);
    if (it == tables_.attempts.end() || it->second.state != RunState::kRunning)
      return absl::AbortedError("fenced");
    for (const Event& event : events) {
      if (event.number <= it->second.last_event) continue;
      if (event.number != it->second.last_event + 1) return absl::OutOfRangeError("a gap");
      it->second.last_event = event.number;
      tables_.events[key].push_back(event);
      const auto* const artifact = std::get_if<Artifact>(&event.kind);
      if (artifact != nullptr && IsCheckpointName(artifact->name)) StoreCheckpoint(key, *artifact);
    }
    return it->second.last_event;
  }

  absl::StatusOr<std::vector<Change>> ReadChanges(const std::string&, int64_t, int, int64_t) override {
    return std::vector<Change>{};
  }
  absl::StatusOr<Page<LogEntry>> ListLogs(const LogFilter&, int, const std::string&) override {
    return Page<LogEntry>{};
  }
  absl::StatusOr<std::vector<Event>> ListResultEvents(const AttemptKey& key) override {
    MutexLock lock(mutex_);
    return tables_.events[key];
  }
  absl::StatusOr<std::optional<LatestProgress>> GetProgress(const AttemptKey&) override {
    return std::nullopt;
  }
  absl::StatusOr<std::vector<Artifact>> ListArtifacts(const AttemptKey& key) override {
    MutexLock lock(mutex_);
    return tables_.artifacts[key];
  }

 private:
  std::vector<RunRecord> RunsOf(const std::string& experiment_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::vector<RunRecord> found;
    for (const std::string& id : tables_.run_order[experiment_id]) found.push_back(tables_.runs[id]);
    return found;
  }

  // On copies, so that a refused change leaves nothing behind.
  absl::Status Write(const StateChange& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    auto runs = tables_.runs;
    auto attempts = tables_.attempts;
    if (change.start_attempt) {
      const AttemptKey& key = change.start_attempt->key;
      if (key.number != runs[key.run_id].attempts + 1) return absl::AbortedError("wrong attempt number");
      attempts[key] = *change.start_attempt;
      runs[key.run_id].attempts = key.number;
    }
    if (change.end_attempt) {
      const auto it = attempts.find(change.end_attempt->key);
      if (it == attempts.end() || it->second.state != RunState::kRunning)
        return absl::AbortedError("not running");
      if (change.end_attempt->last_event >= 0 && it->second.last_event != change.end_attempt->last_event) {
        return absl::FailedPreconditionError("events are missing");
      }
      it->second.state = change.end_attempt->outcome;
      it->second.message = change.end_attempt->message;
      it->second.coded_message = change.end_attempt->coded_message;
      it->second.end_time = change.end_attempt->time;
    }
    std::string experiment;
    for (const RunTransition& step : change.runs) {
      QL_RETURN_IF_ERROR(Step(step, change.time, runs));
      experiment = runs[step.run_id].experiment_id;
    }
    for (const CancelRequest& request : change.cancel_requests) {
      if (runs[request.run_id].state != RunState::kRunning) return absl::AbortedError("not running");
      runs[request.run_id].cancel_requested = true;
      runs[request.run_id].message = request.message;
      runs[request.run_id].coded_message = request.coded_message;
    }
    tables_.runs = std::move(runs);
    tables_.attempts = std::move(attempts);
    if (change.end_attempt) {
      for (const Artifact& artifact : change.end_attempt->artifacts) {
        // Checkpoints are stored with their events.
        if (!IsCheckpointName(artifact.name)) tables_.artifacts[change.end_attempt->key].push_back(artifact);
      }
    }
    for (const RunTransition& step : change.runs) {
      if (IsEnded(step.to)) DropCheckpoints(step.run_id);
    }
    if (change.remember) tables_.reuse[change.remember->key] = change.remember->attempt;
    if (!experiment.empty()) Derive(experiment);
    return absl::OkStatus();
  }

  static absl::Status Step(const RunTransition& step, absl::Time now,
                           std::map<std::string, RunRecord>& runs) {
    const auto it = runs.find(step.run_id);
    if (it == runs.end()) return absl::NotFoundError(step.run_id);
    RunRecord& run = it->second;
    if (run.state != step.from || !CanTransition(step.from, step.to)) {
      return absl::AbortedError(absl::StrCat(step.run_id, " is ", std::string(RunStateName(run.state))));
    }
    run.state = step.to;
    run.message = step.message;
    run.coded_message = step.coded_message;
    run.result = step.result;
    run.reused = step.reused;
    run.crashes = step.crashes;
    run.interruptions = step.interruptions;
    run.cancel_requested = false;
    if (step.to == RunState::kQueued) run.queue_time = now;
    if (step.to == RunState::kRunning && !run.start_time) run.start_time = now;
    run.end_time = IsEnded(step.to) ? std::optional<absl::Time>(now) : std::nullopt;
    return absl::OkStatus();
  }

  // As many as there are: that older ones are dropped is for the conformance suite of storage.
  void StoreCheckpoint(const AttemptKey& key, const Artifact& checkpoint)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!IsSha256Hex(checkpoint.sha256) || checkpoint.size < 0) return;
    std::vector<Artifact>& artifacts = tables_.artifacts[key];
    std::erase_if(artifacts, [&](const Artifact& known) { return known.name == checkpoint.name; });
    artifacts.push_back(checkpoint);
  }

  void DropCheckpoints(const std::string& run_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (auto& [key, artifacts] : tables_.artifacts) {
      if (key.run_id != run_id) continue;
      std::erase_if(artifacts, [](const Artifact& artifact) { return IsCheckpointName(artifact.name); });
    }
  }

  void Derive(const std::string& experiment) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::vector<RunState> states;
    for (const RunRecord& run : RunsOf(experiment)) states.push_back(run.state);
    tables_.experiments[experiment].state = DeriveExperimentState(states);
  }

  struct Tables {
    std::map<std::string, ExperimentRecord> experiments;
    std::vector<std::string> order;
    std::map<std::string, RunRecord> runs;
    std::map<std::string, std::vector<std::string>> run_order;
    std::map<AttemptKey, AttemptRecord> attempts;
    std::map<AttemptKey, std::vector<Event>> events;
    std::map<AttemptKey, std::vector<Artifact>> artifacts;
    std::map<std::string, AttemptKey> reuse;
    std::map<std::string, WorkerRecord> workers;
    std::map<std::string, WorkerModeRecord> modes;
    int writes = 0;
  };

  Mutex mutex_;
  Tables tables_ ABSL_GUARDED_BY(mutex_);
  bool fail_modes_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Fault> faults_ ABSL_GUARDED_BY(mutex_);
  std::deque<Fault> group_faults_ ABSL_GUARDED_BY(mutex_);
  bool fail_reads_ ABSL_GUARDED_BY(mutex_) = false;
  int commits_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Knows which artifacts are there, and nothing else.
class MemoryArtifacts : public ArtifactStore {
 public:
  void Put(const std::string& sha256, int64_t size) {
    MutexLock lock(mutex_);
    sizes_[sha256] = size;
  }
  void Remove(const std::string& sha256) {
    MutexLock lock(mutex_);
    sizes_.erase(sha256);
  }

  absl::StatusOr<Stat> GetStat(const std::string& sha256) override {
    MutexLock lock(mutex_);
    const auto it = sizes_.find(sha256);
    if (it == sizes_.end()) return Stat{};
    return Stat{true, it->second};
  }
  absl::StatusOr<std::unique_ptr<Writer>> OpenWriter(const std::string&, int64_t, int64_t) override {
    return absl::UnimplementedError("MemoryArtifacts holds no content");
  }
  absl::StatusOr<std::unique_ptr<Reader>> OpenReader(const std::string&) override {
    return absl::UnimplementedError("MemoryArtifacts holds no content");
  }
  absl::Status SetAside(const std::string& sha256) override {
    Remove(sha256);
    return absl::OkStatus();
  }

 private:
  Mutex mutex_;
  std::map<std::string, int64_t> sizes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace quantlab

#endif  // QUANTLAB_TESTS_FAKES_MEMORY_REPOSITORY_H_
