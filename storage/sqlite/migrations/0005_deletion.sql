-- Deleting of experiments: what they refer to, and what is still to be removed.

-- Set once the experiment was deleted. Its row stays as long as another experiment uses one of its results.
ALTER TABLE experiments ADD COLUMN delete_time INTEGER;
CREATE INDEX experiments_deleted ON experiments (key) WHERE delete_time IS NOT NULL;

-- The files that the runs of an experiment read: every SHA-256 that their configurations contain.
CREATE TABLE inputs (
  experiment INTEGER NOT NULL REFERENCES experiments (key),
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
  PRIMARY KEY (experiment, sha256)
) STRICT, WITHOUT ROWID;
CREATE INDEX inputs_by_digest ON inputs (sha256);
INSERT INTO inputs (experiment, sha256)
  SELECT DISTINCT runs.experiment, atom FROM runs, json_tree(iif(json_valid(runs.config), runs.config, '{}'))
  WHERE type = 'text' AND length(atom) = 64 AND atom NOT GLOB '*[^0-9a-f]*';

-- Files of which a name was removed: they leave the store unless something else names them.
CREATE TABLE dropped (
  sha256 TEXT PRIMARY KEY CHECK (length(sha256) = 64)
) STRICT, WITHOUT ROWID;

-- Without these, removing a row reads whole tables to see that nothing points to it.
CREATE INDEX runs_by_result ON runs (result) WHERE result IS NOT NULL;
CREATE INDEX reusable_by_attempt ON reusable (attempt);
CREATE INDEX needs_by_needed ON needs (needed);
CREATE INDEX changes_by_run ON changes (run) WHERE run IS NOT NULL;
