-- name: hurry
-- Whoever is served queues up behind a lock that we wait for, so we let go before his own patience ends.
SELECT set_config('lock_timeout', '2s', true), set_config('statement_timeout', '10min', true);

-- name: lock
-- One migrator at a time, until the end of the transaction. False: another one is at work.
SELECT pg_try_advisory_xact_lock(4716320113);

-- name: lock_session
-- The same for what cannot be done in a transaction.
SELECT pg_try_advisory_lock(4716320113), set_config('lock_timeout', '0', false),
       set_config('statement_timeout', '1h', false);

-- name: unlock_session
-- The next one may come.
SELECT pg_advisory_unlock(4716320113);

-- name: create_table
-- Which migrations have been applied.
CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());

-- name: table_exists
-- Whether anything has ever been applied.
SELECT to_regclass('migrations') IS NOT NULL;

-- name: applied
-- The names applied.
SELECT name FROM migrations;

-- name: record
-- One more is applied.
INSERT INTO migrations (name) VALUES (%(name)s);
