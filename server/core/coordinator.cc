#include "server/core/coordinator.h"

#include <algorithm>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/status_macros.h"
#include "server/core/attempt_words.h"

namespace quantlab {
namespace {

// A group is answered as a whole: more changes in it would have the first of them wait longer.
constexpr size_t kMaxGroup = 64;

}  // namespace

Coordinator::Coordinator(const CoordinatorParts& parts, const CoordinatorOptions& options)
    : parts_(parts), state_(parts, options) {}

// ---- changes and their groups --------------------------------------------------------------------------

template <typename Body>
auto Coordinator::Locked(Body&& body) {
  Outbox outbox;
  const auto locked = [&] {
    MutexLock lock(mutex_);
    RenewReported();
    auto result = body(state_);
    outbox = state_.TakeOutbox();
    for (const auto& report : outbox.reports) report(*parts_.observer);
    if (outbox.commits > 0) parts_.observer->OnCommit(outbox.commit_time, absl::OkStatus());
    return result;
  };
  auto result = locked();
  Publish(std::move(outbox), absl::OkStatus());
  return result;
}

template <typename Body>
auto Coordinator::Changing(Body&& body) {
  using Result = decltype(body(std::declval<CoordinatorState&>()));
  std::optional<Result> result;
  Change change{[&](CoordinatorState& state) { result.emplace(body(state)); }};
  MakeChange(change);
  Publish(std::move(change.outbox), change.committed);
  if (change.exception) std::rethrow_exception(change.exception);
  // Other results are passed on by answers, which have the error.
  if constexpr (std::is_constructible_v<Result, absl::Status>) {
    if (!change.committed.ok()) return Result(change.committed);
  }
  return *std::move(result);
}

void Coordinator::Publish(Outbox outbox, const absl::Status& committed) {
  for (Outbox::Answer& answer : outbox.answers) {
    if (committed.ok()) {
      answer.done(std::move(answer.answer));
    } else {
      answer.done(committed);
    }
  }
  if (!committed.ok()) return;
  for (const std::string& experiment : outbox.changed) feed_.Notify(experiment);
}

// As Database::Write: the first that comes makes the changes of all that wait, until its own is made.
void Coordinator::MakeChange(Change& change) {
  std::vector<Change*> group;
  {
    MutexLock lock(changes_mutex_);
    changes_.push_back(&change);
    while (!change.done && making_) turn_.Wait(changes_mutex_);
    if (change.done) return;
    making_ = true;
    group = TakeGroup();
  }
  while (true) {
    MakeGroup(group);
    MutexLock lock(changes_mutex_);
    for (Change* made : group) made->done = true;
    turn_.NotifyAll();
    if (change.done) {
      making_ = false;
      return;
    }
    group = TakeGroup();
  }
}

std::vector<Coordinator::Change*> Coordinator::TakeGroup() {
  const size_t count = std::min(changes_.size(), kMaxGroup);
  std::vector<Change*> group(changes_.begin(), changes_.begin() + static_cast<ptrdiff_t>(count));
  changes_.erase(changes_.begin(), changes_.begin() + static_cast<ptrdiff_t>(count));
  return group;
}

void Coordinator::MakeGroup(const std::vector<Change*>& group) noexcept {
  MutexLock lock(mutex_);
  RenewReported();
  CoordinatorState* const state = &state_;
  absl::Duration commit_time, made;
  int commits = 0;
  const absl::Status committed = Together([&] {
    for (Change* change : group) {
      try {
        change->make(*state);
      } catch (...) {
        change->exception = std::current_exception();  // the caller's own thread throws it again
      }
      change->outbox = state->TakeOutbox();
      commits += change->outbox.commits;
      commit_time += change->outbox.commit_time;
    }
    made = parts_.clock->Monotonic();
  });
  if (commits > 0 || !committed.ok()) {
    parts_.observer->OnCommit(commit_time + parts_.clock->Monotonic() - made, committed);
  }
  for (Change* change : group) {
    change->committed = committed;
    if (!committed.ok()) state_.Undo(change->outbox);
    for (const auto& report : change->outbox.reports) {
      if (committed.ok()) report(*parts_.observer);
    }
  }
}

absl::Status Coordinator::Together(const std::function<void()>& body) {
  if (parts_.groups != nullptr) return parts_.groups->Together(body);
  body();
  return absl::OkStatus();
}

void Coordinator::RenewReported() {
  std::vector<std::pair<AttemptKey, absl::Duration>> renewals;
  {
    MutexLock lock(renewals_mutex_);
    renewals.swap(renewals_);
  }
  for (const auto& [attempt, time] : renewals) state_.Renew(attempt, time);
}

// ---- calls ---------------------------------------------------------------------------------------------

absl::Status Coordinator::Recover() {
  return Changing([](CoordinatorState& state) { return state.Recover(); });
}

absl::StatusOr<StateRepository::Created> Coordinator::Submit(const ExperimentRecord& experiment,
                                                             const std::vector<RunRecord>& runs,
                                                             const std::vector<Artifact>& uploads) {
  return Changing([&](CoordinatorState& state) -> absl::StatusOr<StateRepository::Created> {
    QL_RETURN_IF_ERROR(CheckArtifacts(*parts_.artifacts, uploads));
    return state.Submit(experiment, runs);
  });
}

absl::Status Coordinator::Cancel(const std::string& experiment_id, const std::string& run,
                                 const std::string& reason) {
  return Changing([&](CoordinatorState& state) { return state.Cancel(experiment_id, run, reason); });
}

absl::Status Coordinator::Retry(const std::string& experiment_id, const std::string& run) {
  return Changing([&](CoordinatorState& state) { return state.Retry(experiment_id, run); });
}

absl::StatusOr<Explanation> Coordinator::Explain(const std::string& run_id) {
  return Locked([&](CoordinatorState& state) { return state.Explain(run_id); });
}

std::vector<Message> Coordinator::Unplaceable(const std::vector<RunRecord>& runs) {
  return Locked([&](CoordinatorState& state) { return state.Unplaceable(runs); });
}

absl::Status Coordinator::Delete(const std::string& experiment_id,
                                 const std::function<absl::Status()>& mark) {
  return Locked([&](CoordinatorState& state) -> absl::Status {
    QL_RETURN_IF_ERROR(mark());
    state.Forget(experiment_id);
    return absl::OkStatus();
  });
}

absl::Status Coordinator::Exclusively(const std::function<absl::Status()>& body) {
  return Locked([&](CoordinatorState&) { return body(); });
}

int64_t Coordinator::Sync(const SyncCall& call, SyncDone done) {
  const auto sync = [&](CoordinatorState& state) { return state.Sync(call, std::move(done)); };
  // A worker that has a run says only that it is alive, and need not wait for the disk.
  return call.attempt ? Locked(sync) : Changing(sync);
}

void Coordinator::DropSync(int64_t id) {
  MutexLock lock(mutex_);
  state_.DropSync(id);
}

absl::StatusOr<int64_t> Coordinator::ReportEvents(const AttemptKey& attempt,
                                                  const std::vector<Event>& events) {
  {
    MutexLock lock(renewals_mutex_);
    renewals_.emplace_back(attempt, parts_.clock->Monotonic());
  }
  auto through = parts_.events->AppendEvents(attempt, events);
  if (through.ok()) {
    feed_.Notify(SplitRunId(attempt.run_id).first);
  } else if (absl::IsAborted(through.status())) {
    return Fenced(attempt);
  }
  return through;
}

absl::Status Coordinator::Finish(const AttemptEnd& end) {
  return Changing([&](CoordinatorState& state) -> absl::Status {
    QL_RETURN_IF_ERROR(CheckArtifacts(*parts_.artifacts, end.artifacts));
    return state.Finish(end);
  });
}

std::vector<WorkerStatus> Coordinator::Workers() {
  return Locked([](CoordinatorState& state) { return state.Workers(); });
}

absl::StatusOr<WorkerStatus> Coordinator::SetWorkerMode(const WorkerModeRecord& record) {
  return Locked([&](CoordinatorState& state) { return state.SetWorkerMode(record); });
}

absl::StatusOr<std::string> Coordinator::HolderOf(const AttemptKey& attempt) {
  return Locked([&](CoordinatorState& state) { return state.HolderOf(attempt); });
}

std::optional<AttemptKey> Coordinator::HeldBy(const std::string& worker_id) {
  return Locked([&](CoordinatorState& state) { return state.HeldBy(worker_id); });
}

absl::StatusOr<std::optional<Assignment>> Coordinator::AssignmentOf(const std::string& worker_id) {
  return Locked([&](CoordinatorState& state) { return state.AssignmentOf(worker_id); });
}

int64_t Coordinator::UnfinishedRunsOf(const std::string& submitter) {
  return Locked([&](CoordinatorState& state) { return state.UnfinishedRunsOf(submitter); });
}

void Coordinator::Tick() {
  Changing([](CoordinatorState& state) {
    state.Tick();
    return true;
  });
}

void Coordinator::StopWaiting() {
  Locked([](CoordinatorState& state) {
    state.StopWaiting();
    return true;
  });
}

CoordinatorStats Coordinator::Stats() {
  return Locked([](CoordinatorState& state) { return state.Stats(); });
}

}  // namespace quantlab
