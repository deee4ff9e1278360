#include "tests/fakes/fake_coordinator.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "tests/fakes/fake_services.h"

namespace quantlab::testing {
namespace {

constexpr absl::Duration kTestPatience = absl::Seconds(60);
constexpr int64_t kChunk = 1000;

// The next of the limits that a test gave, or none.
int64_t TakeCut(std::vector<int64_t>& cuts) {
  if (cuts.empty()) return INT64_MAX;
  const int64_t cut = cuts.front();
  cuts.erase(cuts.begin());
  return cut;
}

}  // namespace

FakeCoordinator::FakeCoordinator() = default;

FakeCoordinator::FakeCoordinator(const std::string& socket_path) {
  Serve(socket_path);
}

FakeCoordinator::~FakeCoordinator() {
  StopServing();
}

void FakeCoordinator::Serve(const std::string& socket_path) {
  socket_path_ = socket_path;
  services_ = std::make_unique<FakeServices>(this, address());
}

void FakeCoordinator::StopServing() {
  services_.reset();
}

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
  state_.artifacts[sha256] = content;
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
  return state_.artifacts;
}

v1::WorkerInfo FakeCoordinator::worker() {
  MutexLock lock(mutex_);
  return worker_;
}

absl::Status FakeCoordinator::Before(const std::string& call) {
  ++state_.calls;
  ++calls_[call];
  changed_.NotifyAll();
  if (away_) return absl::UnavailableError("away");
  if (!state_.failures.empty()) {
    const absl::Status failure = state_.failures.front();
    state_.failures.erase(state_.failures.begin());
    QL_RETURN_IF_ERROR(failure);
  }
  return fault_ ? fault_(call) : absl::OkStatus();
}

absl::Status FakeCoordinator::After(const std::string& call) {
  changed_.NotifyAll();
  return lost_answer_ ? lost_answer_(call) : absl::OkStatus();
}

absl::StatusOr<FakeCoordinator::Held*> FakeCoordinator::Live(const v1::AttemptRef& attempt) {
  const auto found = attempts_.find(KeyOf(attempt));
  if (found == attempts_.end()) return absl::NotFoundError("no such attempt");
  if (found->second.fenced) return absl::AbortedError("the lease was lost");
  return &found->second;
}

absl::StatusOr<v1::SyncResponse> FakeCoordinator::AnswerSync(const v1::SyncRequest& request,
                                                             const std::function<bool()>& cancelled) {
  const absl::Duration end = Clock::Real().Monotonic() + absl::Seconds(request.max_wait_seconds());
  MutexLock lock(mutex_);
  QL_RETURN_IF_ERROR(Before("Sync"));
  worker_ = request.worker();
  v1::SyncResponse response;
  response.set_lease_seconds(0.3);
  if (request.has_attempt()) {
    absl::StatusOr<Held*> state = Live(request.attempt());
    response.set_fenced(!state.ok() || (*state)->seen.finish.has_value());
    if (state.ok()) {
      ++(*state)->seen.syncs;
      response.set_cancel((*state)->cancel);
      if ((*state)->cancel) response.set_cancel_reason("cancelled by a test");
    }
  } else {
    while (request.wants_run() && queue_.empty() && !away_ && Clock::Real().Monotonic() < end) {
      if (cancelled && cancelled()) return absl::CancelledError("cancelled");
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

absl::StatusOr<int64_t> FakeCoordinator::AnswerReportEvents(const v1::ReportEventsRequest& request) {
  MutexLock lock(mutex_);
  QL_RETURN_IF_ERROR(Before("ReportEvents"));
  if (request.events_size() > 1000 || request.ByteSizeLong() > (2 << 20)) {
    return absl::InvalidArgumentError("too much at once");
  }
  QL_ASSIGN_OR_RETURN(Held * state, Live(request.attempt()));
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

absl::Status FakeCoordinator::AnswerFinishAttempt(const v1::FinishAttemptRequest& request) {
  MutexLock lock(mutex_);
  QL_RETURN_IF_ERROR(Before("FinishAttempt"));
  QL_ASSIGN_OR_RETURN(Held * state, Live(request.attempt()));
  if (request.last_number() != static_cast<int64_t>(state->seen.events.size())) {
    return absl::FailedPreconditionError("events are missing");
  }
  for (const v1::Artifact& artifact : request.artifacts()) {
    if (state_.artifacts.count(artifact.sha256()) == 0)
      return absl::FailedPreconditionError("an artifact is missing");
  }
  if (!state->seen.finish.has_value()) state->seen.finish = request;
  return After("FinishAttempt");
}

absl::StatusOr<std::vector<v1::ArtifactStat>> FakeCoordinator::AnswerStatArtifacts(
    const std::vector<std::string>& sha256) {
  MutexLock lock(mutex_);
  QL_RETURN_IF_ERROR(Before("StatArtifact"));
  std::vector<v1::ArtifactStat> stats;
  for (const std::string& digest : sha256) {
    v1::ArtifactStat& stat = stats.emplace_back();
    stat.set_sha256(digest);
    stat.set_present(state_.artifacts.count(digest) > 0);
    stat.set_size(static_cast<int64_t>(stat.present() ? state_.artifacts[digest].size()
                                                      : state_.partial[digest].size()));
  }
  return stats;
}

absl::StatusOr<int64_t> FakeCoordinator::AnswerUploadArtifact(const v1::UploadArtifactRequest& first,
                                                              const std::string& data) {
  const std::string& sha256 = first.sha256();
  MutexLock lock(mutex_);
  v1::UploadArtifactRequest& head = state_.uploads.emplace_back(first);
  head.clear_data();
  QL_RETURN_IF_ERROR(Before("UploadArtifact"));
  std::string& partial = state_.partial[sha256];
  if (first.offset() > static_cast<int64_t>(partial.size())) return absl::OutOfRangeError("a hole");
  partial.resize(static_cast<size_t>(first.offset()));
  partial += data.substr(0, static_cast<size_t>(upload_limit_));
  const int64_t cut = TakeCut(state_.cut_uploads_after);
  if (static_cast<int64_t>(partial.size()) > cut) partial.resize(static_cast<size_t>(cut));
  if (static_cast<int64_t>(partial.size()) < first.size()) return absl::UnavailableError("the stream broke");
  const std::string content = std::move(partial);
  state_.partial.erase(sha256);
  if (static_cast<int64_t>(content.size()) != first.size() || Sha256Hex(content) != sha256) {
    return absl::DataLossError("the digest is wrong");
  }
  state_.artifacts[sha256] = content;
  QL_RETURN_IF_ERROR(After("UploadArtifact"));
  return first.size();
}

absl::Status FakeCoordinator::AnswerDownloadArtifact(
    const v1::DownloadArtifactRequest& request,
    const std::function<absl::Status(const std::string& data)>& sink) {
  std::string content;
  int64_t cut = 0;
  {
    MutexLock lock(mutex_);
    state_.downloads.push_back(request);
    QL_RETURN_IF_ERROR(Before("DownloadArtifact"));
    if (state_.artifacts.count(request.sha256()) == 0) {
      return absl::NotFoundError(request.sha256() + " is unknown");
    }
    content = state_.artifacts[request.sha256()];
    cut = TakeCut(state_.cut_downloads_after);
    if (state_.damage_downloads && !content.empty()) content.back() ^= 1;
  }
  const auto size = static_cast<int64_t>(content.size());
  if (request.offset() > size) return absl::OutOfRangeError("beyond the end");
  for (int64_t at = request.offset(); at < size; at += kChunk) {
    if (at - request.offset() >= cut) return absl::UnavailableError("broken");
    QL_RETURN_IF_ERROR(sink(content.substr(static_cast<size_t>(at), kChunk)));
    MutexLock lock(mutex_);
    QL_RETURN_IF_ERROR(After("DownloadArtifact"));
  }
  return absl::OkStatus();
}

v1::Experiment MakeExperiment(const std::string& id, const std::vector<std::string>& runs) {
  v1::Experiment experiment;
  experiment.set_id(id);
  experiment.set_name(id.substr(0, id.rfind('-')));
  experiment.set_state(v1::EXPERIMENT_STATE_SUCCEEDED);
  experiment.set_report_language("both");
  experiment.mutable_create_time()->set_seconds(1'700'000'000);
  experiment.mutable_end_time()->set_seconds(1'700'000'060);
  v1::SourceFile* file = experiment.add_files();
  file->set_name("quick.yaml");
  file->set_content("experiments: {}\n");
  for (const std::string& name : runs) {
    v1::Run* run = experiment.add_runs();
    run->set_id(absl::StrCat(id, "/", name));
    run->set_folder(name);
    run->set_state(v1::RUN_STATE_SUCCEEDED);
    run->set_attempts(1);
    run->mutable_config()->set_experiment_id(id);
    run->mutable_config()->set_run_name(name);
    run->mutable_config()->set_variant(name);
    run->mutable_config()->set_kind(name == "baseline" ? v1::RUN_KIND_BASELINE : v1::RUN_KIND_QUANTIZATION);
    run->mutable_config()->set_device("cpu");
  }
  return experiment;
}

v1::WatchExperimentResponse RunChange(int64_t sequence, const std::string& run_id, v1::RunState state) {
  v1::WatchExperimentResponse change;
  change.set_sequence(sequence);
  change.set_run_id(run_id);
  change.set_run_state(state);
  change.mutable_time()->set_seconds(1'700'000'000 + sequence);
  return change;
}

v1::WatchExperimentResponse EndChange(int64_t sequence, v1::ExperimentState state) {
  v1::WatchExperimentResponse change;
  change.set_sequence(sequence);
  change.set_experiment_state(state);
  change.mutable_time()->set_seconds(1'700'000'000 + sequence);
  return change;
}

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace quantlab::testing
