// The checkpoints of runs among the rows of artifacts (base/records/checkpoint_names.h).
#ifndef QUANTLAB_STORAGE_SQL_CHECKPOINT_ROWS_H_
#define QUANTLAB_STORAGE_SQL_CHECKPOINT_ROWS_H_

#include <cstdint>

#include "base/records/event.h"
#include "storage/sql/connection.h"

namespace quantlab {

// Stores one of an attempt of `run`, as database keys, and drops all but the newest kKeptCheckpoints of the
// run. Ignores one without a digest, which no later attempt could use.
void StoreCheckpoint(Connection& connection, int64_t run, int64_t attempt, const Artifact& checkpoint);

// Drops all but the newest `kept` of the run. Their files leave the store unless something else names them.
void DropCheckpoints(Connection& connection, int64_t run, size_t kept);

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_SQL_CHECKPOINT_ROWS_H_
