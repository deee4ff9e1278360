#include "worker/runner/attempt.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/message_catalogue.h"
#include "base/status_macros.h"
#include "worker/engine/measure/devices.h"
#include "worker/engine/measure/environment.h"
#include "worker/engine/measure/self_test.h"
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

absl::Status SendEnvironment(Attempt& attempt, int threads) {
  const Environment environment = DescribeRunner(attempt.device(), threads);
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

absl::Status RunAttempt(Attempt& attempt, const std::string& runner) {
  QL_RETURN_IF_ERROR(CheckJob(attempt.job()));
  QL_RETURN_IF_ERROR(engine::CheckDevice(attempt.device()));
  QL_RETURN_IF_ERROR(CheckOutputFolder(attempt.job().output_folder));
  const int threads = engine::SetUpDeterminism(attempt.config().threads, attempt.config().seed);
  QL_RETURN_IF_ERROR(TestAccelerator(attempt.device()));
  QL_RETURN_IF_ERROR(SendEnvironment(attempt, threads));
  switch (attempt.config().kind) {
    case RunKind::kBaseline:
      QL_RETURN_IF_ERROR(RunBaseline(attempt));
      break;
    case RunKind::kQuantization:
      QL_RETURN_IF_ERROR(RunQuantization(attempt));
      break;
    case RunKind::kComparison:
      QL_RETURN_IF_ERROR(RunComparison(attempt, runner));
      break;
  }
  return attempt.WriteMetrics();
}

}  // namespace quantlab::runner
