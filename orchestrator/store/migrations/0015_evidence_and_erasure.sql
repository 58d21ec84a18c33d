-- A run's evidence can be taken out whole, and what is personal in it erased.

CREATE TABLE erasures (
    run_id uuid PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
    at timestamptz NOT NULL, -- the first time; erasing again does the same again
    by text NOT NULL         -- the name of the API token
);

-- Every delivery that speaks of a run: to its tasks' own URLs, or with their jobs' names.
CREATE FUNCTION deliveries_of(p_run uuid) RETURNS SETOF uuid LANGUAGE sql AS $$
    WITH mine AS MATERIALIZED (SELECT id, account, external_id FROM tasks WHERE run_id = p_run)
    SELECT c.id FROM mine JOIN callbacks c ON c.task_id = mine.id
    UNION
    SELECT c.id FROM mine JOIN callbacks c ON c.scope = mine.id
    UNION
    SELECT c.id FROM mine JOIN callbacks c ON c.external_id = mine.external_id AND c.account = mine.account
    UNION
    -- An account's hook may be told of several jobs at once; that delivery is filed under one of them.
    SELECT c.id FROM runs r JOIN callbacks c
        ON c.received_at BETWEEN r.created_at AND coalesce(r.finished_at, 'infinity') + interval '7 days'
    WHERE r.id = p_run AND c.account IN (SELECT account FROM mine)
      AND c.scope = '00000000-0000-0000-0000-000000000000' AND jsonb_array_length(c.events) > 1
      AND EXISTS (SELECT FROM jsonb_array_elements(c.events) e JOIN mine ON mine.external_id = e ->> 'external_id');
$$;

-- As before; but of a delivery for a run that is erased neither the bytes nor what is read in them are kept.
CREATE OR REPLACE FUNCTION receive(
    p_id uuid, p_account text, p_task uuid, p_source text, p_content_type text, p_digest bytea, p_body bytea,
    p_events jsonb, p_keep boolean, p_now timestamptz,
    OUT verdict verdict, OUT reason text, OUT task_id uuid, OUT ended_runs uuid[]
) LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    v_task tasks;
    v_event jsonb;
    v_merged record;
    v_names text[] := ARRAY (SELECT e ->> 'external_id' FROM jsonb_array_elements(p_events) e);
    v_name text := (SELECT name FROM unnest(v_names) name WHERE name IS NOT NULL LIMIT 1);
    v_scope uuid := coalesce(p_task, '00000000-0000-0000-0000-000000000000');
    v_known verdict;
    v_erased boolean := false;
    v_order verdict[] := ARRAY ['accepted', 'late', 'parked', 'stale', 'duplicate'];
BEGIN
    ended_runs := '{}';
    PERFORM lock_jobs(p_account, v_names);
    IF p_task IS NOT NULL THEN
        SELECT * INTO v_task FROM tasks t WHERE t.id = p_task AND t.account = p_account FOR NO KEY UPDATE;
    ELSE
        PERFORM FROM tasks t WHERE t.external_id = ANY (v_names) AND (t.account = p_account) IS TRUE
        ORDER BY t.id FOR NO KEY UPDATE;
        -- A delivery with one job that nobody knows yet stays parked until somebody does.
        v_order := ARRAY ['parked', 'accepted', 'late', 'stale', 'duplicate'];
    END IF;
    SELECT c.verdict INTO v_known FROM callbacks c
    WHERE c.scope = v_scope AND c.digest = p_digest AND (c.account = p_account) IS TRUE;
    IF FOUND AND v_known NOT IN ('parked', 'rejected') THEN
        UPDATE callbacks c SET copies = copies + (c.id <> p_id)::integer
        WHERE c.scope = v_scope AND c.digest = p_digest AND (c.account = p_account) IS TRUE
        RETURNING c.task_id INTO task_id;
        verdict := 'duplicate';
        RETURN;
    END IF;
    FOR v_event IN SELECT e FROM jsonb_array_elements(p_events) WITH ORDINALITY x(e, n) ORDER BY n LOOP
        IF p_task IS NULL THEN
            SELECT * INTO v_task FROM tasks t
            WHERE t.external_id = v_event ->> 'external_id' AND (t.account = p_account) IS TRUE;
        END IF;
        IF v_task.id IS NULL THEN
            v_name := CASE WHEN verdict = 'parked' THEN v_name ELSE v_event ->> 'external_id' END;
            verdict := 'parked';
            reason := 'no task of ours has this job (yet)';
            CONTINUE;
        END IF;
        task_id := v_task.id;
        SELECT * INTO v_merged FROM merge_event(v_task, v_event, p_source, p_now);
        v_task := v_merged.p_task;
        v_erased := v_erased OR v_merged.verdict <> 'accepted' AND v_task.finished_at IS NOT NULL
            AND EXISTS (SELECT FROM erasures e WHERE e.run_id = v_task.run_id);
        IF verdict IS NULL OR array_position(v_order, v_merged.verdict) < array_position(v_order, verdict) THEN
            verdict := v_merged.verdict;
            reason := v_merged.reason;
        END IF;
        IF v_merged.verdict = 'accepted' AND v_task.finished_at IS NOT NULL THEN
            ended_runs := ended_runs || v_task.run_id;
        END IF;
    END LOOP;
    verdict := coalesce(verdict, 'stale');
    IF p_keep OR verdict IN ('accepted', 'late') THEN
        INSERT INTO callbacks AS c (id, account, scope, task_id, external_id, source, verdict, reason, content_type,
                                    digest, size, body, events, received_at)
        VALUES (p_id, p_account, v_scope, receive.task_id, v_name, p_source, receive.verdict, receive.reason,
                p_content_type, p_digest, octet_length(p_body), CASE WHEN v_erased THEN '' ELSE p_body END,
                CASE WHEN v_erased THEN '[]' ELSE p_events END, p_now)
        ON CONFLICT (scope, digest, account) DO UPDATE
        SET copies = c.copies + (c.id <> p_id)::integer, verdict = EXCLUDED.verdict, reason = EXCLUDED.reason,
            task_id = EXCLUDED.task_id, external_id = EXCLUDED.external_id, events = EXCLUDED.events,
            body = EXCLUDED.body;
    END IF;
END $$;
