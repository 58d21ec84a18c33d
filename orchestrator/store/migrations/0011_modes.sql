-- Limits of an account's modes. modes: {"relax": {"slots": 1, "submits_per_second": 0.1}}, either may be missing.
-- mode_next: when the next submission of a mode with a rate may follow. default_mode: that of a submission that names none.
ALTER TABLE accounts ADD COLUMN modes jsonb NOT NULL DEFAULT '{}';
ALTER TABLE accounts ADD COLUMN mode_next jsonb NOT NULL DEFAULT '{}';
ALTER TABLE accounts ADD COLUMN default_mode text NOT NULL DEFAULT '';

CREATE FUNCTION mode_of(p_params jsonb, p_default text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(p_params #>> '{with,mode}', p_default)
$$;

-- The modes of an account for which nothing may be submitted now.
CREATE FUNCTION full_modes(p_account accounts, p_now timestamptz) RETURNS text[] LANGUAGE sql AS $$
    SELECT coalesce(array_agg(mode), '{}')
    FROM jsonb_each(p_account.modes) limits (mode, its)
    WHERE (p_account.mode_next ->> mode)::timestamptz > p_now
       OR (its ->> 'slots')::integer <= (
           SELECT count(*) FROM slots s JOIN tasks t ON t.id = s.task_id
           WHERE s.account = p_account.name AND mode_of(t.params, p_account.default_mode) = mode)
$$;

-- The first ready task of an account in a mode that is not full, locked. Each mode that occurs is looked up in its own
-- part of the index, however many tasks of a full one there are.
CREATE FUNCTION next_of_modes(p_account accounts, p_full text[], p_now timestamptz) RETURNS SETOF tasks
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    v_said text := (SELECT min(coalesce(params #>> '{with,mode}', '')) FROM tasks
                    WHERE account = p_account.name AND (state = 'ready') IS TRUE AND kind = 'provider');
    v_open text[] := '{}';
BEGIN
    WHILE v_said IS NOT NULL LOOP
        IF coalesce(nullif(v_said, ''), p_account.default_mode) <> ALL (p_full) THEN
            v_open := v_open || v_said;
        END IF;
        v_said := (SELECT min(coalesce(params #>> '{with,mode}', '')) FROM tasks
                   WHERE account = p_account.name AND (state = 'ready') IS TRUE AND kind = 'provider'
                     AND coalesce(params #>> '{with,mode}', '') > v_said);
    END LOOP;
    RETURN QUERY
        SELECT first.* FROM unnest(v_open) said CROSS JOIN LATERAL (
            SELECT * FROM tasks
            WHERE account = p_account.name AND coalesce(params #>> '{with,mode}', '') = said
              AND (state = 'ready') IS TRUE AND kind = 'provider' AND wake_at <= p_now
            ORDER BY priority DESC, wake_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) first
        ORDER BY first.priority DESC, first.wake_at LIMIT 1;
END $$;

-- Take the next ready task of an account together with a slot, if the account's pause and rate allow it.
-- Returns no row when there is nothing to do; otherwise the task, now submitting. A task that was sent back to ready
-- while its run ended is cancelled instead: nothing is paid for a run that is over. Nobody waits here for anybody, except
-- where modes have limits of their own: there one claim follows the other, so that each sees what the former has taken.
CREATE OR REPLACE FUNCTION claim_submission(p_account text, p_lease interval, p_now timestamptz) RETURNS SETOF tasks
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    v_account accounts;
    v_slot integer;
    v_task tasks;
    v_full text[] := '{}';
    v_mode text;
BEGIN
    SELECT * INTO v_account FROM accounts WHERE name = p_account;
    IF v_account.submits_per_second IS NOT NULL THEN
        SELECT * INTO v_account FROM accounts WHERE name = p_account FOR NO KEY UPDATE SKIP LOCKED;
    ELSIF v_account.modes <> '{}' THEN
        SELECT * INTO v_account FROM accounts WHERE name = p_account FOR NO KEY UPDATE;
    END IF;
    IF v_account.name IS NULL OR v_account.paused_until > p_now OR v_account.next_submit_at > p_now THEN
        RETURN;
    END IF;
    -- After a pause for strikes one submission at a time finds out whether the account is well again.
    IF v_account.strikes > 0 AND v_account.paused_until IS NOT NULL
       AND EXISTS (SELECT FROM tasks WHERE account = p_account AND state = 'submitting') THEN
        RETURN;
    END IF;
    IF v_account.modes <> '{}' THEN
        v_full := full_modes(v_account, p_now);
    END IF;
    LOOP
        IF v_full = '{}' THEN
            SELECT * INTO v_task FROM tasks
            WHERE account = p_account AND (state = 'ready') IS TRUE AND kind = 'provider' AND wake_at <= p_now
            ORDER BY priority DESC, wake_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
        ELSE
            SELECT * INTO v_task FROM next_of_modes(v_account, v_full, p_now);
        END IF;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        EXIT WHEN EXISTS (SELECT FROM runs WHERE id = v_task.run_id AND finished_at IS NULL);
        PERFORM end_task(v_task, 'cancelled', NULL, NULL, 'the run is over', p_now);
    END LOOP;
    -- The number alone is not enough when the limit was lowered, or a job came back that had given its place away.
    SELECT number INTO v_slot FROM slots
    WHERE account = p_account AND task_id IS NULL AND number <= v_account.slots
      AND v_account.slots > (SELECT count(held.task_id) FROM slots held WHERE held.account = p_account)
    LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    UPDATE slots SET task_id = v_task.id WHERE account = p_account AND number = v_slot;
    IF v_account.submits_per_second IS NOT NULL THEN
        UPDATE accounts SET next_submit_at = p_now + make_interval(secs => 1 / submits_per_second)
        WHERE name = p_account;
    END IF;
    v_mode := mode_of(v_task.params, v_account.default_mode);
    IF v_account.modes #> ARRAY [v_mode, 'submits_per_second'] IS NOT NULL THEN
        UPDATE accounts
        SET mode_next = mode_next || jsonb_build_object(v_mode, p_now + make_interval(
            secs => 1 / (v_account.modes #>> ARRAY [v_mode, 'submits_per_second'])::double precision))
        WHERE name = p_account;
    END IF;
    INSERT INTO transitions (task_id, from_state, to_state, cause, at)
    VALUES (v_task.id, 'ready', 'submitting', 'submit', p_now);
    RETURN QUERY
        UPDATE tasks
        SET state = 'submitting', waiting_for = 'the provider''s answer to the submission', submissions = submissions + 1,
            submitted_at = p_now, wake_at = p_now + p_lease, looks = 0,
            deadline_at = coalesce(deadline_at, p_now + make_interval(secs => timeout))
        WHERE id = v_task.id RETURNING *;
END $$;
