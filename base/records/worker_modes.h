// Whether workers may be given runs, as administrators have decided, and where that is kept.
#ifndef QUANTLAB_BASE_RECORDS_WORKER_MODES_H_
#define QUANTLAB_BASE_RECORDS_WORKER_MODES_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/messages/message.h"

namespace quantlab {

enum class WorkerMode {
  kActive,       // it is given runs
  kDrained,      // it ends the run that it has, and gets no other
  kQuarantined,  // it is not trusted: the run that it has goes back to the queue, and it gets no other
};

// "active", "drained", "quarantined".
inline const char* WorkerModeName(WorkerMode mode) {
  switch (mode) {
    case WorkerMode::kActive:
      return "active";
    case WorkerMode::kDrained:
      return "drained";
    case WorkerMode::kQuarantined:
      return "quarantined";
  }
  return "active";
}

inline std::optional<WorkerMode> WorkerModeFromName(const std::string& name) {
  for (const WorkerMode mode : {WorkerMode::kActive, WorkerMode::kDrained, WorkerMode::kQuarantined}) {
    if (name == WorkerModeName(mode)) return mode;
  }
  return std::nullopt;
}

struct WorkerModeRecord {
  std::string worker_id;
  WorkerMode mode = WorkerMode::kActive;
  Message reason;  // may be empty
  std::string by;  // who decided; empty: the coordinator itself
  absl::Time time;
};

// Threads: safe. Errors: as in base/records/repositories.h. A failed call changes nothing.
class WorkerModeRepository {
 public:
  virtual ~WorkerModeRepository() = default;

  // Replaces the worker's earlier mode. kActive is what a worker without a record has, so it removes the
  // record.
  virtual absl::Status SetWorkerMode(const WorkerModeRecord& record) = 0;
  // Of the workers that are not kActive, by id.
  virtual absl::StatusOr<std::vector<WorkerModeRecord>> ListWorkerModes() = 0;
};

}  // namespace quantlab

#endif  // QUANTLAB_BASE_RECORDS_WORKER_MODES_H_
