#include "storage/sql/checkpoint_rows.h"

#include <string>
#include <utility>
#include <vector>

#include "base/records/checkpoint_names.h"
#include "base/sha256.h"
#include "storage/sql/artifact_names.h"
#include "storage/sql/rows.h"

namespace quantlab {

void StoreCheckpoint(Connection& connection, int64_t run, int64_t attempt, const Artifact& checkpoint) {
  if (!IsSha256Hex(checkpoint.sha256) || checkpoint.size < 0) return;
  Query(connection,
        "INSERT INTO artifacts (attempt, name, sha256, size) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (attempt, name) DO UPDATE SET sha256 = excluded.sha256, size = excluded.size")
      .Bind(attempt)
      .Bind(checkpoint.name)
      .Bind(checkpoint.sha256)
      .Bind(checkpoint.size)
      .Execute();
  DropCheckpoints(connection, run, kKeptCheckpoints);
}

void DropCheckpoints(Connection& connection, int64_t run, size_t kept) {
  std::vector<std::pair<int64_t, std::string>> checkpoints;  // newest first
  {
    Query query(connection,
                "SELECT artifacts.attempt, artifacts.name FROM attempts "
                "JOIN artifacts ON artifacts.attempt = attempts.key "
                "WHERE attempts.run = ? AND " QL_IS_CHECKPOINT
                " "
                "ORDER BY attempts.number DESC, artifacts.name DESC");
    query.Bind(run);
    while (query.Step()) checkpoints.emplace_back(query.Int(0), query.Text(1));
  }
  for (size_t i = kept; i < checkpoints.size(); ++i) {
    const auto& [attempt, name] = checkpoints[i];
    Query(connection,
          "INSERT INTO dropped (sha256) SELECT sha256 FROM artifacts WHERE attempt = ? AND name = ? "
          "ON CONFLICT DO NOTHING")
        .Bind(attempt)
        .Bind(name)
        .Execute();
    Query(connection, "DELETE FROM artifacts WHERE attempt = ? AND name = ?")
        .Bind(attempt)
        .Bind(name)
        .Execute();
  }
}

}  // namespace quantlab
