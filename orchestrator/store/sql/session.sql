-- name: greet
-- Who answers: whether it is another process than we were told of, its version, and the time-outs that nobody has set.
SELECT pg_backend_pid() <> %(told)s, current_setting('server_version_num')::integer, current_setting('server_version'),
       ARRAY (SELECT name FROM pg_settings
              WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout')
                AND setting = '0' ORDER BY name);

-- name: use_utc
-- Times are told in UTC.
SELECT set_config('TimeZone', 'UTC', false);

-- name: is_pooled
-- Whether the server's process is another one than we were told of.
SELECT pg_backend_pid() <> %(told)s;
