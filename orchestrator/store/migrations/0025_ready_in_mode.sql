-- outside a transaction
-- As tasks_ready_by_mode, but whatever a mode is called, it fits into an index (names of modes have 64 characters at most).
DROP INDEX CONCURRENTLY IF EXISTS tasks_ready_in_mode;
CREATE INDEX CONCURRENTLY tasks_ready_in_mode ON tasks (account, left(coalesce(params #>> '{with,mode}', ''), 64), priority DESC, wake_at) WHERE (state = 'ready') IS TRUE AND kind = 'provider';
-- What may go to another account, the most urgent first.
DROP INDEX CONCURRENTLY IF EXISTS tasks_ready_to_move;
CREATE INDEX CONCURRENTLY tasks_ready_to_move ON tasks (account, priority DESC, wake_at) WHERE (state = 'ready') IS TRUE AND kind = 'provider' AND params #> '{accounts,1}' IS NOT NULL AND params -> 'parent' = 'null';
