PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, applied_time INTEGER NOT NULL) STRICT;
INSERT INTO schema_migrations VALUES(1,'initial','f685a4597118233796e873878af7367c742546d92387d2bb4e476a960ddb4d3f',1795826898670234995);
INSERT INTO schema_migrations VALUES(2,'coded_messages','3e430d68cf98aa6caf8679b84ab06173a38179842dd33bf8ce870c78b04d24b4',1795826898670234995);
INSERT INTO schema_migrations VALUES(3,'request_digest','11d0765d93e0d8bfa574ab5a559203567b5a5265ec2ed8f5dd3cd414681d11f0',1795826898670234995);
INSERT INTO schema_migrations VALUES(4,'identities','a1e96b18126fa227d95e3476451720971a95eb87bea2453d505e878925bb2025',1795826898670234995);
INSERT INTO schema_migrations VALUES(5,'deletion','aea1d46c5cac7162e57bbb8fcf1ffde43d329b8849e03e50d4de70fecd0d2931',1795826898670234995);
INSERT INTO schema_migrations VALUES(6,'retention','45d4e91b1756aed14c40f23317fc5e6f18a463ba915e21593d08b6141f0bf2a2',1795826898670234995);
INSERT INTO schema_migrations VALUES(7,'queue','8e200834cb73cf6a7a18766562252f78fbf33ca15b28aa984c21afd032ac77b9',1795826898670234995);
INSERT INTO schema_migrations VALUES(8,'open_runs','e63859823f27d2a4d615bf6b65529a13488288c87962c7d347931b81b440db11',1795826898670234995);
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
, request_digest TEXT NOT NULL DEFAULT '', delete_time INTEGER) STRICT;
INSERT INTO experiments VALUES(1,'quick-k3f9a2','quick','request-1','someone','both',3,1,'FAILED',1700000000000000000,1700000009000000000,13,'',NULL);
CREATE TABLE source_files (
  experiment INTEGER NOT NULL REFERENCES experiments (key),
  position INTEGER NOT NULL CHECK (position >= 0),
  name TEXT NOT NULL,
  content TEXT NOT NULL,
  PRIMARY KEY (experiment, position)
) STRICT;
INSERT INTO source_files VALUES(1,0,'quick.yaml',replace('experiments: {}\n# 课程\n','\n',char(10)));
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
  end_time INTEGER CHECK ((state IN ('PENDING', 'QUEUED', 'RUNNING')) = (end_time IS NULL)), coded_message TEXT NOT NULL DEFAULT '', requirements TEXT NOT NULL DEFAULT '',
  UNIQUE (experiment, name)
) STRICT;
INSERT INTO runs VALUES(1,1,'quick-k3f9a2/baseline','baseline','{"runName":"baseline"}','baseline','',0,'cpu',-1,'input','baseline',86400000000000,'SUCCEEDED','',1,0,0,1,0,0,1700000000000000000,1700000000000000000,1700000001000000000,1700000009000000000,'','{"alone":true,"labels":{"room":"2"},"memory_bytes":1000000000}');
INSERT INTO runs VALUES(2,1,'quick-k3f9a2/dynamic_quantization','dynamic_quantization','{"runName":"baseline"}','quantization','dynamic_quantization',1,'cpu',-1,'input','baseline',86400000000000,'SKIPPED','not wanted',0,0,0,NULL,0,0,1700000000000000000,NULL,NULL,1700000009000000000,'','');
CREATE TABLE needs (
  run INTEGER NOT NULL REFERENCES runs (key),
  position INTEGER NOT NULL CHECK (position >= 0),
  needed INTEGER NOT NULL REFERENCES runs (key) CHECK (needed <> run),
  must_succeed INTEGER NOT NULL CHECK (must_succeed IN (0, 1)),
  PRIMARY KEY (run, position)
) STRICT;
INSERT INTO needs VALUES(2,0,1,1);
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
  phase_start INTEGER CHECK ((progress IS NULL) = (phase_start IS NULL)), coded_message TEXT NOT NULL DEFAULT '',
  UNIQUE (run, number)
) STRICT;
INSERT INTO attempts VALUES(1,1,1,'worker-1','','','','SUCCEEDED','',1700000001000000000,1700000009000000000,7,'{"done":5,"phase":"training","total":10,"unit":"step"}',1700000000000000000,1700000000000000000,'');
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
  message TEXT NOT NULL DEFAULT '', coded_message TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (experiment, sequence)
) STRICT, WITHOUT ROWID;
INSERT INTO changes VALUES(1,1,1700000000000000000,1,1,NULL,NULL,NULL,'QUEUED','','');
INSERT INTO changes VALUES(1,2,1700000000000000000,1,2,NULL,NULL,NULL,'PENDING','','');
INSERT INTO changes VALUES(1,3,1700000001000000000,1,1,NULL,NULL,NULL,'RUNNING','','');
INSERT INTO changes VALUES(1,4,1700000000000000000,2,1,1,1,NULL,'{"done":5,"phase":"training","total":10,"unit":"step"}','','');
INSERT INTO changes VALUES(1,5,1700000000000000000,3,1,1,2,NULL,'{"high":0.875,"labels":{"split":"test"},"low":0.75,"name":"accuracy","samples":1000,"unit":"1","value":0.8125}','','');
INSERT INTO changes VALUES(1,6,1700000000000000000,4,1,1,3,3,'a warning','','');
INSERT INTO changes VALUES(1,7,1700000000000000000,5,1,1,4,NULL,'{"name":"model/model.safetensors","sha256":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","size":1234}','','');
INSERT INTO changes VALUES(1,8,1700000000000000000,6,1,1,5,NULL,'{"bytes":1000,"bytes_fp32":4000,"effective":"int8","in_features":384,"kernel":"vnni","macs_share":0.5,"name":"layer.0","out_features":1536,"reason":"","requested":"int8"}','','');
INSERT INTO changes VALUES(1,9,1700000000000000000,7,1,1,6,NULL,'{"facts":{"cores":"2"},"fingerprint":"avx512"}','','');
INSERT INTO changes VALUES(1,10,1700000000000000000,8,1,1,7,NULL,'{"code":"subset","message":"1,000 of 25,000 texts"}','','');
INSERT INTO changes VALUES(1,11,1700000009000000000,1,1,NULL,NULL,NULL,'SUCCEEDED','','');
INSERT INTO changes VALUES(1,12,1700000009000000000,1,2,NULL,NULL,NULL,'SKIPPED','not wanted','');
INSERT INTO changes VALUES(1,13,1700000009000000000,0,NULL,NULL,NULL,NULL,'FAILED','','');
CREATE TABLE artifacts (
  attempt INTEGER NOT NULL REFERENCES attempts (key),
  name TEXT NOT NULL CHECK (name <> ''),
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
  size INTEGER NOT NULL CHECK (size >= 0), removed_time INTEGER,
  PRIMARY KEY (attempt, name)
) STRICT, WITHOUT ROWID;
INSERT INTO artifacts VALUES(1,'model/model.safetensors','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd',1234,NULL);
CREATE TABLE reusable (
  reuse_key TEXT PRIMARY KEY CHECK (reuse_key <> ''),
  attempt INTEGER NOT NULL REFERENCES attempts (key)
) STRICT, WITHOUT ROWID;
INSERT INTO reusable VALUES('reuse',1);
CREATE TABLE workers (
  id TEXT PRIMARY KEY CHECK (id <> ''),
  -- The rest of the record, as JSON.
  record TEXT NOT NULL,
  last_seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO workers VALUES('worker-1','{"devices":["cpu"],"facts":{},"fingerprint":"","hostname":"host","labels":{},"machine_id":"","methods":[{"name":"dynamic_quantization","version":1}],"runner_sha256":"","version":""}',1700000000000000000);
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
INSERT INTO identities VALUES('alice','submitter','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd',0,'',1700000000000000000,1700086400000000000,0,NULL);
CREATE TABLE inputs (
  experiment INTEGER NOT NULL REFERENCES experiments (key),
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
  PRIMARY KEY (experiment, sha256)
) STRICT, WITHOUT ROWID;
CREATE TABLE dropped (
  sha256 TEXT PRIMARY KEY CHECK (length(sha256) = 64)
) STRICT, WITHOUT ROWID;
CREATE TABLE worker_modes (
  worker_id TEXT PRIMARY KEY CHECK (worker_id <> ''),
  mode TEXT NOT NULL CHECK (mode IN ('drained', 'quarantined')),
  -- The JSON of base/message_json.h; empty where no reason was given.
  reason TEXT NOT NULL,
  decided_by TEXT NOT NULL,
  time INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO worker_modes VALUES('worker-1','drained','','alice',1700000000000000000);
CREATE INDEX experiments_by_state ON experiments (state, key);
CREATE INDEX experiments_by_name ON experiments (name, key);
CREATE UNIQUE INDEX attempts_running ON attempts (run) WHERE state = 'RUNNING';
CREATE UNIQUE INDEX changes_by_event ON changes (attempt, event) WHERE attempt IS NOT NULL;
CREATE INDEX changes_logs ON changes (experiment, sequence) WHERE kind = 4;
CREATE INDEX artifacts_by_digest ON artifacts (sha256);
CREATE INDEX identities_by_worker ON identities (worker_id) WHERE worker_id <> '';
CREATE INDEX experiments_deleted ON experiments (key) WHERE delete_time IS NOT NULL;
CREATE INDEX inputs_by_digest ON inputs (sha256);
CREATE INDEX runs_by_result ON runs (result) WHERE result IS NOT NULL;
CREATE INDEX reusable_by_attempt ON reusable (attempt);
CREATE INDEX needs_by_needed ON needs (needed);
CREATE INDEX changes_by_run ON changes (run) WHERE run IS NOT NULL;
CREATE INDEX attempts_by_end ON attempts (end_time) WHERE end_time IS NOT NULL;
CREATE INDEX runs_open ON runs (experiment) WHERE state IN ('PENDING', 'QUEUED', 'RUNNING');
COMMIT;
PRAGMA application_id = 1363951938;
PRAGMA user_version = 8;
