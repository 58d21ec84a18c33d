-- outside a transaction
-- What is found by its age is removed by its age.
DROP INDEX CONCURRENTLY IF EXISTS runs_ended;
CREATE INDEX CONCURRENTLY runs_ended ON runs (finished_at, id) WHERE finished_at IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS runs_with_a_key;
CREATE INDEX CONCURRENTLY runs_with_a_key ON runs (finished_at, id) WHERE finished_at IS NOT NULL AND idempotency_key IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS callbacks_whole;
CREATE INDEX CONCURRENTLY callbacks_whole ON callbacks (received_at, id) WHERE octet_length(body) > 0 AND verdict NOT IN ('parked', 'rejected');
