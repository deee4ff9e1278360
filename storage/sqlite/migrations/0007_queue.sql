-- What a run needs of its worker besides device and method, as JSON; empty: nothing else.

ALTER TABLE runs ADD COLUMN requirements TEXT NOT NULL DEFAULT '';

-- Workers that get no runs, by decision (base/worker_modes.h).
CREATE TABLE worker_modes (
  worker_id TEXT PRIMARY KEY CHECK (worker_id <> ''),
  mode TEXT NOT NULL CHECK (mode IN ('drained', 'quarantined')),
  -- The JSON of base/message_json.h; empty where no reason was given.
  reason TEXT NOT NULL,
  decided_by TEXT NOT NULL,
  time INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
