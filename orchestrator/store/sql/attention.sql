-- name: uncertain_tasks
-- Sent, and nobody knows whether they arrived; the oldest first.
SELECT id, run_id, account, submitted_at AS since, waiting_for AS detail
FROM tasks WHERE state = 'uncertain' ORDER BY created_at, id LIMIT %(limit)s;

-- name: open_choices
-- Quadrants that a person is to choose, with the time when somebody else does.
SELECT id, run_id, account, created_at AS since, 'step ' || step || ': a quadrant is to be chosen' AS detail
FROM tasks WHERE state = 'waiting' AND kind = 'choose' ORDER BY deadline_at, id LIMIT %(limit)s;

-- name: stray_tasks
-- Unfinished tasks of accounts that are not configured: what is under way holds a slot, and the rest is ready.
SELECT id, run_id, account, coalesce(submitted_at, created_at) AS since,
       'the account ' || account || ' is not configured; the task is ' || state AS detail
FROM accounts a CROSS JOIN LATERAL (
    SELECT t.* FROM slots s JOIN tasks t ON t.id = s.task_id
    WHERE s.account = a.name AND t.finished_at IS NULL
    UNION ALL
    (SELECT t.* FROM tasks t
     WHERE t.account = a.name AND (t.state = 'ready') IS TRUE AND t.kind = 'provider' LIMIT %(limit)s)) stray
WHERE NOT a.name = ANY(%(configured)s) ORDER BY since, id LIMIT %(limit)s;

-- name: risky_archivings
-- Images that are not stored and whose address dies before this time, or whose storing has failed while it lives.
(SELECT id, run_id, account, urgent_at AS since, state::text AS state, error ->> 'message' AS error
 FROM tasks WHERE (state = 'ready') IS TRUE AND kind <> 'provider' AND kind = 'archive' AND urgent_at <= %(before)s
 ORDER BY urgent_at LIMIT %(limit)s)
UNION ALL
(SELECT id, run_id, account, urgent_at, state::text, error ->> 'message'
 FROM tasks WHERE state = 'working' AND kind = 'archive' AND urgent_at <= %(before)s LIMIT %(limit)s)
UNION ALL
(SELECT id, run_id, account, urgent_at, state::text, error ->> 'message'
 FROM tasks
 WHERE state = 'failed' AND kind = 'archive' AND NOT superseded AND urgent_at > %(now)s
   AND created_at > %(now)s::timestamptz - interval '7 days' LIMIT %(limit)s)
ORDER BY since, id LIMIT %(limit)s;

-- name: kept_callbacks
-- Deliveries with this verdict that nobody has dismissed, the newest first; to_task: whose URL they were sent to.
SELECT c.id, t.run_id, c.account, c.received_at AS since, c.reason AS detail, c.external_id, c.task_id,
       nullif(c.scope, '00000000-0000-0000-0000-000000000000') AS to_task
FROM unheeded u JOIN callbacks c ON c.id = u.callback_id LEFT JOIN tasks t ON t.id = c.task_id
WHERE u.verdict = %(verdict)s::verdict
ORDER BY u.received_at DESC, u.callback_id DESC LIMIT %(limit)s;

-- name: paused_accounts
-- Accounts to which nothing is submitted now, and why.
SELECT name AS id, name AS account, paused_until, paused_reason AS detail
FROM accounts WHERE paused_until > %(now)s ORDER BY name LIMIT %(limit)s;

-- name: unwatched_tasks
-- Tasks whose time to be looked at is long over, and jobs that may wait for ever: the one because nobody sweeps, the
-- other because of a defect.
(SELECT id, run_id, account, wake_at AS since, 'nobody has looked at it since' AS detail FROM tasks
 WHERE state IN ('submitting', 'uncertain', 'working', 'waiting') AND wake_at <= %(before)s
 ORDER BY wake_at LIMIT %(limit)s)
UNION ALL
(SELECT id, run_id, account, created_at, 'it waits without a deadline' FROM tasks
 WHERE state IN ('submitting', 'uncertain', 'waiting') AND deadline_at IS NULL ORDER BY created_at LIMIT %(limit)s)
LIMIT %(limit)s;

-- name: stranded_runs
-- Runs that are open although each of their tasks has ended, and nobody has done anything about it for a while: of so
-- many that are open for longest, among which a run that never ends comes to be. (A sub-select with a limit is done for
-- each run by itself; else the planner may read all tasks to find the runs without one.)
SELECT r.id, r.id AS run_id, r.created_at AS since, 'all its tasks have ended, and it has not' AS detail
FROM (SELECT id, created_at FROM runs
      WHERE state = 'running' AND created_at <= %(before)s ORDER BY created_at LIMIT %(looked)s) r
WHERE (SELECT true FROM tasks t
       WHERE t.run_id = r.id AND (t.finished_at IS NULL OR t.finished_at > %(before)s) LIMIT 1) IS NULL
ORDER BY r.created_at LIMIT %(limit)s;
