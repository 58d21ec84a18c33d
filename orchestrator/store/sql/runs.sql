-- name: insert_run
-- Open a run; nothing when its idempotency key is taken.
INSERT INTO runs (id, pipeline, version, inputs, labels, accounts, priority, idempotency_key, request_digest,
                  created_at)
VALUES (%(id)s, %(pipeline)s, %(version)s, %(inputs)s, %(labels)s, %(accounts)s, %(priority)s, %(idempotency_key)s,
        %(request_digest)s, %(now)s)
ON CONFLICT (idempotency_key) DO NOTHING
RETURNING *;

-- name: run_by_idempotency_key
-- The run that an idempotency key opened, with the digest of its request.
SELECT * FROM runs WHERE idempotency_key = %(key)s;

-- name: lock_run
-- One run, locked: whoever advances it holds this.
SELECT * FROM runs WHERE id = %(run_id)s FOR NO KEY UPDATE;

-- name: get_run
-- One run.
SELECT * FROM runs WHERE id = %(run_id)s;

-- name: list_runs
-- Runs, newest first, after a place in the list; of an input over 2,000 characters (a list's or an object's: as JSON) the
-- first 200, and how many there are: a mask can be a megabyte, and a page has 200 runs.
SELECT id, pipeline, version, state, labels, accounts, priority, created_at, finished_at, error,
       (SELECT coalesce(jsonb_object_agg(name, CASE WHEN length(text) > 2000
                  THEN to_jsonb(format('%%s... (%%s characters)', left(text, 200), length(text))) ELSE value END), '{}')
        FROM jsonb_each(inputs) one (name, value), LATERAL (SELECT value #>> '{}' AS text) shown) AS inputs
FROM (
    SELECT * FROM runs
    WHERE (%(state)s::run_state IS NULL OR state = %(state)s)
      AND (%(pipeline)s::text IS NULL OR pipeline = %(pipeline)s)
      AND (%(labels)s::jsonb IS NULL OR labels @> %(labels)s)
      AND (%(words)s::text IS NULL OR words_of(inputs) @@ websearch_to_tsquery('simple', %(words)s))
      AND (%(after_at)s::timestamptz IS NULL OR (created_at, id) < (%(after_at)s, %(after_id)s::uuid))
    ORDER BY created_at DESC, id DESC LIMIT %(limit)s
) page ORDER BY created_at DESC, id DESC;

-- name: objects_of_runs
-- What these runs have archived.
SELECT * FROM objects WHERE run_id = ANY(%(run_ids)s) ORDER BY archived_at, task_id;

-- name: finish_run
-- running | paused -> a terminal state.
UPDATE runs SET state = %(state)s, error = %(error)s, finished_at = %(now)s
WHERE id = %(run_id)s AND finished_at IS NULL
RETURNING *;

-- name: reopen_run
-- failed | cancelled -> running, for a retry.
UPDATE runs SET state = 'running', error = NULL, finished_at = NULL
WHERE id = %(run_id)s AND state IN ('failed', 'cancelled', 'running')
RETURNING *;

-- name: objects_of_run
-- What a run has archived.
SELECT * FROM objects WHERE run_id = %(run_id)s ORDER BY archived_at, task_id;

-- name: count_open
-- How many runs are not over, counted up to a bound.
SELECT count(*) FROM (SELECT FROM runs WHERE state IN ('running', 'paused') LIMIT %(most)s) counted;
