#include "server/service/core_log.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace quantlab {
namespace {

std::string Name(RunState state) {
  return std::string(RunStateName(state));
}

std::string Seconds(absl::Duration duration) {
  return absl::StrFormat("%.3f", absl::ToDoubleSeconds(duration));
}

}  // namespace

void CoreLog::OnTransition(const RunRecord& run, RunState from) {
  LogFields fields = {{"from", Name(from)}, {"to", Name(run.state)}};
  if (!run.message.empty()) fields.emplace_back("why", run.message);
  log_->Write(LogLevel::kInfo, "run changed state", SubjectOf(run.id, run.attempts), fields);
  if (IsEnded(run.state)) metrics_->OnRunEnd(run.state, run.reused);
  if (run.state == RunState::kQueued && from == RunState::kRunning)
    metrics_->OnRetry(RetriedBy::kCoordinator);
  if (IsEnded(from)) metrics_->OnRetry(RetriedBy::kUser);
}

void CoreLog::OnStart(const AttemptRecord& attempt, const RunRecord&, absl::Duration waited) {
  log_->Write(
      LogLevel::kInfo, "attempt started", SubjectOf(attempt.key.run_id, attempt.key.number),
      {{"worker", attempt.worker_id}, {"host", attempt.worker_hostname}, {"waited_s", Seconds(waited)}});
  metrics_->OnQueueWait(waited);
}

void CoreLog::OnAttemptEnd(const AttemptRecord& attempt, RunState outcome, absl::Duration took,
                           const std::string& message) {
  LogFields fields = {{"outcome", Name(outcome)}, {"worker", attempt.worker_id}, {"took_s", Seconds(took)}};
  if (!message.empty()) fields.emplace_back("why", message);
  const LogLevel level = outcome == RunState::kSucceeded || outcome == RunState::kCancelled
                             ? LogLevel::kInfo
                             : LogLevel::kWarning;
  log_->Write(level, "attempt ended", SubjectOf(attempt.key.run_id, attempt.key.number), fields);
  metrics_->OnAttemptEnd(outcome, took);
}

void CoreLog::OnLeaseExpired(const AttemptKey& attempt) {
  log_->Write(LogLevel::kWarning, "a lease ran out", SubjectOf(attempt.run_id, attempt.number));
  metrics_->OnLeaseExpired();
}

void CoreLog::OnCommit(absl::Duration took, const absl::Status& status) {
  metrics_->OnCommit(took, status.ok());
  if (!status.ok()) OnBackgroundError("committing a change", status);
}

void CoreLog::OnBackgroundError(const std::string& what, const absl::Status& status) {
  log_->Write(LogLevel::kWarning, absl::StrCat(what, " failed"), {}, {{"error", status.ToString()}});
}

}  // namespace quantlab
