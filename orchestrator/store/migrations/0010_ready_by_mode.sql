-- outside a transaction
-- What is ready in each mode, the most urgent first: a mode that is full costs nothing to pass over.
DROP INDEX CONCURRENTLY IF EXISTS tasks_ready_by_mode;
CREATE INDEX CONCURRENTLY tasks_ready_by_mode ON tasks (account, coalesce(params #>> '{with,mode}', ''), priority DESC, wake_at) WHERE (state = 'ready') IS TRUE AND kind = 'provider';
