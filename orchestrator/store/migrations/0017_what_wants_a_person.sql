-- outside a transaction
-- What is looked for again and again and hardly ever there: of each kind only the few rows that are it.
DROP INDEX CONCURRENTLY IF EXISTS tasks_without_deadline;
CREATE INDEX CONCURRENTLY tasks_without_deadline ON tasks (created_at) WHERE deadline_at IS NULL AND state IN ('submitting', 'uncertain', 'waiting');
DROP INDEX CONCURRENTLY IF EXISTS tasks_to_choose;
CREATE INDEX CONCURRENTLY tasks_to_choose ON tasks (deadline_at, id) WHERE kind = 'choose' AND state = 'waiting';
DROP INDEX CONCURRENTLY IF EXISTS tasks_to_rescue;
CREATE INDEX CONCURRENTLY tasks_to_rescue ON tasks (urgent_at) WHERE kind = 'archive' AND state = 'failed' AND NOT superseded;
-- Deliveries to an account's hook that speak of several jobs, by these. Without a list of what is still to be put in
-- order: a look-up would read it whole.
DROP INDEX CONCURRENTLY IF EXISTS callbacks_of_several;
CREATE INDEX CONCURRENTLY callbacks_of_several ON callbacks USING gin (events jsonb_path_ops) WITH (fastupdate = off) WHERE scope = '00000000-0000-0000-0000-000000000000' AND jsonb_array_length(events) > 1;
