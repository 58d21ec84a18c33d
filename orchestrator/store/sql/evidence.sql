-- name: deliveries_of
-- The ids of all deliveries that speak of a run, in the order of their arrival.
SELECT c.id FROM callbacks c JOIN deliveries_of(%(run_id)s::uuid) found (id) ON found.id = c.id
ORDER BY c.received_at, c.id;

-- name: whole_deliveries
-- These deliveries with their bodies, in the order of their arrival.
SELECT id, account, nullif(scope, '00000000-0000-0000-0000-000000000000') AS scope, task_id, external_id, source,
       verdict::text, reason, content_type, digest, size, body, events, copies, received_at
FROM callbacks WHERE id = ANY(%(callback_ids)s::uuid[]) ORDER BY received_at, id;

-- name: histories
-- Every transition of these tasks, oldest first.
SELECT task_id, from_state::text AS "from", to_state::text AS "to", cause, at FROM transitions
WHERE task_id = ANY(%(task_ids)s::uuid[]) ORDER BY id;
