-- What a request asked for, as a digest: a request_id that comes again with other content is refused. Empty
-- for experiments of before.

ALTER TABLE experiments ADD COLUMN request_digest TEXT NOT NULL DEFAULT '';
