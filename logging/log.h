// Structured log lines, as key=value or as one JSON object each, with experiment, run and attempt on every
// line that is about one.
//
//   time=2026-01-02T03:04:05.678Z level=info msg="attempt started" experiment=quick-k3f9a2 run=baseline
//   attempt=1
#ifndef QUANTLAB_LOGGING_LOG_H_
#define QUANTLAB_LOGGING_LOG_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantlab {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

struct LogOptions {
  bool json = false;
  LogLevel level = LogLevel::kInfo;
  std::string file;  // rotated at 10 MB, five kept; empty: stderr
};

// Fills level and format from their names on the command line.
// Errors: INVALID_ARGUMENT names the option and the allowed values.
absl::Status ParseLogOptions(absl::string_view level, absl::string_view format, LogOptions* options);

// What a line is about; empty fields are left out.
struct LogSubject {
  std::string experiment;
  std::string run;
  int64_t attempt = 0;
};

using LogFields = std::vector<std::pair<std::string, std::string>>;

// Writes lines at or above a level to one place.
// Threads: safe.
class Log {
 public:
  // Errors: INVALID_ARGUMENT the file cannot be opened.
  static absl::StatusOr<std::unique_ptr<Log>> Open(const LogOptions& options);
  ~Log();

  void Write(LogLevel level, absl::string_view message, const LogSubject& subject = {},
             const LogFields& fields = {});
  bool Shows(LogLevel level) const { return level >= level_; }
  void Flush();

 private:
  struct Sink;
  Log(const LogOptions& options, std::unique_ptr<Sink> sink);

  const bool json_;
  const LogLevel level_;
  const std::unique_ptr<Sink> sink_;
};

// A shared log with the subject of all lines that go through it. Cheap to copy.
// Threads: safe.
class LogScope {
 public:
  LogScope() = default;  // discards everything
  explicit LogScope(std::shared_ptr<Log> log, LogSubject subject = {})
      : log_(std::move(log)), subject_(std::move(subject)) {}

  // The same log with another subject.
  LogScope About(LogSubject subject) const { return LogScope(log_, std::move(subject)); }

  void Info(absl::string_view message) const { Write(LogLevel::kInfo, message); }
  void Warn(absl::string_view message) const { Write(LogLevel::kWarning, message); }
  void Error(absl::string_view message) const { Write(LogLevel::kError, message); }

 private:
  void Write(LogLevel level, absl::string_view message) const {
    if (log_ != nullptr) log_->Write(level, message, subject_);
  }

  std::shared_ptr<Log> log_;
  LogSubject subject_;
};

// One line without its end. Control characters are escaped: a message cannot forge a second line.
std::string FormatLogLine(bool json, absl::string_view time, LogLevel level, absl::string_view message,
                          const LogSubject& subject, const LogFields& fields);

// Splits "<experiment>/<run>".
LogSubject SubjectOf(const std::string& run_id, int64_t attempt);

}  // namespace quantlab

#endif  // QUANTLAB_LOGGING_LOG_H_
