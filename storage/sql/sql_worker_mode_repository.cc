#include "storage/sql/sql_worker_mode_repository.h"

#include "absl/strings/str_cat.h"
#include "base/messages/message_json.h"
#include "base/status_macros.h"
#include "storage/sql/rows.h"

namespace quantlab {

absl::Status SqlWorkerModeRepository::SetWorkerMode(const WorkerModeRecord& record) {
  if (record.worker_id.empty()) return absl::InvalidArgumentError("a worker needs an id");
  const std::string what = absl::StrCat("setting the mode of worker ", record.worker_id);
  return database_.Write(what, [&](Connection& connection) {
    if (record.mode == WorkerMode::kActive) {
      Query(connection, "DELETE FROM worker_modes WHERE worker_id = ?").Bind(record.worker_id).Execute();
      return absl::OkStatus();
    }
    Query(connection,
          "INSERT INTO worker_modes (worker_id, mode, reason, decided_by, time) VALUES (?, ?, ?, ?, ?) "
          "ON CONFLICT (worker_id) DO UPDATE SET mode = excluded.mode, reason = excluded.reason, "
          "decided_by = excluded.decided_by, time = excluded.time")
        .Bind(record.worker_id)
        .Bind(WorkerModeName(record.mode))
        .Bind(MessageToJson(record.reason))
        .Bind(record.by)
        .Bind(record.time)
        .Execute();
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<WorkerModeRecord>> SqlWorkerModeRepository::ListWorkerModes() {
  using Result = absl::StatusOr<std::vector<WorkerModeRecord>>;
  return database_.Read("listing the modes of workers", [&](Connection& connection) -> Result {
    std::vector<WorkerModeRecord> records;
    Query query(connection,
                "SELECT worker_id, mode, reason, decided_by, time FROM worker_modes ORDER BY worker_id");
    while (query.Step()) {
      WorkerModeRecord record;
      record.worker_id = query.Text(0);
      const std::optional<WorkerMode> mode = WorkerModeFromName(query.Text(1));
      if (!mode) {
        return absl::DataLossError(
            absl::StrCat("the stored mode of worker ", record.worker_id, " is unknown"));
      }
      record.mode = *mode;
      record.reason = ReadMessage(query.Text(2));
      record.by = query.Text(3);
      record.time = query.Time(4);
      records.push_back(std::move(record));
    }
    return records;
  });
}

}  // namespace quantlab
