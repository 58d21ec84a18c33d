-- name: insert_run
-- Open a run; nothing when its idempotency key is taken.
INSERT INTO runs (id, pipeline, version, inputs, labels, priority, idempotency_key, request_digest, created_at)
VALUES (%(id)s, %(pipeline)s, %(version)s, %(inputs)s, %(labels)s, %(priority)s, %(idempotency_key)s,
        %(request_digest)s, %(now)s)
ON CONFLICT (idempotency_key) DO NOTHING
RETURNING *;

-- name: run_by_idempotency_key
-- The run that an idempotency key opened, with the digest of its request.
SELECT * FROM runs WHERE idempotency_key = %(key)s;

-- name: lock_run
-- One run, locked: whoever advances it holds this.
SELECT * FROM runs WHERE id = %(run_id)s FOR UPDATE;

-- name: get_run
-- One run.
SELECT * FROM runs WHERE id = %(run_id)s;

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
