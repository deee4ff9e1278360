// Structured log lines: a sentence and its fields, as text (logfmt) or JSON.
//
//   2026-01-02T03:04:05.678Z info quant-worker the runner started experiment=quick-k3f9a2 run=baseline
//   attempt=1
#ifndef QUANTLAB_WORKER_AGENT_LOG_H_
#define QUANTLAB_WORKER_AGENT_LOG_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/logger.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"

namespace quantlab::agent {

enum class LogFormat { kText, kJson };

// A logger and the fields that each of its lines carries. Cheap to copy.
// Threads: safe.
class Log {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  // Says nothing.
  Log() = default;
  Log(std::shared_ptr<spdlog::logger> logger, LogFormat format)
      : logger_(std::move(logger)), format_(format) {}

  // The same with experiment, run and attempt on each line.
  Log ForAttempt(const std::string& run_id, int64_t attempt) const;

  void Debug(absl::string_view message) const { Write(spdlog::level::debug, message); }
  void Info(absl::string_view message) const { Write(spdlog::level::info, message); }
  void Warn(absl::string_view message) const { Write(spdlog::level::warn, message); }
  void Error(absl::string_view message) const { Write(spdlog::level::err, message); }

 private:
  void Write(spdlog::level::level_enum level, absl::string_view message) const;

  std::shared_ptr<spdlog::logger> logger_;
  LogFormat format_ = LogFormat::kText;
  Fields fields_;
};

// The fields in order, as one line without its end.
std::string FormatLine(LogFormat format, const Log::Fields& fields);

// To standard error. `level`: debug, info, warning, error.
// Errors: INVALID_ARGUMENT names the allowed levels and formats.
absl::StatusOr<Log> MakeLog(const std::string& level, const std::string& format);

// Whether the coordinator is there, told once when it goes and once when it comes back, whoever of the
// agent's threads notices.
// Threads: safe.
class OutageLog {
 public:
  explicit OutageLog(Log log) : log_(std::move(log)) {}
  void Failed(const absl::Status& why);
  void Answered();

 private:
  const Log log_;
  Mutex mutex_;
  bool away_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_LOG_H_
