-- A task's time is its job's: it does not run in the queue, and a submission that is in doubt has all of it.

-- The first ready task of an account in a mode that is not full, locked. Each mode that occurs is looked up in its own
-- part of the index, however many tasks of a full one there are.
CREATE OR REPLACE FUNCTION next_of_modes(p_account accounts, p_full text[], p_now timestamptz) RETURNS SETOF tasks
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    v_said text := (SELECT min(left(coalesce(params #>> '{with,mode}', ''), 64)) FROM tasks
                    WHERE account = p_account.name AND (state = 'ready') IS TRUE AND kind = 'provider');
    v_open text[] := '{}';
BEGIN
    WHILE v_said IS NOT NULL LOOP
        IF coalesce(nullif(v_said, ''), p_account.default_mode) <> ALL (p_full) THEN
            v_open := v_open || v_said;
        END IF;
        v_said := (SELECT min(left(coalesce(params #>> '{with,mode}', ''), 64)) FROM tasks
                   WHERE account = p_account.name AND (state = 'ready') IS TRUE AND kind = 'provider'
                     AND left(coalesce(params #>> '{with,mode}', ''), 64) > v_said);
    END LOOP;
    RETURN QUERY
        SELECT first.* FROM unnest(v_open) said CROSS JOIN LATERAL (
            SELECT * FROM tasks
            WHERE account = p_account.name AND left(coalesce(params #>> '{with,mode}', ''), 64) = said
              AND (state = 'ready') IS TRUE AND kind = 'provider' AND wake_at <= p_now
            ORDER BY priority DESC, wake_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) first
        ORDER BY first.priority DESC, first.wake_at LIMIT 1;
END $$;

-- Take the next ready task of an account together with a slot, if the account's pause and rate allow it.
-- Returns no row when there is nothing to do; otherwise the task, now submitting. A task that was sent back to ready
-- while its run ended is cancelled instead: nothing is paid for a run that is over. Nobody waits here for anybody, except
-- where modes have limits of their own: there one claim follows the other, so that each sees what the former has taken.
-- A task's time does not run while it waits for its turn, only while its account is ill.
CREATE OR REPLACE FUNCTION claim_submission(p_account text, p_lease interval, p_now timestamptz) RETURNS SETOF tasks
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    v_account accounts;
    v_slot integer;
    v_task tasks;
    v_full text[] := '{}';
    v_mode text;
    v_probe boolean;
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
    v_probe := v_account.strikes > 0 AND v_account.paused_until IS NOT NULL;
    IF v_probe AND EXISTS (SELECT FROM tasks WHERE account = p_account AND state = 'submitting') THEN
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
            deadline_at = coalesce(deadline_at + CASE WHEN v_probe THEN '0' ELSE greatest(p_now - wake_at, '0') END,
                                   p_now + make_interval(secs => timeout))
        WHERE id = v_task.id RETURNING *;
END $$;

-- submitting -> uncertain: the request went out, and nobody knows what came of it. There may be a job, which has its time
-- from then on: what was waited for before, a slot say, is not its fault. False when the task had moved on.
-- p_submission: which of the task's submissions this is said of; null: the last.
CREATE FUNCTION doubt_submission(
    p_task uuid, p_submission integer, p_reason text, p_wake_at timestamptz, p_now timestamptz
) RETURNS boolean LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    UPDATE tasks
    SET state = 'uncertain', waiting_for = p_reason, wake_at = p_wake_at, looks = 0,
        deadline_at = greatest(deadline_at, submitted_at + make_interval(secs => timeout))
    WHERE id = p_task AND state = 'submitting' AND submissions = coalesce(p_submission, submissions);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO transitions (task_id, from_state, to_state, cause, at)
    VALUES (p_task, 'submitting', 'uncertain', p_reason, p_now);
    RETURN true;
END $$;

-- The provider has the job. The id is kept even if a callback was quicker; true when a parked callback waits for it.
-- A task that was already sent back to ready waits after all: its job exists. What is named may be another task's job, one
-- of the same prompt that was taken for it say: then a look has to tell what became of this one.
CREATE OR REPLACE FUNCTION record_submitted(p_task uuid, p_external text, p_quiet double precision, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    v_task tasks;
BEGIN
    PERFORM lock_jobs(account, ARRAY [p_external]) FROM tasks WHERE id = p_task;
    UPDATE accounts SET strikes = 0, paused_until = NULL, paused_reason = NULL
    WHERE name = (SELECT account FROM tasks WHERE id = p_task) AND strikes > 0;
    SELECT * INTO v_task FROM tasks WHERE id = p_task FOR NO KEY UPDATE;
    v_task.quiet := p_quiet;
    IF v_task.external_id IS NULL THEN
        IF EXISTS (SELECT FROM tasks WHERE external_id = p_external AND (account = v_task.account) IS TRUE) THEN
            PERFORM doubt_submission(p_task, NULL, 'a look at the provider: it named the job ' || left(p_external, 100)
                || ', which is another task''s', p_now + interval '5 s', p_now);
            RETURN false;
        END IF;
        v_task.external_id := p_external;
    END IF;
    IF v_task.state IN ('submitting', 'uncertain') OR v_task.state = 'ready' AND v_task.submissions > 0 THEN
        PERFORM wait_on(v_task, 'accepted', p_now);
    ELSE
        UPDATE tasks
        SET external_id = v_task.external_id, quiet = p_quiet,
            wake_at = CASE state WHEN 'waiting' THEN least(wake_at, p_now + make_interval(secs => p_quiet))
                                 ELSE wake_at END
        WHERE id = p_task;
    END IF;
    RETURN EXISTS (SELECT FROM callbacks
                   WHERE external_id = p_external AND (account = v_task.account) IS TRUE
                     AND (verdict = 'parked') IS TRUE);
END $$;

-- The provider is known not to have taken the job. Returns the state it leads to, null if the task had moved on.
-- p_submission: which of the task's submissions was refused; what is said of a former one changes nothing.
-- Each doubt has the time of a whole job, so it is their number that ends a task whose submissions never arrive.
CREATE OR REPLACE FUNCTION refuse_submission(
    p_task uuid, p_submission integer, p_error jsonb, p_retry_at timestamptz, p_now timestamptz
) RETURNS task_state LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    v_task tasks;
BEGIN
    SELECT * INTO v_task FROM tasks
    WHERE id = p_task AND state IN ('submitting', 'uncertain') AND submissions = coalesce(p_submission, submissions)
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF p_retry_at IS NULL OR p_retry_at > v_task.deadline_at
       OR p_error ->> 'code' = 'never_arrived'
          AND (SELECT count(*) FROM transitions WHERE task_id = p_task AND to_state = 'uncertain') >= 5 THEN
        PERFORM end_task(v_task, 'failed', NULL, p_error, 'refused', p_now);
        RETURN 'failed';
    END IF;
    UPDATE tasks
    SET state = 'ready', wake_at = p_retry_at, waiting_for = 'another try: ' || (p_error ->> 'message')
    WHERE id = p_task;
    UPDATE slots SET task_id = NULL WHERE task_id = p_task;
    INSERT INTO transitions (task_id, from_state, to_state, cause, at)
    VALUES (p_task, v_task.state, 'ready', 'refused: ' || (p_error ->> 'code'), p_now);
    RETURN 'ready';
END $$;
