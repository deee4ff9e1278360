-- Whether an experiment has a run that has not ended is asked at each change of one of its runs.
CREATE INDEX runs_open ON runs (experiment) WHERE state IN ('PENDING', 'QUEUED', 'RUNNING');
