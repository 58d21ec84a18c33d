-- name: limit_statements
-- For the rest of this transaction: how long a statement, and a wait for a lock in it, may take.
SELECT set_config('statement_timeout', %(milliseconds)s, true), set_config('lock_timeout', %(milliseconds)s, true);
