#include "server/core/coordinator.h"

#include <utility>

#include "base/status_macros.h"
#include "server/core/attempt_words.h"

namespace quantlab {

Coordinator::Coordinator(const CoordinatorParts& parts, const CoordinatorOptions& options)
    : parts_(parts), state_(parts, options) {}

template <typename Body>
auto Coordinator::Locked(Body&& body) {
  Outbox outbox;
  const auto locked = [&] {
    MutexLock lock(mutex_);
    auto result = body(state_);
    outbox = state_.TakeOutbox();
    return result;
  };
  auto result = locked();
  for (const auto& call : outbox.calls) call();
  for (const std::string& experiment : outbox.changed) feed_.Notify(experiment);
  return result;
}

absl::Status Coordinator::Recover() {
  return Locked([](CoordinatorState& state) { return state.Recover(); });
}

absl::StatusOr<StateRepository::Created> Coordinator::Submit(const ExperimentRecord& experiment,
                                                             const std::vector<RunRecord>& runs,
                                                             const std::vector<Artifact>& uploads) {
  return Locked([&](CoordinatorState& state) -> absl::StatusOr<StateRepository::Created> {
    QL_RETURN_IF_ERROR(CheckArtifacts(*parts_.artifacts, uploads));
    return state.Submit(experiment, runs);
  });
}

absl::Status Coordinator::Cancel(const std::string& experiment_id, const std::string& run,
                                 const std::string& reason) {
  return Locked([&](CoordinatorState& state) { return state.Cancel(experiment_id, run, reason); });
}

absl::Status Coordinator::Retry(const std::string& experiment_id, const std::string& run) {
  return Locked([&](CoordinatorState& state) { return state.Retry(experiment_id, run); });
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
  return Locked([&](CoordinatorState& state) { return state.Sync(call, std::move(done)); });
}

void Coordinator::DropSync(int64_t id) {
  MutexLock lock(mutex_);
  state_.DropSync(id);
}

absl::StatusOr<int64_t> Coordinator::ReportEvents(const AttemptKey& attempt,
                                                  const std::vector<Event>& events) {
  {
    MutexLock lock(mutex_);
    state_.Renew(attempt);
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
  return Locked([&](CoordinatorState& state) -> absl::Status {
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
  Locked([](CoordinatorState& state) {
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
