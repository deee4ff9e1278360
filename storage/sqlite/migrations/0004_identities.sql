-- Who may call the coordinator (base/identities.h). Tokens are random, so a plain SHA-256 is enough; the token
-- itself is not stored.

CREATE TABLE identities (
  name TEXT PRIMARY KEY CHECK (name <> ''),
  role TEXT NOT NULL CHECK (role IN ('viewer', 'submitter', 'worker', 'admin')),
  token_sha256 TEXT NOT NULL UNIQUE CHECK (length(token_sha256) = 64),
  -- 1: a worker's first token, which can only be exchanged, once.
  joins INTEGER NOT NULL CHECK (joins IN (0, 1) AND (joins = 0 OR role = 'worker')),
  worker_id TEXT NOT NULL DEFAULT '',
  create_time INTEGER NOT NULL,
  expire_time INTEGER NOT NULL,
  -- Of the token that an exchange gives.
  lifetime INTEGER NOT NULL CHECK (lifetime >= 0),
  revoke_time INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX identities_by_worker ON identities (worker_id) WHERE worker_id <> '';
