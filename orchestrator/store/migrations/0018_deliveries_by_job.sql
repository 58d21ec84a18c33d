-- As before; but a delivery that speaks of several jobs is found by them, and not among all of its account's in the
-- run's time. ("OFFSET 0": each task's deliveries are looked up by themselves. Where all deliveries go to accounts' hooks,
-- the planner would else read them all to find those to tasks' own URLs.)
CREATE OR REPLACE FUNCTION deliveries_of(p_run uuid) RETURNS SETOF uuid
LANGUAGE sql ROWS 100 SET enable_seqscan = off AS $$
    WITH mine AS MATERIALIZED (SELECT id, account, external_id FROM tasks WHERE run_id = p_run)
    SELECT c.id FROM mine CROSS JOIN LATERAL (SELECT id FROM callbacks WHERE task_id = mine.id OFFSET 0) c
    UNION
    SELECT c.id FROM mine CROSS JOIN LATERAL (SELECT id FROM callbacks WHERE scope = mine.id OFFSET 0) c
    UNION
    SELECT c.id FROM mine CROSS JOIN LATERAL (
        SELECT id FROM callbacks WHERE external_id = mine.external_id AND account = mine.account OFFSET 0) c
    UNION
    -- An account's hook may be told of several jobs at once; that delivery is filed under one of them.
    SELECT c.id FROM mine CROSS JOIN LATERAL (
        SELECT id FROM callbacks
        WHERE events @> jsonb_build_array(jsonb_build_object('external_id', mine.external_id))
          AND scope = '00000000-0000-0000-0000-000000000000' AND jsonb_array_length(events) > 1
          AND account = mine.account OFFSET 0) c
    WHERE mine.external_id IS NOT NULL
$$;
