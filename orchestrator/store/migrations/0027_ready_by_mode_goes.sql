-- outside a transaction
-- A mode of some thousand characters, which nobody offers, could not be put into it, and the step not be opened.
DROP INDEX CONCURRENTLY IF EXISTS tasks_ready_by_mode;
