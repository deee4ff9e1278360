// Structured log lines, as key=value or as one JSON object each, with experiment, run and attempt on every
// line that is about one.
//
//   time=2026-01-02T03:04:05.678Z level=info msg="attempt started" experiment=quick-k3f9a2 run=baseline
//   attempt=1
#ifndef QUANTLAB_SERVER_SERVICE_LOG_H_
#define QUANTLAB_SERVER_SERVICE_LOG_H_

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

// What a line is about; empty where it is about nothing of the kind.
struct LogSubject {
  std::string experiment;
  std::string run;
  int64_t attempt = 0;
};

using LogFields = std::vector<std::pair<std::string, std::string>>;

// Threads: safe.
class Log {
 public:
  // Errors: the file cannot be opened.
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

// One line without its end. Control characters are escaped: a message cannot fake a second line.
std::string FormatLogLine(bool json, absl::string_view time, LogLevel level, absl::string_view message,
                          const LogSubject& subject, const LogFields& fields);

// Splits "<experiment>/<run>".
LogSubject SubjectOf(const std::string& run_id, int64_t attempt);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_LOG_H_
