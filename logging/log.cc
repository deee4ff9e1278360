#include "logging/log.h"

#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/records/records.h"
#include "base/text/escape.h"
#include "base/text/utf8.h"

namespace quantlab {
namespace {

constexpr size_t kFileBytes = 10 << 20;
constexpr size_t kFiles = 5;
constexpr size_t kMaxValueBytes = 8192;

const char* LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "info";
}

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

bool NeedsQuotes(absl::string_view text) {
  if (text.empty()) return true;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == '"' || c == '=' || c == '\\' || c == 0x7f) return true;
  }
  return !IsValidUtf8({text.data(), text.size()});
}

void Append(bool json, absl::string_view key, absl::string_view value, std::string* line) {
  value = value.substr(0, kMaxValueBytes);
  if (json) {
    absl::StrAppend(line, line->empty() ? "" : ",", JsonQuote(key), ":", JsonQuote(value));
  } else {
    absl::StrAppend(line, line->empty() ? "" : " ", key, "=",
                    NeedsQuotes(value) ? JsonQuote(value) : std::string(value));
  }
}

}  // namespace

absl::Status ParseLogOptions(absl::string_view level, absl::string_view format, LogOptions* options) {
  bool known = false;
  for (const LogLevel candidate : {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
    if (level != LevelName(candidate)) continue;
    options->level = candidate;
    known = true;
  }
  if (!known) {
    return absl::InvalidArgumentError(
        absl::StrCat("--log-level ", level, ": allowed are debug, info, warning, error"));
  }
  if (format != "text" && format != "json") {
    return absl::InvalidArgumentError(absl::StrCat("--log-format ", format, ": allowed are text, json"));
  }
  options->json = format == "json";
  return absl::OkStatus();
}

struct Log::Sink {
  std::shared_ptr<spdlog::logger> logger;
};

Log::Log(const LogOptions& options, std::unique_ptr<Sink> sink)
    : json_(options.json), level_(options.level), sink_(std::move(sink)) {}

Log::~Log() {
  Flush();
}

absl::StatusOr<std::unique_ptr<Log>> Log::Open(const LogOptions& options) {
  auto sink = std::make_unique<Sink>();
  // The one border at which spdlog's exceptions stop.
  try {
    if (options.file.empty()) {
      sink->logger =
          std::make_shared<spdlog::logger>("quantlab", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    } else {
      sink->logger = std::make_shared<spdlog::logger>(
          "quantlab",
          std::make_shared<spdlog::sinks::rotating_file_sink_mt>(options.file, kFileBytes, kFiles));
    }
  } catch (const spdlog::spdlog_ex& e) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot write the log file ", options.file, ": ", e.what()));
  }
  sink->logger->set_pattern("%v");
  sink->logger->set_level(spdlog::level::trace);
  sink->logger->flush_on(spdlog::level::info);
  return std::unique_ptr<Log>(new Log(options, std::move(sink)));
}

void Log::Write(LogLevel level, absl::string_view message, const LogSubject& subject,
                const LogFields& fields) {
  if (!Shows(level)) return;
  const std::string time = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone());
  sink_->logger->log(ToSpdlog(level),
                     spdlog::string_view_t(FormatLogLine(json_, time, level, message, subject, fields)));
}

void Log::Flush() {
  sink_->logger->flush();
}

std::string FormatLogLine(bool json, absl::string_view time, LogLevel level, absl::string_view message,
                          const LogSubject& subject, const LogFields& fields) {
  std::string line;
  Append(json, "time", time, &line);
  Append(json, "level", LevelName(level), &line);
  Append(json, "msg", message, &line);
  if (!subject.experiment.empty()) Append(json, "experiment", subject.experiment, &line);
  if (!subject.run.empty()) Append(json, "run", subject.run, &line);
  if (subject.attempt > 0) Append(json, "attempt", absl::StrCat(subject.attempt), &line);
  for (const auto& [key, value] : fields) Append(json, key, value, &line);
  return json ? absl::StrCat("{", line, "}") : line;
}

LogSubject SubjectOf(const std::string& run_id, int64_t attempt) {
  auto [experiment, run] = SplitRunId(run_id);
  return {std::move(experiment), std::move(run), attempt};
}

}  // namespace quantlab
