-- Experiments, runs, attempts, their change log with every event, artifacts, workers, reuse.
--
-- Times are nanoseconds since 1970, UTC. Seeds are the 64 bits of an unsigned number. JSON texts are
-- described in storage/event_codec.h. `key` columns are for this database alone; `id` columns are what
-- everyone else uses.

CREATE TABLE experiments (
  key INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) BETWEEN 1 AND 256 AND instr(id, '/') = 0),
  name TEXT NOT NULL,
  request_id TEXT UNIQUE CHECK (request_id <> ''),
  submitter TEXT NOT NULL,
  report_language TEXT NOT NULL,
  priority INTEGER NOT NULL,
  reuse INTEGER NOT NULL CHECK (reuse IN (0, 1)),
  state TEXT NOT NULL CHECK (state IN ('ACTIVE', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
  create_time INTEGER NOT NULL,
  end_time INTEGER CHECK ((state = 'ACTIVE') = (end_time IS NULL)),
  -- Of the last entry of its change log.
  sequence INTEGER NOT NULL DEFAULT 0 CHECK (sequence >= 0)
) STRICT;
CREATE INDEX experiments_by_state ON experiments (state, key);
CREATE INDEX experiments_by_name ON experiments (name, key);

CREATE TABLE source_files (
  experiment INTEGER NOT NULL REFERENCES experiments (key),
  position INTEGER NOT NULL CHECK (position >= 0),
  name TEXT NOT NULL,
  content TEXT NOT NULL,
  PRIMARY KEY (experiment, position)
) STRICT;

CREATE TABLE runs (
  key INTEGER PRIMARY KEY,
  experiment INTEGER NOT NULL REFERENCES experiments (key),
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL CHECK (name <> ''),
  config TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('baseline', 'quantization', 'comparison')),
  method TEXT NOT NULL,
  method_version INTEGER NOT NULL,
  device TEXT NOT NULL,
  seed INTEGER NOT NULL,
  input_key TEXT NOT NULL,
  folder TEXT NOT NULL,
  time_limit INTEGER NOT NULL CHECK (time_limit >= 0),
  state TEXT NOT NULL CHECK (state IN ('PENDING', 'QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CRASHED',
                                       'LOST', 'TIMED_OUT', 'CANCELLED', 'PREEMPTED', 'SKIPPED')),
  message TEXT NOT NULL,
  -- Number of the last attempt, the fencing token; only grows.
  attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  crashes INTEGER NOT NULL CHECK (crashes >= 0),
  interruptions INTEGER NOT NULL CHECK (interruptions >= 0),
  -- The attempt whose result is the run's.
  result INTEGER REFERENCES attempts (key) CHECK ((state = 'SUCCEEDED') = (result IS NOT NULL)),
  reused INTEGER NOT NULL CHECK (reused IN (0, 1)),
  cancel_requested INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested = 0 OR state = 'RUNNING'),
  create_time INTEGER NOT NULL,
  queue_time INTEGER,
  start_time INTEGER,
  end_time INTEGER CHECK ((state IN ('PENDING', 'QUEUED', 'RUNNING')) = (end_time IS NULL)),
  UNIQUE (experiment, name)
) STRICT;

CREATE TABLE needs (
  run INTEGER NOT NULL REFERENCES runs (key),
  position INTEGER NOT NULL CHECK (position >= 0),
  needed INTEGER NOT NULL REFERENCES runs (key) CHECK (needed <> run),
  must_succeed INTEGER NOT NULL CHECK (must_succeed IN (0, 1)),
  PRIMARY KEY (run, position)
) STRICT;

CREATE TABLE attempts (
  key INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES runs (key),
  number INTEGER NOT NULL CHECK (number >= 1),
  worker_id TEXT NOT NULL,
  worker_hostname TEXT NOT NULL,
  worker_fingerprint TEXT NOT NULL,
  runner_sha256 TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('RUNNING', 'SUCCEEDED', 'FAILED', 'CRASHED', 'LOST', 'TIMED_OUT',
                                       'CANCELLED', 'PREEMPTED')),
  message TEXT NOT NULL,
  start_time INTEGER NOT NULL,
  end_time INTEGER CHECK ((state = 'RUNNING') = (end_time IS NULL)),
  -- Number of the last stored event.
  last_event INTEGER NOT NULL DEFAULT 0 CHECK (last_event >= 0),
  -- The last progress, as JSON, when it came, and when its phase began.
  progress TEXT,
  progress_time INTEGER CHECK ((progress IS NULL) = (progress_time IS NULL)),
  phase_start INTEGER CHECK ((progress IS NULL) = (phase_start IS NULL)),
  UNIQUE (run, number)
) STRICT;
-- Each run has at most one worker at a time, whatever the program thinks.
CREATE UNIQUE INDEX attempts_running ON attempts (run) WHERE state = 'RUNNING';

-- One entry for each new state of a run or of the experiment, and for each event of an attempt.
CREATE TABLE changes (
  experiment INTEGER NOT NULL REFERENCES experiments (key),
  sequence INTEGER NOT NULL CHECK (sequence >= 1),
  time INTEGER NOT NULL,
  -- 0 experiment state, 1 run state, 2 progress, 3 metric, 4 log, 5 artifact, 6 layer, 7 environment,
  -- 8 caveat
  kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 8),
  run INTEGER REFERENCES runs (key) CHECK ((kind = 0) = (run IS NULL)),
  attempt INTEGER REFERENCES attempts (key) CHECK ((kind >= 2) = (attempt IS NOT NULL)),
  event INTEGER CHECK ((kind >= 2) = (event IS NOT NULL) AND event >= 1),
  -- Of log lines.
  severity INTEGER CHECK ((kind = 4) = (severity IS NOT NULL) AND severity BETWEEN 1 AND 4),
  -- Kinds 0 and 1: the name of the state. 4: the line. Others: JSON.
  content TEXT NOT NULL,
  -- Kind 1: why.
  message TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (experiment, sequence)
) STRICT, WITHOUT ROWID;
-- Each event is stored once.
CREATE UNIQUE INDEX changes_by_event ON changes (attempt, event) WHERE attempt IS NOT NULL;
CREATE INDEX changes_logs ON changes (experiment, sequence) WHERE kind = 4;

-- What an attempt was finished with. The files are in the artifact store.
CREATE TABLE artifacts (
  attempt INTEGER NOT NULL REFERENCES attempts (key),
  name TEXT NOT NULL CHECK (name <> ''),
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
  size INTEGER NOT NULL CHECK (size >= 0),
  PRIMARY KEY (attempt, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX artifacts_by_digest ON artifacts (sha256);

CREATE TABLE reusable (
  reuse_key TEXT PRIMARY KEY CHECK (reuse_key <> ''),
  attempt INTEGER NOT NULL REFERENCES attempts (key)
) STRICT, WITHOUT ROWID;

CREATE TABLE workers (
  id TEXT PRIMARY KEY CHECK (id <> ''),
  -- The rest of the record, as JSON.
  record TEXT NOT NULL,
  last_seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
