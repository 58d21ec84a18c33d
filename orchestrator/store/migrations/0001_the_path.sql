-- Runs, tasks, callbacks, slots: everything that one callback's path touches.

CREATE TYPE run_state AS ENUM ('running', 'paused', 'succeeded', 'failed', 'cancelled');
CREATE TYPE task_state AS ENUM
    ('ready', 'submitting', 'uncertain', 'working', 'waiting', 'succeeded', 'failed', 'cancelled');
CREATE TYPE task_kind AS ENUM ('provider', 'choose', 'archive');
CREATE TYPE verdict AS ENUM ('accepted', 'duplicate', 'stale', 'late', 'parked', 'rejected');

CREATE TABLE pipelines (
    name text NOT NULL,
    version integer NOT NULL,
    document json NOT NULL,  -- not jsonb: the order of the steps is the author's
    created_at timestamptz NOT NULL,
    PRIMARY KEY (name, version)
);

CREATE TABLE runs (
    id uuid PRIMARY KEY,
    pipeline text NOT NULL,
    version integer NOT NULL,
    state run_state NOT NULL DEFAULT 'running',
    inputs jsonb NOT NULL,
    labels jsonb NOT NULL DEFAULT '{}',
    priority smallint NOT NULL DEFAULT 0,
    idempotency_key text UNIQUE,
    request_digest bytea,
    error jsonb,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    FOREIGN KEY (pipeline, version) REFERENCES pipelines (name, version),
    CHECK ((state IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL))
);
CREATE INDEX runs_newest ON runs (created_at DESC, id DESC);
CREATE INDEX runs_by_state ON runs (state, created_at DESC, id DESC);
CREATE INDEX runs_by_pipeline ON runs (pipeline, created_at DESC, id DESC);
CREATE INDEX runs_by_label ON runs USING gin (labels jsonb_path_ops);

-- The words of a run's inputs, for searching. Cut, because a mask is an input too and a tsvector has a size limit.
CREATE FUNCTION words_of(p_inputs jsonb) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_tsvector('simple', left(coalesce(string_agg(left(value, 4000), ' '), ''), 100000))
    FROM jsonb_each_text(p_inputs)
$$;
CREATE INDEX runs_by_words ON runs USING gin (words_of(inputs));

CREATE TABLE accounts (
    name text PRIMARY KEY,
    provider text NOT NULL,
    slots integer NOT NULL CHECK (slots > 0),
    submits_per_second real,
    next_submit_at timestamptz NOT NULL DEFAULT '-infinity',
    paused_until timestamptz,
    paused_reason text
);

CREATE TABLE tasks (
    id uuid PRIMARY KEY,
    run_id uuid NOT NULL REFERENCES runs ON DELETE CASCADE,
    step text NOT NULL,
    item integer NOT NULL,
    attempt integer NOT NULL,
    kind task_kind NOT NULL,
    action text NOT NULL,
    state task_state NOT NULL DEFAULT 'ready',
    params jsonb NOT NULL,
    account text REFERENCES accounts,
    provider text,
    external_id text,
    progress smallint NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    result jsonb,
    error jsonb,
    waiting_for text,
    wake_at timestamptz,
    deadline_at timestamptz,
    urgent_at timestamptz,
    timeout integer NOT NULL,
    quiet real NOT NULL DEFAULT 120,
    looks integer NOT NULL DEFAULT 0,
    submissions integer NOT NULL DEFAULT 0,
    priority smallint NOT NULL DEFAULT 0,
    settled boolean NOT NULL DEFAULT false,
    superseded boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    submitted_at timestamptz,
    finished_at timestamptz,
    UNIQUE (run_id, step, item, attempt),
    CHECK ((state IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
    -- Nothing sleeps for ever: what is not finished has a time at which somebody looks at it again.
    CHECK (finished_at IS NOT NULL OR wake_at IS NOT NULL),
    CHECK (state <> 'failed' OR error IS NOT NULL),
    CHECK (kind <> 'provider' OR account IS NOT NULL)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX tasks_external ON tasks (external_id, account) WHERE external_id IS NOT NULL;
CREATE INDEX tasks_to_submit ON tasks (account, priority DESC, wake_at) WHERE state = 'ready' AND kind = 'provider';
CREATE INDEX tasks_to_act ON tasks (urgent_at, wake_at) WHERE state = 'ready' AND kind <> 'provider';
CREATE INDEX tasks_to_look_at ON tasks (wake_at) WHERE state IN ('submitting', 'uncertain', 'working', 'waiting');
CREATE INDEX tasks_unsettled ON tasks (finished_at) WHERE finished_at IS NOT NULL AND NOT settled;
CREATE INDEX tasks_newest ON tasks (created_at DESC, id DESC);
CREATE INDEX tasks_by_state ON tasks (state, created_at DESC, id DESC);
CREATE INDEX tasks_by_account ON tasks (account, created_at DESC, id DESC) WHERE account IS NOT NULL;
CREATE INDEX tasks_by_step ON tasks (step, created_at DESC, id DESC);

-- A place among an account's allowed in-flight submissions, held from submit to the terminal state.
CREATE TABLE slots (
    account text NOT NULL REFERENCES accounts ON DELETE CASCADE,
    number integer NOT NULL,
    task_id uuid UNIQUE REFERENCES tasks ON DELETE SET NULL,
    PRIMARY KEY (account, number)
) WITH (fillfactor = 50);

CREATE TABLE callbacks (
    id uuid PRIMARY KEY,
    account text NOT NULL,
    scope uuid NOT NULL,
    task_id uuid,
    external_id text,
    source text NOT NULL,
    verdict verdict NOT NULL,
    reason text,
    content_type text,
    digest bytea NOT NULL,
    size integer NOT NULL, -- bytes delivered; of a rejected delivery only the beginning is kept
    body bytea NOT NULL,
    events jsonb NOT NULL DEFAULT '[]',
    copies integer NOT NULL DEFAULT 1,
    received_at timestamptz NOT NULL,
    UNIQUE (scope, digest)
);
CREATE INDEX callbacks_newest ON callbacks (received_at DESC, id DESC);
CREATE INDEX callbacks_noteworthy ON callbacks (verdict, received_at DESC, id DESC)
    WHERE verdict <> 'accepted';
CREATE INDEX callbacks_by_account ON callbacks (account, received_at DESC, id DESC);
CREATE INDEX callbacks_by_task ON callbacks (task_id, received_at DESC, id DESC) WHERE task_id IS NOT NULL;
CREATE INDEX callbacks_by_external ON callbacks (external_id, account) WHERE external_id IS NOT NULL;

CREATE TABLE transitions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_id uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
    from_state task_state,
    to_state task_state NOT NULL,
    cause text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX transitions_by_task ON transitions (task_id, id);

CREATE TABLE objects (
    task_id uuid PRIMARY KEY REFERENCES tasks ON DELETE CASCADE,
    run_id uuid NOT NULL REFERENCES runs ON DELETE CASCADE,
    source_task_id uuid,
    uri text NOT NULL,
    sha256 text NOT NULL,
    bytes bigint NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    content_type text NOT NULL,
    source_url text NOT NULL,
    archived_at timestamptz NOT NULL
);
CREATE INDEX objects_by_run ON objects (run_id);
CREATE INDEX objects_by_hash ON objects (sha256);

-- One task's end or next state, with its history line and, at the end, its slot given back. The caller has checked
-- that the arrow exists and holds the row's lock.
CREATE FUNCTION end_task(
    p_task tasks, p_state task_state, p_result jsonb, p_error jsonb, p_cause text, p_now timestamptz
) RETURNS void LANGUAGE sql AS $$
    UPDATE tasks
    SET state = p_state, result = coalesce(p_result, result), error = p_error, waiting_for = NULL, wake_at = NULL,
        progress = CASE WHEN p_state = 'succeeded' THEN 100 ELSE progress END, finished_at = p_now
    WHERE id = p_task.id;
    UPDATE slots SET task_id = NULL WHERE task_id = p_task.id;
    INSERT INTO transitions (task_id, from_state, to_state, cause, at)
    VALUES (p_task.id, p_task.state, p_state, p_cause, p_now);
$$;

-- Merge one event into its locked task: progress only rises, a terminal state is taken once. Returns the verdict,
-- and in p_task the row as it is now.
CREATE FUNCTION merge_event(
    INOUT p_task tasks, p_event jsonb, p_source text, p_now timestamptz, OUT verdict verdict, OUT reason text
) LANGUAGE plpgsql AS $$
DECLARE
    v_kind text := p_event ->> 'kind';
    v_external text := p_event ->> 'external_id';
    v_progress smallint := coalesce((p_event ->> 'progress')::smallint, 0);
    v_terminal boolean := v_kind IN ('succeeded', 'failed');
BEGIN
    IF p_task.external_id IS NOT NULL AND v_external IS NOT NULL AND p_task.external_id <> v_external THEN
        verdict := 'parked';
        reason := 'it names another job than the one this task waits for';
    ELSIF p_task.external_id IS NULL AND EXISTS (
        SELECT FROM tasks WHERE account = p_task.account AND external_id = v_external AND id <> p_task.id
    ) THEN
        verdict := 'parked';
        reason := 'it names the job of another task';
    ELSIF p_task.finished_at IS NOT NULL THEN
        verdict := CASE WHEN NOT v_terminal THEN 'stale' WHEN v_kind = p_task.state::text THEN 'duplicate'
                        ELSE 'late' END;
        reason := 'the task is ' || p_task.state || ' already';
    ELSIF p_task.submissions = 0 THEN
        verdict := 'parked';
        reason := 'the task was never submitted';
    ELSIF v_terminal THEN
        PERFORM end_task(p_task, v_kind::task_state, p_event -> 'result', nullif(p_event -> 'error', 'null'),
                         p_source, p_now);
        UPDATE tasks SET external_id = coalesce(external_id, v_external) WHERE id = p_task.id RETURNING * INTO p_task;
        verdict := 'accepted';
    ELSIF p_task.state <> 'waiting' OR v_progress > p_task.progress THEN
        IF p_task.state <> 'waiting' THEN
            INSERT INTO transitions (task_id, from_state, to_state, cause, at)
            VALUES (p_task.id, p_task.state, 'waiting', p_source, p_now);
        END IF;
        UPDATE tasks
        SET state = 'waiting', waiting_for = 'provider', progress = greatest(progress, v_progress), looks = 0,
            external_id = coalesce(external_id, v_external),
            result = coalesce(nullif(p_event -> 'result', 'null'), result),
            wake_at = p_now + make_interval(secs => least(quiet, timeout)),
            -- A job that makes progress is alive: its time-out counts from its last sign of life.
            deadline_at = greatest(deadline_at, p_now + make_interval(secs => timeout))
        WHERE id = p_task.id RETURNING * INTO p_task;
        verdict := 'accepted';
    ELSE
        verdict := 'stale';
    END IF;
END $$;

-- Take one delivery: correlate, merge, record, in one call and one transaction. A duplicate stops at its key.
-- p_task is the task that the URL's token speaks for; without it the external id decides. p_keep: evidence that
-- changes nothing is not stored (polls).
CREATE FUNCTION receive(
    p_id uuid, p_account text, p_task uuid, p_source text, p_content_type text, p_digest bytea, p_body bytea,
    p_events jsonb, p_keep boolean, p_now timestamptz,
    OUT verdict verdict, OUT reason text, OUT task_id uuid, OUT ended_runs uuid[]
) LANGUAGE plpgsql AS $$
DECLARE
    v_task tasks;
    v_event jsonb;
    v_merged record;
    v_external text;
    v_scope uuid := coalesce(p_task, '00000000-0000-0000-0000-000000000000');
    v_known verdict;
    v_order verdict[] := ARRAY ['accepted', 'late', 'parked', 'stale', 'duplicate'];
BEGIN
    ended_runs := '{}';
    IF p_task IS NOT NULL THEN
        SELECT * INTO v_task FROM tasks t WHERE t.id = p_task AND t.account = p_account FOR UPDATE;
    ELSE
        -- A job's id may be known to nobody yet: whoever records it takes the same lock, so neither misses the other.
        PERFORM pg_advisory_xact_lock(hashtextextended(p_account || '/' || (e ->> 'external_id'), 0))
        FROM (SELECT e FROM jsonb_array_elements(p_events) e ORDER BY e ->> 'external_id') ordered
        WHERE e ->> 'external_id' IS NOT NULL;
    END IF;
    SELECT c.verdict, c.task_id INTO v_known, task_id FROM callbacks c WHERE c.scope = v_scope AND c.digest = p_digest;
    IF FOUND AND v_known <> 'parked' THEN
        UPDATE callbacks c SET copies = copies + 1 WHERE c.scope = v_scope AND c.digest = p_digest;
        verdict := 'duplicate';
        RETURN;
    END IF;
    FOR v_event IN SELECT e FROM jsonb_array_elements(p_events) WITH ORDINALITY x(e, n)
                   ORDER BY CASE WHEN p_task IS NULL THEN e ->> 'external_id' END, n LOOP
        v_external := coalesce(v_external, v_event ->> 'external_id');
        IF p_task IS NULL THEN
            SELECT * INTO v_task FROM tasks t
            WHERE t.account = p_account AND t.external_id = v_event ->> 'external_id' FOR UPDATE;
        END IF;
        IF v_task.id IS NULL THEN
            IF verdict IS NULL OR array_position(v_order, verdict) > 3 THEN
                verdict := 'parked';
                reason := 'no task of ours has this job (yet)';
            END IF;
            CONTINUE;
        END IF;
        task_id := v_task.id;
        SELECT * INTO v_merged FROM merge_event(v_task, v_event, p_source, p_now);
        v_task := v_merged.p_task;
        IF verdict IS NULL OR array_position(v_order, v_merged.verdict) < array_position(v_order, verdict) THEN
            verdict := v_merged.verdict;
            reason := v_merged.reason;
        END IF;
        IF v_merged.verdict = 'accepted' AND v_task.finished_at IS NOT NULL THEN
            ended_runs := ended_runs || v_task.run_id;
        END IF;
    END LOOP;
    IF p_keep OR verdict IN ('accepted', 'late') THEN
        INSERT INTO callbacks AS c (id, account, scope, task_id, external_id, source, verdict, reason, content_type,
                                    digest, size, body, events, received_at)
        VALUES (p_id, p_account, v_scope, receive.task_id, v_external, p_source, receive.verdict, receive.reason,
                p_content_type, p_digest, octet_length(p_body), p_body, p_events, p_now)
        ON CONFLICT (scope, digest) DO UPDATE
        SET copies = c.copies + 1, verdict = EXCLUDED.verdict, reason = EXCLUDED.reason, task_id = EXCLUDED.task_id;
    END IF;
END $$;

-- Take the next ready task of an account together with a slot, if the account's pause and rate allow it.
-- Returns no row when there is nothing to do; otherwise the task, now submitting. A task that was sent back to ready
-- while its run ended is cancelled instead: nothing is paid for a run that is over.
CREATE FUNCTION claim_submission(p_account text, p_lease interval, p_now timestamptz) RETURNS SETOF tasks
LANGUAGE plpgsql AS $$
DECLARE
    v_account accounts;
    v_slot integer;
    v_task tasks;
BEGIN
    SELECT * INTO v_account FROM accounts WHERE name = p_account;
    IF NOT FOUND OR v_account.paused_until > p_now OR v_account.next_submit_at > p_now THEN
        RETURN;
    END IF;
    LOOP
        SELECT * INTO v_task FROM tasks
        WHERE account = p_account AND state = 'ready' AND kind = 'provider' AND wake_at <= p_now
        ORDER BY priority DESC, wake_at LIMIT 1 FOR UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        EXIT WHEN EXISTS (SELECT FROM runs WHERE id = v_task.run_id AND finished_at IS NULL);
        PERFORM end_task(v_task, 'cancelled', NULL, NULL, 'the run is over', p_now);
    END LOOP;
    SELECT number INTO v_slot FROM slots WHERE account = p_account AND slots.task_id IS NULL
    LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF v_account.submits_per_second IS NOT NULL THEN
        UPDATE accounts SET next_submit_at = p_now + make_interval(secs => 1 / submits_per_second)
        WHERE name = p_account AND next_submit_at <= p_now;
        IF NOT FOUND THEN
            RETURN;
        END IF;
    END IF;
    UPDATE slots SET task_id = v_task.id WHERE account = p_account AND number = v_slot;
    INSERT INTO transitions (task_id, from_state, to_state, cause, at)
    VALUES (v_task.id, 'ready', 'submitting', 'submit', p_now);
    RETURN QUERY
        UPDATE tasks
        SET state = 'submitting', waiting_for = 'the provider''s answer to the submission', submissions = submissions + 1,
            submitted_at = p_now, wake_at = p_now + p_lease, looks = 0,
            deadline_at = coalesce(deadline_at, p_now + make_interval(secs => timeout))
        WHERE id = v_task.id RETURNING *;
END $$;

-- The provider has the job. The id is kept even if a callback was quicker; true when a parked callback waits for it.
CREATE FUNCTION record_submitted(p_task uuid, p_external text, p_quiet double precision, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_account text;
BEGIN
    SELECT account INTO v_account FROM tasks WHERE id = p_task;
    PERFORM pg_advisory_xact_lock(hashtextextended(v_account || '/' || p_external, 0));
    INSERT INTO transitions (task_id, from_state, to_state, cause, at)
    SELECT id, state, 'waiting', 'accepted', p_now FROM tasks
    WHERE id = p_task AND state IN ('submitting', 'uncertain') FOR UPDATE;
    UPDATE tasks
    SET state = 'waiting', waiting_for = 'provider', looks = 0,
        wake_at = p_now + make_interval(secs => least(p_quiet, timeout)),
        -- The time-out counts from here: what was waited for before, a slot say, is not the job's fault.
        deadline_at = greatest(deadline_at, p_now + make_interval(secs => timeout))
    WHERE id = p_task AND state IN ('submitting', 'uncertain');
    UPDATE tasks SET external_id = coalesce(external_id, p_external), quiet = p_quiet
    WHERE id = p_task
      AND NOT EXISTS (SELECT FROM tasks WHERE account = v_account AND external_id = p_external AND id <> p_task);
    RETURN EXISTS (SELECT FROM callbacks
                   WHERE account = v_account AND external_id = p_external AND verdict = 'parked');
END $$;

-- The provider is known not to have taken the job. Returns the state it leads to, null if the task had moved on.
CREATE FUNCTION refuse_submission(p_task uuid, p_error jsonb, p_retry_at timestamptz, p_now timestamptz)
RETURNS task_state LANGUAGE plpgsql AS $$
DECLARE
    v_task tasks;
BEGIN
    SELECT * INTO v_task FROM tasks WHERE id = p_task AND state IN ('submitting', 'uncertain') FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF p_retry_at IS NULL OR p_retry_at > v_task.deadline_at THEN
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
