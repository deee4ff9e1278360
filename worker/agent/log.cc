#include "worker/agent/log.h"

#include <nlohmann/json.hpp>
#include <spdlog/sinks/stdout_sinks.h>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/records.h"
#include "worker/agent/runner_events.h"

namespace quantlab::agent {
namespace {

// A value of logfmt: quoted where it has more than plain characters.
std::string Value(const std::string& text) {
  if (!text.empty() && text.find_first_of(" \"=\\\t\n") == std::string::npos) return text;
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
  const absl::string_view level_name(spdlog::level::to_string_view(level).data(),
                                     spdlog::level::to_string_view(level).size());
  Fields fields = {{"time", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone())},
                   {"level", std::string(level_name)},
                   {"msg", CleanText(message, 16384)}};
  fields.insert(fields.end(), fields_.begin(), fields_.end());
  const std::string line = FormatLine(format_, fields);
  logger_->log(level, spdlog::string_view_t(line.data(), line.size()));
}

std::string FormatLine(LogFormat format, const Log::Fields& fields) {
  if (format == LogFormat::kJson) {
    nlohmann::ordered_json json;
    for (const auto& [name, value] : fields) json[name] = value;
    return json.dump();
  }
  std::string line;
  for (const auto& [name, value] : fields) {
    absl::StrAppend(&line, line.empty() ? "" : " ", name, "=", Value(value));
  }
  return line;
}

absl::StatusOr<Log> MakeLog(const std::string& level, const std::string& format) {
  if (level != "debug" && level != "info" && level != "warning" && level != "error") {
    return absl::InvalidArgumentError(
        absl::StrCat("--log-level ", level, ": allowed are debug, info, warning, error"));
  }
  if (format != "text" && format != "json") {
    return absl::InvalidArgumentError(absl::StrCat("--log-format ", format, ": allowed are text, json"));
  }
  auto logger =
      std::make_shared<spdlog::logger>("quant-worker", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%v");
  logger->set_level(spdlog::level::from_str(level));
  logger->flush_on(spdlog::level::debug);
  return Log(std::move(logger), format == "json" ? LogFormat::kJson : LogFormat::kText);
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
