#include "worker/agent/program/testing/fake_coordinator.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "platform/files.h"

namespace quantlab::agent {
namespace {

constexpr absl::Duration kTestPatience = absl::Seconds(60);

}  // namespace

v1::AttemptRef FakeCoordinator::Queue(const std::string& run_name,
                                      const std::function<void(v1::Assignment&)>& change) {
  MutexLock lock(mutex_);
  v1::Assignment assignment;
  assignment.mutable_attempt()->set_run_id("test-abc123/" + run_name);
  int64_t number = 1;
  while (attempts_.count({assignment.attempt().run_id(), number}) > 0) ++number;
  assignment.mutable_attempt()->set_number(number);
  v1::RunConfig& config = *assignment.mutable_config();
  config.set_experiment_id("test-abc123");
  config.set_run_name(run_name);
  config.set_variant(run_name);
  config.set_kind(v1::RUN_KIND_QUANTIZATION);
  config.set_device("cpu");
  config.mutable_method()->set_name("dynamic_quantization");
  config.mutable_method()->set_version(1);
  if (change) change(assignment);
  attempts_[KeyOf(assignment.attempt())].assignment = assignment;
  queue_.push_back(KeyOf(assignment.attempt()));
  changed_.NotifyAll();
  return assignment.attempt();
}

void FakeCoordinator::Hold(const v1::Assignment& assignment) {
  MutexLock lock(mutex_);
  attempts_[KeyOf(assignment.attempt())].assignment = assignment;
}

void FakeCoordinator::Cancel(const v1::AttemptRef& attempt) {
  MutexLock lock(mutex_);
  attempts_[KeyOf(attempt)].cancel = true;
}

void FakeCoordinator::Fence(const v1::AttemptRef& attempt) {
  MutexLock lock(mutex_);
  attempts_[KeyOf(attempt)].fenced = true;
}

void FakeCoordinator::SetAway(bool away) {
  MutexLock lock(mutex_);
  away_ = away;
  changed_.NotifyAll();
}

void FakeCoordinator::SetFault(std::function<absl::Status(const std::string&)> fault) {
  MutexLock lock(mutex_);
  fault_ = std::move(fault);
}

void FakeCoordinator::SetLostAnswer(std::function<absl::Status(const std::string&)> fault) {
  MutexLock lock(mutex_);
  lost_answer_ = std::move(fault);
}

void FakeCoordinator::ForgetEvents(const v1::AttemptRef& attempt) {
  MutexLock lock(mutex_);
  attempts_[KeyOf(attempt)].seen.events.clear();
}

void FakeCoordinator::AddArtifact(const std::string& sha256, const std::string& content) {
  MutexLock lock(mutex_);
  artifacts_[sha256] = content;
}

void FakeCoordinator::SetUploadLimit(int64_t bytes_per_stream) {
  MutexLock lock(mutex_);
  upload_limit_ = bytes_per_stream;
}

FakeCoordinator::Seen FakeCoordinator::Look(const v1::AttemptRef& attempt) {
  MutexLock lock(mutex_);
  return attempts_[KeyOf(attempt)].seen;
}

FakeCoordinator::Seen FakeCoordinator::Await(const v1::AttemptRef& attempt,
                                             const std::function<bool(const Seen&)>& condition) {
  const absl::Duration end = Clock::Real().Monotonic() + kTestPatience;
  MutexLock lock(mutex_);
  while (!condition(attempts_[KeyOf(attempt)].seen)) {
    const absl::Duration left = end - Clock::Real().Monotonic();
    if (left <= absl::ZeroDuration()) {
      ADD_FAILURE() << "waited in vain for " << attempt.run_id();
      break;
    }
    changed_.WaitFor(mutex_, left);
  }
  return attempts_[KeyOf(attempt)].seen;
}

FakeCoordinator::Seen FakeCoordinator::AwaitFinish(const v1::AttemptRef& attempt) {
  Seen seen = Await(attempt, [](const Seen& s) { return s.finish.has_value(); });
  if (!seen.finish.has_value()) seen.finish.emplace();
  return seen;
}

void FakeCoordinator::AwaitCalls(const std::string& call, int more) {
  const absl::Duration end = Clock::Real().Monotonic() + kTestPatience;
  MutexLock lock(mutex_);
  const int wanted = calls_[call] + more;
  while (calls_[call] < wanted) {
    const absl::Duration left = end - Clock::Real().Monotonic();
    if (left <= absl::ZeroDuration()) {
      ADD_FAILURE() << "waited in vain for calls of " << call;
      return;
    }
    changed_.WaitFor(mutex_, left);
  }
}

int FakeCoordinator::Calls(const std::string& call) {
  MutexLock lock(mutex_);
  return calls_[call];
}

std::map<std::string, std::string> FakeCoordinator::artifacts() {
  MutexLock lock(mutex_);
  return artifacts_;
}

v1::WorkerInfo FakeCoordinator::worker() {
  MutexLock lock(mutex_);
  return worker_;
}

absl::Status FakeCoordinator::Before(const std::string& call) {
  ++calls_[call];
  changed_.NotifyAll();
  if (away_) return absl::UnavailableError("away");
  return fault_ ? fault_(call) : absl::OkStatus();
}

absl::Status FakeCoordinator::After(const std::string& call) {
  changed_.NotifyAll();
  return lost_answer_ ? lost_answer_(call) : absl::OkStatus();
}

absl::StatusOr<FakeCoordinator::State*> FakeCoordinator::Live(const v1::AttemptRef& attempt) {
  const auto found = attempts_.find(KeyOf(attempt));
  if (found == attempts_.end()) return absl::NotFoundError("no such attempt");
  if (found->second.fenced) return absl::AbortedError("the lease was lost");
  return &found->second;
}

absl::StatusOr<v1::SyncResponse> FakeCoordinator::Sync(const v1::SyncRequest& request,
                                                       CallCanceller* canceller) {
  const absl::Duration end = Clock::Real().Monotonic() + absl::Seconds(request.max_wait_seconds());
  MutexLock lock(mutex_);
  QL_RETURN_IF_ERROR(Before("Sync"));
  worker_ = request.worker();
  v1::SyncResponse response;
  response.set_lease_seconds(0.3);
  if (request.has_attempt()) {
    absl::StatusOr<State*> state = Live(request.attempt());
    response.set_fenced(!state.ok() || (*state)->seen.finish.has_value());
    if (state.ok()) {
      ++(*state)->seen.syncs;
      response.set_cancel((*state)->cancel);
      if ((*state)->cancel) response.set_cancel_reason("cancelled by a test");
    }
  } else {
    while (request.wants_run() && queue_.empty() && !away_ && Clock::Real().Monotonic() < end) {
      if (canceller != nullptr && canceller->cancelled()) return absl::CancelledError("cancelled");
      changed_.WaitFor(mutex_, absl::Milliseconds(10));
    }
    if (away_) return absl::UnavailableError("away");
    if (request.wants_run() && !queue_.empty()) {
      *response.mutable_assignment() = attempts_[queue_.front()].assignment;
      queue_.pop_front();
    }
  }
  QL_RETURN_IF_ERROR(After("Sync"));
  return response;
}

absl::StatusOr<int64_t> FakeCoordinator::ReportEvents(const v1::ReportEventsRequest& request,
                                                      CallCanceller*) {
  MutexLock lock(mutex_);
  QL_RETURN_IF_ERROR(Before("ReportEvents"));
  if (request.events_size() > 1000 || request.ByteSizeLong() > (2 << 20)) {
    return absl::InvalidArgumentError("too much at once");
  }
  QL_ASSIGN_OR_RETURN(State * state, Live(request.attempt()));
  std::vector<v1::Event>& events = state->seen.events;
  if (request.first_number() > static_cast<int64_t>(events.size()) + 1) return absl::OutOfRangeError("a gap");
  for (int i = 0; i < request.events_size(); ++i) {
    EXPECT_EQ(request.events(i).number(), request.first_number() + i);
    if (request.events(i).number() == static_cast<int64_t>(events.size()) + 1)
      events.push_back(request.events(i));
  }
  QL_RETURN_IF_ERROR(After("ReportEvents"));
  return static_cast<int64_t>(events.size());
}

absl::Status FakeCoordinator::FinishAttempt(const v1::FinishAttemptRequest& request, CallCanceller*) {
  MutexLock lock(mutex_);
  QL_RETURN_IF_ERROR(Before("FinishAttempt"));
  QL_ASSIGN_OR_RETURN(State * state, Live(request.attempt()));
  if (request.last_number() != static_cast<int64_t>(state->seen.events.size())) {
    return absl::FailedPreconditionError("events are missing");
  }
  for (const v1::Artifact& artifact : request.artifacts()) {
    if (artifacts_.count(artifact.sha256()) == 0)
      return absl::FailedPreconditionError("an artifact is missing");
  }
  if (!state->seen.finish.has_value()) state->seen.finish = request;
  return After("FinishAttempt");
}

absl::StatusOr<v1::ArtifactStat> FakeCoordinator::StatArtifact(const std::string& sha256, CallCanceller*) {
  MutexLock lock(mutex_);
  QL_RETURN_IF_ERROR(Before("StatArtifact"));
  v1::ArtifactStat stat;
  stat.set_sha256(sha256);
  stat.set_present(artifacts_.count(sha256) > 0);
  stat.set_size(static_cast<int64_t>(stat.present() ? artifacts_[sha256].size() : partial_[sha256].size()));
  return stat;
}

absl::StatusOr<int64_t> FakeCoordinator::UploadArtifact(const std::string& path, const std::string& sha256,
                                                        int64_t size, int64_t offset, CallCanceller*) {
  QL_ASSIGN_OR_RETURN(const std::string content, ReadFile(path, 1 << 30));
  MutexLock lock(mutex_);
  QL_RETURN_IF_ERROR(Before("UploadArtifact"));
  std::string& partial = partial_[sha256];
  if (offset > static_cast<int64_t>(partial.size())) return absl::OutOfRangeError("a hole");
  partial.resize(static_cast<size_t>(offset));
  partial += content.substr(static_cast<size_t>(offset), static_cast<size_t>(upload_limit_));
  if (static_cast<int64_t>(partial.size()) < size) return absl::UnavailableError("the stream broke");
  if (Sha256Hex(partial) != sha256) {
    partial_.erase(sha256);
    return absl::DataLossError("the digest is wrong");
  }
  artifacts_[sha256] = partial;
  partial_.erase(sha256);
  QL_RETURN_IF_ERROR(After("UploadArtifact"));
  return size;
}

absl::Status FakeCoordinator::DownloadArtifact(const std::string& sha256, int64_t offset,
                                               const std::function<absl::Status(const std::string&)>& sink,
                                               CallCanceller*) {
  std::string content;
  {
    MutexLock lock(mutex_);
    QL_RETURN_IF_ERROR(Before("DownloadArtifact"));
    if (artifacts_.count(sha256) == 0) return absl::NotFoundError("no such artifact");
    content = artifacts_[sha256];
  }
  if (offset > static_cast<int64_t>(content.size())) return absl::OutOfRangeError("beyond the end");
  while (offset < static_cast<int64_t>(content.size())) {
    const std::string chunk = content.substr(static_cast<size_t>(offset), 1000);
    QL_RETURN_IF_ERROR(sink(chunk));
    offset += static_cast<int64_t>(chunk.size());
    MutexLock lock(mutex_);
    QL_RETURN_IF_ERROR(After("DownloadArtifact"));
  }
  return absl::OkStatus();
}

}  // namespace quantlab::agent
