-- name: migrations_table
-- Whether anything has ever been applied.
SELECT to_regclass('migrations') IS NOT NULL;

-- name: migrations_applied
-- The names applied.
SELECT name FROM migrations;

-- name: figures
-- What is unfinished or noteworthy, each counted up to a limit, so that a scrape costs the same whatever there is.
SELECT 'runs' AS what, state::text AS label,
       (SELECT count(*) FROM (SELECT FROM runs r WHERE r.state = s.state LIMIT %(limit)s) counted) AS number
FROM unnest('{running,paused}'::run_state[]) s (state)
UNION ALL
SELECT 'tasks', state::text,
       (SELECT count(*) FROM (SELECT FROM tasks t WHERE t.state = s.state LIMIT %(limit)s) counted)
FROM unnest('{ready,submitting,uncertain,working,waiting}'::task_state[]) s (state)
UNION ALL
SELECT 'callbacks', verdict::text,
       (SELECT count(*) FROM (SELECT FROM callbacks c WHERE c.verdict = s.verdict AND c.verdict <> 'accepted'
                              AND NOT EXISTS (SELECT FROM dismissals d WHERE d.callback_id = c.id)
                              LIMIT %(limit)s) counted)
FROM unnest('{late,parked,rejected}'::verdict[]) s (verdict)
UNION ALL
SELECT 'slots', account, count(task_id) FROM slots GROUP BY account
UNION ALL
SELECT 'attention', 'paused', count(*) FROM accounts WHERE paused_until > %(now)s
UNION ALL
SELECT 'attention', 'risky', count(*)
FROM (SELECT FROM tasks WHERE (state = 'ready') IS TRUE AND kind <> 'provider' AND kind = 'archive'
      AND urgent_at <= %(soon)s LIMIT %(limit)s) counted
UNION ALL
SELECT 'attention', 'stray', count(*)
FROM (SELECT FROM accounts a JOIN slots s ON s.account = a.name AND s.task_id IS NOT NULL
      WHERE NOT a.name = ANY(%(configured)s::text[]) LIMIT %(limit)s) counted;
