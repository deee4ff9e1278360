// Applies a StateChange inside the transaction that the database opened for it.
#ifndef QUANTLAB_STORAGE_SQL_STATE_COMMIT_H_
#define QUANTLAB_STORAGE_SQL_STATE_COMMIT_H_

#include "absl/status/status.h"
#include "base/records/repositories.h"
#include "storage/sql/connection.h"

namespace quantlab {

// In this order: the end of an attempt, the transitions, the start of an attempt, requests to cancel, the
// reuse entry; then the experiments' own states. An error leaves the transaction to be rolled back.
// Throws SqlError.
absl::Status ApplyStateChange(Connection& connection, const StateChange& change);

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_SQL_STATE_COMMIT_H_
