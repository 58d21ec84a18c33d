-- name: limit_statements
-- For the rest of this transaction: how long a statement, and a wait for a lock in it, may take.
SELECT set_config('statement_timeout', %(milliseconds)s, true), set_config('lock_timeout', %(milliseconds)s, true);

-- name: read_time
-- What time it is to the database.
SELECT clock_timestamp();
