-- name: load_tasks
-- Every task of a run, for the engine; the caller holds the run's lock.
SELECT * FROM tasks WHERE run_id = %(run_id)s ORDER BY created_at, id;

-- name: get_task
-- One task.
SELECT * FROM tasks WHERE id = %(task_id)s;

-- name: list_tasks
-- Tasks, newest first, after a place in the list; without their params, each of which can be a megabyte.
SELECT id, run_id, step, item, attempt, kind, action, state, '{}'::jsonb AS params, account, provider, external_id,
       progress, result, error, waiting_for, wake_at, deadline_at, timeout, quiet, looks, submissions, priority, settled,
       superseded, created_at, submitted_at, finished_at
FROM tasks
WHERE (%(run_id)s::uuid IS NULL OR run_id = %(run_id)s)
  AND (%(state)s::task_state IS NULL OR state = %(state)s)
  AND (%(account)s::text IS NULL OR account = %(account)s)
  AND (%(step)s::text IS NULL OR step = %(step)s)
  AND (%(external_id)s::text IS NULL OR external_id = %(external_id)s)
  AND (%(after_at)s::timestamptz IS NULL OR (created_at, id) < (%(after_at)s, %(after_id)s::uuid))
ORDER BY created_at DESC, id DESC LIMIT %(limit)s;

-- name: tasks_of_runs
-- Every task of these runs, in the order of their opening; without their params, each of which can be a megabyte.
SELECT id, run_id, step, item, attempt, kind, action, state, '{}'::jsonb AS params, account, provider, external_id,
       progress, result, error, waiting_for, wake_at, deadline_at, timeout, quiet, looks, submissions, priority, settled,
       superseded, created_at, submitted_at, finished_at
FROM tasks WHERE run_id = ANY(%(run_ids)s) ORDER BY created_at, id;

-- name: insert_tasks
-- Open tasks; at most one per run, step, item and attempt, so a second opener inserts nothing.
WITH opened AS (
    INSERT INTO tasks (id, run_id, step, item, attempt, kind, action, state, params, account, provider, result, error,
                       waiting_for, wake_at, urgent_at, timeout, priority, created_at, finished_at, progress)
    SELECT id, %(run_id)s, step, item, attempt, kind, action, state, params, account, provider, result, error,
           waiting_for, wake_at, urgent_at, timeout, %(priority)s, %(now)s, finished_at, progress
    FROM jsonb_to_recordset(%(rows)s) AS row (
        id uuid, step text, item integer, attempt integer, kind task_kind, action text, state task_state,
        params jsonb, account text, provider text, result jsonb, error jsonb, waiting_for text, wake_at timestamptz,
        urgent_at timestamptz, timeout integer, finished_at timestamptz, progress smallint)
    ON CONFLICT (run_id, step, item, attempt) DO NOTHING
    RETURNING *
), noted AS (
    INSERT INTO transitions (task_id, from_state, to_state, cause, at)
    SELECT id, NULL, state, 'advance', %(now)s FROM opened
)
SELECT * FROM opened;

-- name: settle_tasks
-- The run has taken notice of the end of these tasks. (The list in a sub-select: else it is planned anew each time,
-- for its very length, and that takes as long as the rest.)
WITH locked AS (
    SELECT id FROM tasks WHERE id = ANY((SELECT %(task_ids)s::uuid[])::uuid[]) AND NOT settled
    ORDER BY id FOR NO KEY UPDATE
)
UPDATE tasks SET settled = true FROM locked WHERE tasks.id = locked.id;

-- name: cancel_unsent
-- The run is over: what nobody has begun to pay for is cancelled. What the provider has is followed to its end.
WITH locked AS (
    SELECT id, state FROM tasks
    WHERE run_id = %(run_id)s AND (state = 'ready' OR kind = 'choose' AND state = 'waiting')
    ORDER BY id FOR NO KEY UPDATE
), ended AS (
    UPDATE tasks SET state = 'cancelled', finished_at = %(now)s, wake_at = NULL, waiting_for = NULL, settled = true
    FROM locked WHERE tasks.id = locked.id
)
INSERT INTO transitions (task_id, from_state, to_state, cause, at)
SELECT id, state, 'cancelled', %(cause)s, %(now)s FROM locked;

-- name: claim_act
-- ready -> working for the most urgent local act.
WITH next AS (
    SELECT id FROM tasks
    WHERE (state = 'ready') IS TRUE AND kind <> 'provider' AND wake_at <= %(now)s
    ORDER BY urgent_at, wake_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
), moved AS (
    UPDATE tasks
    SET state = 'working', waiting_for = 'a worker', submitted_at = %(now)s, submissions = submissions + 1,
        wake_at = %(now)s + make_interval(secs => %(lease)s),
        deadline_at = coalesce(deadline_at, %(now)s + make_interval(secs => timeout))
    FROM next WHERE tasks.id = next.id RETURNING tasks.*
), noted AS (
    INSERT INTO transitions (task_id, from_state, to_state, cause, at)
    SELECT id, 'ready', 'working', 'act', %(now)s FROM moved
)
SELECT * FROM moved;

-- name: renew_act
-- The worker of this claim is alive: nobody takes its local act over before the lease is over, or the act's own time.
UPDATE tasks SET wake_at = least(%(now)s + make_interval(secs => %(lease)s), deadline_at)
WHERE id = %(task_id)s AND state = 'working' AND submissions = %(claim)s AND (deadline_at > %(now)s) IS NOT FALSE;

-- name: finish_task
-- To a terminal state from one of the given states; gives the slot back. True if it was this call that did it.
WITH locked AS (
    SELECT t FROM tasks t WHERE t.id = %(task_id)s AND t.state = ANY(%(from_states)s::task_state[])
      AND t.submissions = coalesce(%(claim)s, t.submissions)
    FOR NO KEY UPDATE
), ended AS MATERIALIZED (
    SELECT end_task(t, %(state)s::task_state, %(result)s, %(error)s, %(cause)s, %(now)s) FROM locked
)
SELECT count(*) > 0 FROM ended;

-- name: ask_person
-- working -> waiting: a person chooses until the deadline; nobody is asked for a run that is over.
WITH run AS (
    SELECT finished_at IS NOT NULL AS over FROM runs
    WHERE id = (SELECT run_id FROM tasks WHERE id = %(task_id)s) FOR SHARE
), moved AS (
    UPDATE tasks
    SET state = CASE WHEN over THEN 'cancelled' ELSE 'waiting' END::task_state,
        waiting_for = CASE WHEN NOT over THEN 'a person''s choice' END,
        finished_at = CASE WHEN over THEN %(now)s::timestamptz END,
        deadline_at = %(now)s + make_interval(secs => timeout),
        wake_at = CASE WHEN NOT over THEN %(now)s + make_interval(secs => timeout) END
    FROM run
    WHERE tasks.id = %(task_id)s AND state = 'working' AND submissions = coalesce(%(claim)s, submissions)
    RETURNING id, state
), noted AS (
    INSERT INTO transitions (task_id, from_state, to_state, cause, at)
    SELECT id, 'working', state, 'ask', %(now)s FROM moved
)
SELECT count(*) FROM moved WHERE state = 'waiting';

-- name: hand_back
-- working | waiting -> ready: a local act that has to be done (again), with parameters laid over the old ones.
WITH locked AS (
    SELECT id, state FROM tasks
    WHERE id = %(task_id)s AND kind <> 'provider' AND state IN ('working', 'waiting')
      AND submissions = coalesce(%(claim)s, submissions)
    FOR NO KEY UPDATE
), moved AS (
    UPDATE tasks
    SET state = 'ready', waiting_for = 'a worker', wake_at = %(wake_at)s, params = params || %(params)s,
        -- What follows an unanswered question has the time of an act of its own.
        deadline_at = CASE WHEN locked.state = 'working' THEN deadline_at END
    FROM locked WHERE tasks.id = locked.id
), noted AS (
    INSERT INTO transitions (task_id, from_state, to_state, cause, at)
    SELECT id, state, 'ready', %(cause)s, %(now)s FROM locked
)
SELECT count(*) FROM locked;

-- name: claim_due
-- Tasks whose time has come; it moves on by the lease, so that no two sweeps take the same ones.
WITH due AS (
    SELECT id FROM tasks
    WHERE state IN ('submitting', 'uncertain', 'working', 'waiting') AND wake_at <= %(now)s
    ORDER BY wake_at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE tasks SET wake_at = %(now)s + make_interval(secs => %(lease)s)
FROM due WHERE tasks.id = due.id RETURNING tasks.*;

-- name: hold_look
-- Nobody else looks for it meanwhile; not when somebody has taken it since it was seen.
UPDATE tasks SET wake_at = %(until)s
WHERE id = %(task_id)s AND state IN ('uncertain', 'waiting') AND wake_at IS NOT DISTINCT FROM %(seen)s;

-- name: look_later
-- Nothing new was seen: look again at this time, at the deadline at the latest. A look that told nothing is not counted.
UPDATE tasks SET wake_at = least(%(wake_at)s, deadline_at), looks = looks + %(counted)s::boolean::integer
WHERE id = %(task_id)s AND state IN ('uncertain', 'waiting');

-- name: accounts_with_ready_tasks
-- Which of these accounts have something to submit.
SELECT name FROM unnest(%(accounts)s::text[]) name
WHERE EXISTS (SELECT FROM tasks
              WHERE account = name AND (state = 'ready') IS TRUE AND kind = 'provider' AND wake_at <= %(now)s);

-- name: count_ready_acts
-- How many local acts wait for a worker, counted up to a limit.
SELECT count(*) FROM (
    SELECT FROM tasks WHERE (state = 'ready') IS TRUE AND kind <> 'provider' AND wake_at <= %(now)s
    LIMIT %(limit)s) waiting;

-- name: unsettled_runs
-- Runs with an end that nobody has taken notice of: their nudge was lost.
SELECT DISTINCT run_id FROM (
    SELECT run_id FROM tasks WHERE finished_at <= %(before)s AND NOT settled ORDER BY finished_at LIMIT %(limit)s) lost;

-- name: supersede
-- A retry replaces these finished tasks.
WITH locked AS (
    SELECT id FROM tasks WHERE id = ANY(%(task_ids)s) AND finished_at IS NOT NULL ORDER BY id FOR NO KEY UPDATE
)
UPDATE tasks SET superseded = true, settled = true FROM locked WHERE tasks.id = locked.id;

-- name: history
-- Every transition of a task, oldest first.
SELECT from_state, to_state, cause, at FROM transitions WHERE task_id = %(task_id)s ORDER BY id;

-- name: lineage
-- A task and the tasks its image came from, nearest first.
WITH RECURSIVE chain AS (
    SELECT t.*, 0 AS depth FROM tasks t WHERE t.id = %(task_id)s
    UNION ALL
    SELECT t.*, depth + 1 FROM chain c JOIN tasks t ON t.id = (c.params #>> '{parent,task_id}')::uuid WHERE depth < 50
)
SELECT * FROM chain ORDER BY depth;
