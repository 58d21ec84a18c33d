-- name: lock
-- One migrator at a time.
SELECT pg_advisory_xact_lock(4716320113);

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
