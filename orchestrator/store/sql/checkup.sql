-- name: read_clock
-- What time the server has, and which version it is.
SELECT clock_timestamp() AS now, current_setting('server_version') AS version;

-- name: read_only
-- Whether it takes no writes.
SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean;

-- name: not_durable
-- What has to be on for a commit to outlive a crash.
SELECT name FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off' ORDER BY name;

-- name: connections
-- How many clients there are, and may be.
SELECT count(*)::integer AS used, current_setting('max_connections')::integer AS most
FROM pg_stat_activity WHERE backend_type = 'client backend';

-- name: invalid_indexes
-- Indexes of ours that serve nobody.
SELECT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = current_schema()::regnamespace AND NOT (i.indisvalid AND i.indisready) ORDER BY 1;

-- name: parts
-- Indexes, constraints and functions that there are.
SELECT relname::text AS name FROM pg_class WHERE relkind IN ('i', 'I') AND relnamespace = current_schema()::regnamespace
UNION SELECT conname::text FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
UNION SELECT proname::text FROM pg_proc WHERE pronamespace = current_schema()::regnamespace;
