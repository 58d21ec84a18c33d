-- name: read_clock
-- What time the server has, and which version it is.
SELECT clock_timestamp() AS now, current_setting('server_version') AS version;
