-- name: clock
-- What time it is to the database.
SELECT clock_timestamp();

-- name: oldest_unnamed
-- When the oldest submission was opened of which nobody knows yet which job it became: a parked delivery may be its.
SELECT min(created_at) FROM tasks
WHERE state IN ('ready', 'submitting', 'uncertain', 'waiting') AND kind = 'provider' AND submissions > 0
  AND external_id IS NULL;

-- name: strip_bodies
-- Empty a window of deliveries, oldest first: bytes and events go, the verdict and the digest stay.
WITH looked AS (
    SELECT id, coalesce(task_id, scope) AS task_id, received_at FROM callbacks
    WHERE octet_length(body) > 0 AND verdict NOT IN ('parked', 'rejected') AND received_at < %(before)s
      AND (received_at, id) > (%(after_at)s::timestamptz, %(after_id)s::uuid)
    ORDER BY received_at, id LIMIT %(limit)s
), old AS (
    SELECT id FROM looked WHERE NOT EXISTS (
        SELECT FROM tasks t JOIN runs r ON r.id = t.run_id
        WHERE t.id = looked.task_id AND (t.finished_at < %(before)s AND r.finished_at < %(before)s) IS NOT TRUE)
), free AS (
    SELECT c.id FROM callbacks c JOIN old USING (id) WHERE %(remove)s::boolean FOR UPDATE OF c SKIP LOCKED
), gone AS (
    UPDATE callbacks c SET body = '', events = '[]' FROM free WHERE c.id = free.id RETURNING c.id
)
SELECT (SELECT count(*) FROM old) AS found, (SELECT count(*) FROM gone) AS removed, at, id
FROM (SELECT received_at AS at, id FROM looked ORDER BY received_at DESC, id DESC LIMIT 1) last;

-- name: remove_callbacks
-- Remove a window of deliveries that found their task, oldest first.
WITH looked AS (
    SELECT id, coalesce(task_id, scope) AS task_id, verdict, received_at FROM callbacks
    WHERE received_at < %(before)s AND (received_at, id) > (%(after_at)s::timestamptz, %(after_id)s::uuid)
    ORDER BY received_at, id LIMIT %(limit)s
), old AS (
    SELECT id FROM looked WHERE verdict NOT IN ('parked', 'rejected') AND NOT EXISTS (
        SELECT FROM tasks t JOIN runs r ON r.id = t.run_id
        WHERE t.id = looked.task_id AND (t.finished_at < %(before)s AND r.finished_at < %(before)s) IS NOT TRUE)
), free AS (
    SELECT c.id FROM callbacks c JOIN old USING (id) WHERE %(remove)s::boolean FOR UPDATE OF c SKIP LOCKED
), gone AS (
    DELETE FROM callbacks c USING free WHERE c.id = free.id RETURNING c.id
), done AS (
    DELETE FROM dismissals d USING gone WHERE d.callback_id = gone.id
)
SELECT (SELECT count(*) FROM old) AS found, (SELECT count(*) FROM gone) AS removed, at, id
FROM (SELECT received_at AS at, id FROM looked ORDER BY received_at DESC, id DESC LIMIT 1) last;

-- name: remove_strays
-- Remove a window of parked or of rejected deliveries, oldest first.
WITH looked AS (
    SELECT id, coalesce(task_id, scope) AS task_id, received_at FROM callbacks
    WHERE verdict = %(verdict)s::verdict AND verdict <> 'accepted' AND received_at < %(before)s
      AND (received_at, id) > (%(after_at)s::timestamptz, %(after_id)s::uuid)
    ORDER BY received_at, id LIMIT %(limit)s
), old AS (
    SELECT id FROM looked WHERE NOT EXISTS (
        SELECT FROM tasks t JOIN runs r ON r.id = t.run_id
        WHERE t.id = looked.task_id AND (t.finished_at < %(before)s AND r.finished_at < %(before)s) IS NOT TRUE)
), free AS (
    SELECT c.id FROM callbacks c JOIN old USING (id) WHERE %(remove)s::boolean FOR UPDATE OF c SKIP LOCKED
), gone AS (
    DELETE FROM callbacks c USING free WHERE c.id = free.id AND c.verdict = %(verdict)s::verdict RETURNING c.id
), done AS (
    DELETE FROM dismissals d USING gone WHERE d.callback_id = gone.id
)
SELECT (SELECT count(*) FROM old) AS found, (SELECT count(*) FROM gone) AS removed, at, id
FROM (SELECT received_at AS at, id FROM looked ORDER BY received_at DESC, id DESC LIMIT 1) last;

-- name: remove_history
-- Remove a window of transitions, oldest first. They have no index by time: whoever asks stops where ``stale`` is 0.
WITH looked AS (
    SELECT id, task_id, at FROM transitions WHERE id > %(after)s::bigint ORDER BY id LIMIT %(limit)s
), old AS (
    SELECT looked.id FROM looked JOIN tasks t ON t.id = looked.task_id JOIN runs r ON r.id = t.run_id
    WHERE looked.at < %(before)s AND t.finished_at < %(before)s AND r.finished_at < %(before)s
), gone AS (
    DELETE FROM transitions h USING old WHERE %(remove)s::boolean AND h.id = old.id RETURNING h.id
)
SELECT (SELECT count(*) FROM old) AS found, (SELECT count(*) FROM gone) AS removed,
       count(*) FILTER (WHERE at < %(before)s) AS stale, max(id) AS last
FROM looked;

-- name: forget_keys
-- Give up the idempotency keys of a window of runs, those that ended first before the others.
WITH looked AS (
    SELECT id, finished_at FROM runs
    WHERE idempotency_key IS NOT NULL AND finished_at IS NOT NULL AND finished_at < %(before)s
      AND (finished_at, id) > (%(after_at)s::timestamptz, %(after_id)s::uuid)
    ORDER BY finished_at, id LIMIT %(limit)s
), free AS (
    SELECT r.id FROM runs r JOIN looked USING (id)
    WHERE %(remove)s::boolean AND r.finished_at < %(before)s FOR NO KEY UPDATE OF r SKIP LOCKED
), gone AS (
    UPDATE runs r SET idempotency_key = NULL, request_digest = NULL FROM free WHERE r.id = free.id RETURNING r.id
)
SELECT (SELECT count(*) FROM looked) AS found, (SELECT count(*) FROM gone) AS removed, finished_at AS at, id
FROM looked ORDER BY finished_at DESC, id DESC LIMIT 1;

-- name: ended_runs
-- A window of runs that ended first, and which of them may go: those of which no task is younger. Locked, if wanted.
WITH looked AS (
    SELECT id, finished_at FROM runs
    WHERE finished_at IS NOT NULL AND finished_at < %(before)s
      AND (finished_at, id) > (%(after_at)s::timestamptz, %(after_id)s::uuid)
    ORDER BY finished_at, id LIMIT %(limit)s
), old AS (
    SELECT id FROM looked WHERE NOT EXISTS (
        SELECT FROM tasks t WHERE t.run_id = looked.id AND (t.finished_at < %(before)s) IS NOT TRUE)
), free AS (
    SELECT r.id FROM runs r JOIN old USING (id)
    WHERE %(remove)s::boolean AND r.finished_at < %(before)s FOR UPDATE OF r SKIP LOCKED
)
SELECT (SELECT count(*) FROM old) AS found, (SELECT array_agg(id) FROM free) AS free, finished_at AS at, id
FROM looked ORDER BY finished_at DESC, id DESC LIMIT 1;

-- name: lock_tasks_of
-- The tasks of these runs, in the order of all locks.
SELECT id FROM tasks WHERE run_id = ANY(%(run_ids)s::uuid[]) ORDER BY id FOR UPDATE;

-- name: remove_callbacks_of
-- Some of the deliveries to these tasks.
WITH gone AS (
    DELETE FROM callbacks WHERE id = ANY(ARRAY(
        SELECT id FROM callbacks WHERE task_id = ANY(%(task_ids)s::uuid[]) LIMIT %(limit)s)) RETURNING id
), done AS (
    DELETE FROM dismissals d USING gone WHERE d.callback_id = gone.id
)
SELECT count(*) FROM gone;

-- name: remove_history_of
-- Some of the transitions of these tasks.
DELETE FROM transitions WHERE id = ANY(ARRAY(
    SELECT id FROM transitions WHERE task_id = ANY(%(task_ids)s::uuid[]) LIMIT %(limit)s));

-- name: delete_runs
-- These runs with their tasks; what they have archived stays in the index.
DELETE FROM runs WHERE id = ANY(%(run_ids)s::uuid[]);

-- name: note_removals
-- Count what was removed.
INSERT INTO removals (what, removed, last_at)
SELECT what, removed, %(now)s FROM jsonb_to_recordset(%(rows)s) AS row (what text, removed bigint)
ON CONFLICT (what) DO UPDATE SET removed = removals.removed + EXCLUDED.removed, last_at = EXCLUDED.last_at;

-- name: list_removals
-- What has been removed since ever, and when it was last looked for.
SELECT what, removed, last_at FROM removals ORDER BY what;
