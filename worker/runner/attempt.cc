#include "worker/runner/attempt.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/messages/checkpoint.h"
#include "base/messages/message_catalogue.h"
#include "base/records/checkpoint_names.h"
#include "base/status_macros.h"
#include "worker/engine/measure/devices.h"
#include "worker/engine/measure/environment.h"
#include "worker/engine/measure/self_test.h"
#include "worker/engine/train/checkpoints.h"
#include "worker/runner/job_json.h"
#include "worker/runner/runner_environment.h"

namespace quantlab::runner {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// Often enough to watch, rarely enough for a spool.
constexpr std::chrono::milliseconds kReportInterval(500);

Json MetricToJson(const Metric& metric) {
  Json json = {
      {"name", metric.name}, {"value", metric.value}, {"unit", metric.unit}, {"labels", metric.labels}};
  if (metric.step != 0) json["step"] = metric.step;
  if (metric.low) json["low"] = *metric.low;
  if (metric.high) json["high"] = *metric.high;
  if (metric.samples != 0) json["samples"] = metric.samples;
  return json;
}

// Results are equal to the bit where both are: kernels, libraries and threads, and the runner's own code.
std::string ExecutedBy(const Environment& environment) {
  constexpr size_t kDigits = 16;
  const auto runner = environment.facts.find("runner_sha256");
  return absl::StrCat(environment.fingerprint, "/",
                      runner == environment.facts.end() ? "" : runner->second.substr(0, kDigits));
}

absl::Status SendEnvironment(Attempt& attempt, const Environment& environment) {
  attempt.Send(environment);
  const Json json = {{"fingerprint", environment.fingerprint}, {"facts", environment.facts}};
  return attempt.WriteArtifact("environment.json",
                               json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

// A CPU that computes wrongly is found by nothing that it computes itself. Whatever a GPU fails by, the run
// is not to blame: DATA_LOSS lets another worker execute it.
absl::Status TestAccelerator(const Device& device) {
  if (device.is_cpu()) return absl::OkStatus();
  const absl::Status tested = engine::TestDevice(device);
  return tested.ok() ? tested : absl::DataLossError(tested.message());
}

absl::Status CheckOutputFolder(const std::string& folder) {
  QL_RETURN_IF_ERROR(MakeDirectories(folder));
  std::error_code error;
  if (!fs::is_empty(folder, error) || error) {
    return absl::InvalidArgumentError(absl::StrCat(folder, ": the output folder must be empty"));
  }
  return absl::OkStatus();
}

}  // namespace

Attempt::Attempt(const Job* job, EventSink sink, std::function<bool()> should_stop,
                 CheckpointSettings settings)
    : job_(job),
      sink_(std::move(sink)),
      should_stop_(std::move(should_stop)),
      checkpoint_settings_(std::move(settings)) {}

Attempt::~Attempt() = default;

void Attempt::Warn(const std::string& code, const Message& message) {
  const std::string text = English(message);
  Send(Caveat{code, text, message});
  Send(LogLine{Severity::kWarning, text, message});
}

bool Attempt::Report(const Message& phase, int64_t done, int64_t total, const std::string& unit) {
  const auto now = std::chrono::steady_clock::now();
  if (!(phase == last_phase_) || done == total || now - last_report_ >= kReportInterval) {
    last_phase_ = phase;
    last_report_ = now;
    Send(Progress{English(phase), done, total, unit, phase});
  }
  return !ShouldStop();
}

void Attempt::Record(Metric metric) {
  Send(metric);
  metrics_.push_back(std::move(metric));
}

absl::Status Attempt::WriteArtifact(const std::string& name, const std::string& content) {
  QL_RETURN_IF_ERROR(MakeDirectories(DirectoryOf(OutputPath(name))));
  QL_RETURN_IF_ERROR(WriteFileAtomically(OutputPath(name), content));
  Send(Artifact{name, "", 0});
  return absl::OkStatus();
}

absl::Status Attempt::AnnounceFolder(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(OutputPath(folder), error)) {
    if (entry.is_regular_file())
      names.push_back(fs::relative(entry.path(), job_->output_folder).generic_string());
  }
  if (error) return absl::InternalError(absl::StrCat(OutputPath(folder), ": ", error.message()));
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) Send(Artifact{name, "", 0});
  return absl::OkStatus();
}

absl::Status Attempt::WriteMetrics() {
  Json metrics = Json::array();
  for (const Metric& metric : metrics_) metrics.push_back(MetricToJson(metric));
  const Json json = {{"version", 1}, {"metrics", metrics}};
  return WriteArtifact("metrics.json", json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

void Attempt::ReportResumed(const engine::TrainingState& state, const std::string& executed_by) {
  const auto step = static_cast<int64_t>(state.steps.size());
  const Message resumed = messages::kTrainingResumed(step, state.total_steps, state.attempt,
                                                     absl::Milliseconds(std::llround(1e3 * state.seconds)));
  Send(LogLine{Severity::kInfo, English(resumed), resumed});
  std::vector<std::string> others = state.executed_by;
  std::erase(others, executed_by);
  if (others.empty()) return;
  Warn("resumed_elsewhere",
       messages::kTrainingResumedElsewhere(step, state.total_steps, others, executed_by));
}

void Attempt::OpenCheckpoints(const Environment& environment) {
  const CheckpointSettings& settings = checkpoint_settings_;
  if (settings.interval_seconds <= 0 && settings.resume_from.empty()) return;
  const auto warn = [this](const Message& message) {
    Send(LogLine{Severity::kWarning, English(message), message});
  };
  engine::Checkpoints::Options options;
  if (settings.interval_seconds > 0) options.folder = OutputPath(kCheckpointFolder);
  options.interval_seconds = settings.interval_seconds;
  options.resume_from = settings.resume_from;
  options.executed_by = ExecutedBy(environment);
  options.attempt = job_->attempt;
  options.on_written = [this](const std::string& name) {
    Send(Artifact{absl::StrCat(kCheckpointFolder, "/", name), "", 0});
  };
  options.on_resumed = [this, executed_by = options.executed_by](const engine::TrainingState& state) {
    ReportResumed(state, executed_by);
  };
  options.on_refused = [warn](const absl::Status& why) {
    warn(messages::kCheckpointRefused(MessageOf(why)));
  };
  options.on_failed = [warn](const absl::Status& why) {
    warn(messages::kCheckpointNotWritten(MessageOf(why)));
  };
  checkpoints_ = std::make_unique<engine::Checkpoints>(std::move(options));
}

void Attempt::RemoveCheckpoints() {
  std::error_code error;
  fs::remove_all(OutputPath(kCheckpointFolder), error);
}

namespace {

absl::Status RunKindOf(Attempt& attempt, const std::string& runner) {
  switch (attempt.config().kind) {
    case RunKind::kBaseline:
      return RunBaseline(attempt);
    case RunKind::kQuantization:
      return RunQuantization(attempt);
    case RunKind::kComparison:
      return RunComparison(attempt, runner);
  }
  return absl::InternalError("a run of no kind");
}

}  // namespace

absl::Status RunAttempt(Attempt& attempt, const std::string& runner) {
  QL_RETURN_IF_ERROR(CheckJob(attempt.job()));
  QL_RETURN_IF_ERROR(engine::CheckDevice(attempt.device()));
  QL_RETURN_IF_ERROR(CheckOutputFolder(attempt.job().output_folder));
  const int threads = engine::SetUpDeterminism(attempt.config().threads, attempt.config().seed);
  QL_RETURN_IF_ERROR(TestAccelerator(attempt.device()));
  const Environment environment = DescribeRunner(attempt.device(), threads);
  QL_RETURN_IF_ERROR(SendEnvironment(attempt, environment));
  attempt.OpenCheckpoints(environment);
  const absl::Status status = RunKindOf(attempt, runner);
  if (absl::IsCancelled(status) && attempt.checkpoints() != nullptr) attempt.checkpoints()->WriteFinal();
  QL_RETURN_IF_ERROR(status);
  attempt.RemoveCheckpoints();
  return attempt.WriteMetrics();
}

}  // namespace quantlab::runner
