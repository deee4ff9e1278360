// Events and records as the JSON texts in the database: stable, readable with the sqlite3 shell, tolerant of
// fields that a later version adds. Numbers that JSON lacks are the strings "NaN",
// "Infinity" and "-Infinity".
#ifndef QUANTLAB_STORAGE_SQL_EVENT_CODEC_H_
#define QUANTLAB_STORAGE_SQL_EVENT_CODEC_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/records/event.h"
#include "base/records/records.h"

namespace quantlab {

// Values of changes.kind.
enum class ChangeKind {
  kExperimentState = 0,
  kRunState = 1,
  // Events: 2 + index in EventKind.
  kProgress = 2,
  kMetric = 3,
  kLog = 4,
  kArtifact = 5,
  kLayer = 6,
  kEnvironment = 7,
  kCaveat = 8,
};

inline ChangeKind KindOf(const EventKind& event) {
  return static_cast<ChangeKind>(event.index() + 2);
}

// The content of an event; of a log line its message as it is, with the severity beside it.
std::string EncodeEvent(const EventKind& event);
std::optional<int64_t> SeverityOf(const EventKind& event);

// Errors: DATA_LOSS the content is not what EncodeEvent makes.
absl::StatusOr<EventKind> DecodeEvent(ChangeKind kind, const std::string& content, int64_t severity);

// All of a worker but its id and when it was last seen.
std::string EncodeWorker(const WorkerRecord& worker);
absl::Status DecodeWorker(const std::string& text, WorkerRecord* worker);

// Empty where a run needs nothing else.
std::string EncodeRequirements(const RunRequirements& requirements);
absl::Status DecodeRequirements(const std::string& text, RunRequirements* requirements);

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_SQL_EVENT_CODEC_H_
