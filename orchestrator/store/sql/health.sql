-- name: migrations_table
-- Whether anything has ever been applied.
SELECT to_regclass('migrations') IS NOT NULL;

-- name: migrations_applied
-- The names applied.
SELECT name FROM migrations;

-- name: figures
-- What is unfinished or noteworthy, each counted up to a limit, so that a scrape costs the same whatever there is.
-- (Each state by its name: of one that it is not told the planner believes that it is as frequent as the others, and
-- reads the whole table to find none.)
SELECT 'runs' AS what, 'running' AS label,
       (SELECT count(*) FROM (SELECT FROM runs WHERE state = 'running' LIMIT %(limit)s) counted) AS number
UNION ALL
SELECT 'runs', 'paused', (SELECT count(*) FROM (SELECT FROM runs WHERE state = 'paused' LIMIT %(limit)s) counted)
UNION ALL
SELECT 'tasks', 'ready', (SELECT count(*) FROM (SELECT FROM tasks WHERE state = 'ready' LIMIT %(limit)s) counted)
UNION ALL
SELECT 'tasks', 'submitting', (SELECT count(*) FROM (SELECT FROM tasks WHERE state = 'submitting' LIMIT %(limit)s) counted)
UNION ALL
SELECT 'tasks', 'uncertain', (SELECT count(*) FROM (SELECT FROM tasks WHERE state = 'uncertain' LIMIT %(limit)s) counted)
UNION ALL
SELECT 'tasks', 'working', (SELECT count(*) FROM (SELECT FROM tasks WHERE state = 'working' LIMIT %(limit)s) counted)
UNION ALL
SELECT 'tasks', 'waiting', (SELECT count(*) FROM (SELECT FROM tasks WHERE state = 'waiting' LIMIT %(limit)s) counted)
UNION ALL
SELECT 'callbacks', verdict::text,
       (SELECT count(*) FROM (SELECT FROM unheeded u WHERE u.verdict = s.verdict LIMIT %(limit)s) counted)
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
