-- When a file of an attempt was given up by a retention rule: the attempt still names it, for the record, and no longer
-- needs it.

ALTER TABLE artifacts ADD COLUMN removed_time INTEGER;
CREATE INDEX attempts_by_end ON attempts (end_time) WHERE end_time IS NOT NULL;
