#include "worker/agent/log.h"

#include <nlohmann/json.hpp>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ansicolor_sink.h>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/records.h"
#include "worker/agent/runner_events.h"

namespace quantlab::agent {
namespace {

// A value of logfmt: quoted where it has more than plain characters.
std::string Value(const std::string& text) {
  if (!text.empty() && text.find_first_of(" \"=\t\n") == std::string::npos) return text;
  return nlohmann::json(CleanText(text, 4096)).dump();
}

}  // namespace

Log Log::ForAttempt(const std::string& run_id, int64_t attempt) const {
  Log log = *this;
  const auto [experiment, run] = SplitRunId(run_id);
  log.fields_.emplace_back("experiment", experiment);
  log.fields_.emplace_back("run", run);
  log.fields_.emplace_back("attempt", absl::StrCat(attempt));
  return log;
}

void Log::Write(spdlog::level::level_enum level, absl::string_view message) const {
  if (logger_ == nullptr || !logger_->should_log(level)) return;
  const std::string clean = CleanText(message, 16384);
  std::string line;
  if (format_ == LogFormat::kJson) {
    nlohmann::ordered_json json;
    json["message"] = clean;
    for (const auto& [name, value] : fields_) json[name] = value;
    // The pattern has opened the object; the braces of this one become its middle.
    line = json.dump().substr(1);
  } else {
    line = clean;
    for (const auto& [name, value] : fields_) absl::StrAppend(&line, " ", name, "=", Value(value));
  }
  logger_->log(level, spdlog::string_view_t(line.data(), line.size()));
}

absl::StatusOr<Log> MakeLog(const std::string& level, const std::string& format) {
  if (level != "debug" && level != "info" && level != "warning" && level != "error") {
    return absl::InvalidArgumentError(
        absl::StrCat("--log-level ", level, ": allowed are debug, info, warning, error"));
  }
  if (format != "text" && format != "json") {
    return absl::InvalidArgumentError(absl::StrCat("--log-format ", format, ": allowed are text, json"));
  }
  const bool json = format == "json";
  auto logger = std::make_shared<spdlog::logger>("quant-worker",
                                                 std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>());
  logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","program":"quant-worker",%v)"
           : "%Y-%m-%dT%H:%M:%S.%eZ %l quant-worker %v",
      spdlog::pattern_time_type::utc));
  logger->set_level(spdlog::level::from_str(level));
  logger->flush_on(spdlog::level::debug);
  return Log(std::move(logger), json ? LogFormat::kJson : LogFormat::kText);
}

void OutageLog::Failed(const absl::Status& why) {
  MutexLock lock(mutex_);
  if (away_) return;
  away_ = true;
  log_.Warn(absl::StrCat("the coordinator does not answer (", why.ToString(),
                         "); going on, and trying again until it does"));
}

void OutageLog::Answered() {
  MutexLock lock(mutex_);
  if (!away_) return;
  away_ = false;
  log_.Info("the coordinator answers again");
}

}  // namespace quantlab::agent
