-- Today's schema: what an empty database is after every migration. Nobody applies this file; it is here to be read.
-- tests/integration/test_migrations.py fails when it is not what the migrations make, and writes it when it is missing.

CREATE TYPE run_state AS ENUM ('running', 'paused', 'succeeded', 'failed', 'cancelled');

CREATE TYPE task_state AS ENUM ('ready', 'submitting', 'uncertain', 'working', 'waiting', 'succeeded', 'failed', 'cancelled');

CREATE TYPE task_kind AS ENUM ('provider', 'choose', 'archive');

CREATE TYPE verdict AS ENUM ('accepted', 'duplicate', 'stale', 'late', 'parked', 'rejected');

CREATE OR REPLACE FUNCTION words_of(p_inputs jsonb)
 RETURNS tsvector
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT to_tsvector('simple', left(coalesce(string_agg(left(value, 4000), ' '), ''), 100000))
    FROM jsonb_each_text(p_inputs)
$function$;

CREATE OR REPLACE FUNCTION mode_of(p_params jsonb, p_default text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT coalesce(p_params #>> '{with,mode}', p_default)
$function$;

CREATE TABLE pipelines (
    name text NOT NULL,
    version integer NOT NULL,
    document json NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT pipelines_pkey PRIMARY KEY (name, version)
);

CREATE TABLE runs (
    id uuid NOT NULL,
    pipeline text NOT NULL,
    version integer NOT NULL,
    state run_state NOT NULL DEFAULT 'running'::run_state,
    inputs jsonb NOT NULL,
    labels jsonb NOT NULL DEFAULT '{}'::jsonb,
    accounts text[] NOT NULL DEFAULT '{}'::text[],
    priority smallint NOT NULL DEFAULT 0,
    idempotency_key text,
    request_digest bytea,
    error jsonb,
    created_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT runs_pkey PRIMARY KEY (id),
    CONSTRAINT runs_idempotency_key_key UNIQUE (idempotency_key),
    CONSTRAINT runs_pipeline_version_fkey FOREIGN KEY (pipeline, version) REFERENCES pipelines(name, version),
    CONSTRAINT runs_check CHECK (((state = ANY (ARRAY['succeeded'::run_state, 'failed'::run_state, 'cancelled'::run_state])) = (finished_at IS NOT NULL)))
);
CREATE INDEX runs_newest ON runs USING btree (created_at DESC, id DESC);
CREATE INDEX runs_by_state ON runs USING btree (state, created_at DESC, id DESC);
CREATE INDEX runs_by_pipeline ON runs USING btree (pipeline, created_at DESC, id DESC);
CREATE INDEX runs_by_label ON runs USING gin (labels jsonb_path_ops);
CREATE INDEX runs_by_words ON runs USING gin (words_of(inputs));
CREATE INDEX runs_ended ON runs USING btree (finished_at, id) WHERE (finished_at IS NOT NULL);
CREATE INDEX runs_with_a_key ON runs USING btree (finished_at, id) WHERE ((finished_at IS NOT NULL) AND (idempotency_key IS NOT NULL));

CREATE TABLE accounts (
    name text NOT NULL,
    provider text NOT NULL,
    slots integer NOT NULL,
    submits_per_second real,
    next_submit_at timestamp with time zone NOT NULL DEFAULT '-infinity'::timestamp with time zone,
    paused_until timestamp with time zone,
    paused_reason text,
    strikes integer NOT NULL DEFAULT 0,
    modes jsonb NOT NULL DEFAULT '{}'::jsonb,
    mode_next jsonb NOT NULL DEFAULT '{}'::jsonb,
    default_mode text NOT NULL DEFAULT ''::text,
    CONSTRAINT accounts_pkey PRIMARY KEY (name),
    CONSTRAINT accounts_slots_check CHECK ((slots > 0))
);

CREATE TABLE tasks (
    id uuid NOT NULL,
    run_id uuid NOT NULL,
    step text NOT NULL,
    item integer NOT NULL,
    attempt integer NOT NULL,
    kind task_kind NOT NULL,
    action text NOT NULL,
    state task_state NOT NULL DEFAULT 'ready'::task_state,
    params jsonb NOT NULL,
    account text,
    provider text,
    external_id text,
    progress smallint NOT NULL DEFAULT 0,
    result jsonb,
    error jsonb,
    waiting_for text,
    wake_at timestamp with time zone,
    deadline_at timestamp with time zone,
    urgent_at timestamp with time zone,
    timeout integer NOT NULL,
    quiet real NOT NULL DEFAULT 120,
    looks integer NOT NULL DEFAULT 0,
    submissions integer NOT NULL DEFAULT 0,
    priority smallint NOT NULL DEFAULT 0,
    settled boolean NOT NULL DEFAULT false,
    superseded boolean NOT NULL DEFAULT false,
    created_at timestamp with time zone NOT NULL,
    submitted_at timestamp with time zone,
    finished_at timestamp with time zone,
    CONSTRAINT tasks_pkey PRIMARY KEY (id),
    CONSTRAINT tasks_run_id_step_item_attempt_key UNIQUE (run_id, step, item, attempt),
    CONSTRAINT tasks_account_fkey FOREIGN KEY (account) REFERENCES accounts(name),
    CONSTRAINT tasks_run_id_fkey FOREIGN KEY (run_id) REFERENCES runs(id) ON DELETE CASCADE,
    CONSTRAINT tasks_check CHECK (((state = ANY (ARRAY['succeeded'::task_state, 'failed'::task_state, 'cancelled'::task_state])) = (finished_at IS NOT NULL))),
    CONSTRAINT tasks_check1 CHECK (((finished_at IS NOT NULL) OR (wake_at IS NOT NULL))),
    CONSTRAINT tasks_check2 CHECK (((state <> 'failed'::task_state) OR (error IS NOT NULL))),
    CONSTRAINT tasks_check3 CHECK (((kind <> 'provider'::task_kind) OR (account IS NOT NULL))),
    CONSTRAINT tasks_progress_check CHECK (((progress >= 0) AND (progress <= 100)))
) WITH (fillfactor=70);
CREATE UNIQUE INDEX tasks_external ON tasks USING btree (external_id, account) WHERE (external_id IS NOT NULL);
CREATE INDEX tasks_to_submit ON tasks USING btree (account, priority DESC, wake_at) WHERE (((state = 'ready'::task_state) IS TRUE) AND (kind = 'provider'::task_kind));
CREATE INDEX tasks_with_a_choice ON tasks USING btree (account) WHERE ((state = 'ready'::task_state) AND (kind = 'provider'::task_kind) AND ((params #> '{accounts,1}'::text[]) IS NOT NULL) AND ((params -> 'parent'::text) = 'null'::jsonb));
CREATE INDEX tasks_to_act ON tasks USING btree (urgent_at, wake_at) WHERE (((state = 'ready'::task_state) IS TRUE) AND (kind <> 'provider'::task_kind));
CREATE INDEX tasks_to_look_at ON tasks USING btree (wake_at) WHERE (state = ANY (ARRAY['submitting'::task_state, 'uncertain'::task_state, 'working'::task_state, 'waiting'::task_state]));
CREATE INDEX tasks_unsettled ON tasks USING btree (finished_at) WHERE ((finished_at IS NOT NULL) AND (NOT settled));
CREATE INDEX tasks_newest ON tasks USING btree (created_at DESC, id DESC);
CREATE INDEX tasks_by_state ON tasks USING btree (state, created_at DESC, id DESC);
CREATE INDEX tasks_by_account ON tasks USING btree (account, created_at DESC, id DESC) WHERE (account IS NOT NULL);
CREATE INDEX tasks_by_step ON tasks USING btree (step, created_at DESC, id DESC);
CREATE INDEX tasks_without_deadline ON tasks USING btree (created_at) WHERE ((deadline_at IS NULL) AND (state = ANY (ARRAY['submitting'::task_state, 'uncertain'::task_state, 'waiting'::task_state])));
CREATE INDEX tasks_to_choose ON tasks USING btree (deadline_at, id) WHERE ((kind = 'choose'::task_kind) AND (state = 'waiting'::task_state));
CREATE INDEX tasks_to_rescue ON tasks USING btree (urgent_at) WHERE ((kind = 'archive'::task_kind) AND (state = 'failed'::task_state) AND (NOT superseded));
CREATE INDEX tasks_ready_in_mode ON tasks USING btree (account, "left"(COALESCE((params #>> '{with,mode}'::text[]), ''::text), 64), priority DESC, wake_at) WHERE (((state = 'ready'::task_state) IS TRUE) AND (kind = 'provider'::task_kind));
CREATE INDEX tasks_ready_to_move ON tasks USING btree (account, priority DESC, wake_at) WHERE (((state = 'ready'::task_state) IS TRUE) AND (kind = 'provider'::task_kind) AND ((params #> '{accounts,1}'::text[]) IS NOT NULL) AND ((params -> 'parent'::text) = 'null'::jsonb));

CREATE TABLE slots (
    account text NOT NULL,
    number integer NOT NULL,
    task_id uuid,
    CONSTRAINT slots_pkey PRIMARY KEY (account, number),
    CONSTRAINT slots_task_id_key UNIQUE (task_id),
    CONSTRAINT slots_account_fkey FOREIGN KEY (account) REFERENCES accounts(name) ON DELETE CASCADE,
    CONSTRAINT slots_task_id_fkey FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE SET NULL
) WITH (fillfactor=50);

CREATE TABLE callbacks (
    id uuid NOT NULL,
    account text NOT NULL,
    scope uuid NOT NULL,
    task_id uuid,
    external_id text,
    source text NOT NULL,
    verdict verdict NOT NULL,
    reason text,
    content_type text,
    digest bytea NOT NULL,
    size integer NOT NULL,
    body bytea NOT NULL,
    events jsonb NOT NULL DEFAULT '[]'::jsonb,
    copies integer NOT NULL DEFAULT 1,
    received_at timestamp with time zone NOT NULL,
    CONSTRAINT callbacks_pkey PRIMARY KEY (id),
    CONSTRAINT callbacks_scope_digest_account_key UNIQUE (scope, digest, account)
);
CREATE INDEX callbacks_newest ON callbacks USING btree (received_at DESC, id DESC);
CREATE INDEX callbacks_noteworthy ON callbacks USING btree (verdict, received_at DESC, id DESC) WHERE (verdict <> 'accepted'::verdict);
CREATE INDEX callbacks_by_account ON callbacks USING btree (account, received_at DESC, id DESC);
CREATE INDEX callbacks_by_task ON callbacks USING btree (task_id, received_at DESC, id DESC) WHERE (task_id IS NOT NULL);
CREATE INDEX callbacks_by_external ON callbacks USING btree (external_id, account) WHERE (external_id IS NOT NULL);
CREATE INDEX callbacks_whole ON callbacks USING btree (received_at, id) WHERE ((octet_length(body) > 0) AND (verdict <> ALL (ARRAY['parked'::verdict, 'rejected'::verdict])));
CREATE INDEX callbacks_of_several ON callbacks USING gin (events jsonb_path_ops) WITH (fastupdate=off) WHERE ((scope = '00000000-0000-0000-0000-000000000000'::uuid) AND (jsonb_array_length(events) > 1));

CREATE TABLE transitions (
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    task_id uuid NOT NULL,
    from_state task_state,
    to_state task_state NOT NULL,
    cause text NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT transitions_pkey PRIMARY KEY (id),
    CONSTRAINT transitions_task_id_fkey FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE CASCADE
);
CREATE INDEX transitions_by_task ON transitions USING btree (task_id, id);

CREATE TABLE objects (
    task_id uuid NOT NULL,
    run_id uuid NOT NULL,
    source_task_id uuid,
    uri text NOT NULL,
    sha256 text NOT NULL,
    bytes bigint NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    content_type text NOT NULL,
    source_url text NOT NULL,
    archived_at timestamp with time zone NOT NULL,
    CONSTRAINT objects_pkey PRIMARY KEY (task_id)
);
CREATE INDEX objects_by_run ON objects USING btree (run_id);
CREATE INDEX objects_by_hash ON objects USING btree (sha256);

CREATE TABLE removals (
    what text NOT NULL,
    removed bigint NOT NULL DEFAULT 0,
    last_at timestamp with time zone NOT NULL,
    CONSTRAINT removals_pkey PRIMARY KEY (what)
);

CREATE TABLE processes (
    id uuid NOT NULL,
    kind text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    version text NOT NULL,
    about jsonb NOT NULL,
    started_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    CONSTRAINT processes_pkey PRIMARY KEY (id)
);
CREATE INDEX processes_seen ON processes USING btree (seen_at);

CREATE TABLE passes (
    name text NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT passes_pkey PRIMARY KEY (name)
) WITH (fillfactor=50);

CREATE TABLE dismissals (
    callback_id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT dismissals_pkey PRIMARY KEY (callback_id)
);

CREATE TABLE absences (
    task_id uuid NOT NULL,
    times integer NOT NULL,
    since timestamp with time zone NOT NULL,
    CONSTRAINT absences_pkey PRIMARY KEY (task_id),
    CONSTRAINT absences_task_id_fkey FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE CASCADE
);

CREATE TABLE erasures (
    run_id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    by text NOT NULL,
    CONSTRAINT erasures_pkey PRIMARY KEY (run_id),
    CONSTRAINT erasures_run_id_fkey FOREIGN KEY (run_id) REFERENCES runs(id) ON DELETE CASCADE
);

CREATE TABLE unheeded (
    callback_id uuid NOT NULL,
    verdict verdict NOT NULL,
    received_at timestamp with time zone NOT NULL,
    CONSTRAINT unheeded_pkey PRIMARY KEY (callback_id),
    CONSTRAINT unheeded_callback_id_fkey FOREIGN KEY (callback_id) REFERENCES callbacks(id) ON DELETE CASCADE
);
CREATE INDEX unheeded_newest ON unheeded USING btree (verdict, received_at DESC, callback_id DESC);

CREATE TABLE heeded (
    callback_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    CONSTRAINT heeded_pkey PRIMARY KEY (callback_id),
    CONSTRAINT heeded_callback_id_fkey FOREIGN KEY (callback_id) REFERENCES callbacks(id) ON DELETE CASCADE
);
CREATE INDEX heeded_newest ON heeded USING btree (received_at DESC, callback_id DESC);

CREATE OR REPLACE FUNCTION lock_jobs(p_account text, p_external_ids text[])
 RETURNS void
 LANGUAGE sql
AS $function$
    SELECT pg_advisory_xact_lock(key)
    FROM (SELECT DISTINCT hashtextextended(p_account || '/' || name, 0) AS key
          FROM unnest(p_external_ids) name WHERE name IS NOT NULL ORDER BY key) keys;
$function$;

CREATE OR REPLACE FUNCTION end_task(p_task tasks, p_state task_state, p_result jsonb, p_error jsonb, p_cause text, p_now timestamp with time zone)
 RETURNS tasks
 LANGUAGE sql
AS $function$
    UPDATE slots SET task_id = NULL WHERE task_id = p_task.id;
    INSERT INTO transitions (task_id, from_state, to_state, cause, at)
    VALUES (p_task.id, p_task.state, p_state, p_cause, p_now);
    UPDATE tasks
    SET state = p_state, result = p_result, error = p_error, waiting_for = NULL, wake_at = NULL,
        external_id = p_task.external_id, finished_at = p_now,
        progress = CASE WHEN p_state = 'succeeded' THEN 100 ELSE p_task.progress END
    WHERE id = p_task.id RETURNING *;
$function$;

CREATE OR REPLACE FUNCTION retake_slot(p_account text, p_task uuid)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
    LOOP
        UPDATE slots SET task_id = p_task
        WHERE account = p_account AND number = (
            SELECT number FROM slots WHERE account = p_account AND task_id IS NULL
            ORDER BY number LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED);
        EXIT WHEN FOUND;
        INSERT INTO slots (account, number)
        SELECT p_account, coalesce(max(number), 0) + 1 FROM slots WHERE account = p_account
        ON CONFLICT DO NOTHING;
    END LOOP;
END $function$;

CREATE OR REPLACE FUNCTION wait_on(p_task tasks, p_cause text, p_now timestamp with time zone)
 RETURNS tasks
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF p_task.state <> 'waiting' THEN
        INSERT INTO transitions (task_id, from_state, to_state, cause, at)
        VALUES (p_task.id, p_task.state, 'waiting', p_cause, p_now);
    END IF;
    IF p_task.state = 'ready' THEN
        PERFORM retake_slot(p_task.account, p_task.id);
    END IF;
    UPDATE tasks
    SET state = 'waiting', waiting_for = 'provider', looks = 0, external_id = p_task.external_id,
        progress = p_task.progress, result = p_task.result, quiet = p_task.quiet,
        wake_at = p_now + make_interval(secs => least(p_task.quiet, timeout)),
        -- The time-out counts from the last sign of life; what was waited for before, a slot say, is not the job's fault.
        deadline_at = greatest(deadline_at, p_now + make_interval(secs => timeout))
    WHERE id = p_task.id RETURNING * INTO p_task;
    RETURN p_task;
END $function$;

CREATE OR REPLACE FUNCTION merge_event(INOUT p_task tasks, p_event jsonb, p_source text, p_now timestamp with time zone, OUT verdict verdict, OUT reason text)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
DECLARE
    v_kind text := p_event ->> 'kind';
    v_external text := p_event ->> 'external_id';
    v_progress smallint := coalesce((p_event ->> 'progress')::smallint, 0);
    v_result jsonb := nullif(p_event -> 'result', 'null');
    v_terminal boolean := v_kind IN ('succeeded', 'failed');
    v_news boolean := v_progress > p_task.progress OR p_task.external_id IS NULL AND v_external IS NOT NULL;
BEGIN
    verdict := 'parked';
    IF p_task.external_id <> v_external THEN
        reason := 'it names another job than the one this task waits for';
        RETURN;
    ELSIF p_task.submissions = 0 THEN
        reason := 'the task was never submitted';
        RETURN;
    ELSIF p_task.external_id IS NULL AND EXISTS (
        SELECT FROM tasks
        WHERE external_id = v_external AND (account = p_task.account) IS TRUE AND id <> p_task.id) THEN
        reason := 'it names the job of another task';
        RETURN;
    END IF;
    verdict := CASE WHEN p_task.finished_at IS NULL
                    THEN CASE WHEN v_terminal OR v_news OR p_task.state <> 'waiting' THEN 'accepted' ELSE 'stale' END
                    WHEN NOT v_terminal THEN 'stale'
                    WHEN v_kind = p_task.state::text THEN 'duplicate' ELSE 'late' END;
    reason := CASE WHEN p_task.finished_at IS NOT NULL THEN 'the task is ' || p_task.state || ' already' END;
    IF verdict <> 'late' AND p_task.state <> 'cancelled' THEN
        p_task.external_id := coalesce(p_task.external_id, v_external);
        p_task.progress := greatest(p_task.progress, v_progress);
    END IF;
    IF verdict = 'accepted' AND v_terminal THEN
        SELECT * INTO p_task
        FROM end_task(p_task, v_kind::task_state, v_result, nullif(p_event -> 'error', 'null'), p_source, p_now);
    ELSIF verdict = 'accepted' THEN
        p_task.result := coalesce(v_result, p_task.result);
        SELECT * INTO p_task FROM wait_on(p_task, p_source, p_now);
    ELSIF v_news THEN
        -- What is no contradiction is learnt even of a job that is over: so the order of its deliveries is nothing.
        UPDATE tasks SET external_id = p_task.external_id, progress = p_task.progress WHERE id = p_task.id;
    END IF;
END $function$;

CREATE OR REPLACE FUNCTION receive(p_id uuid, p_account text, p_task uuid, p_source text, p_content_type text, p_digest bytea, p_body bytea, p_events jsonb, p_keep boolean, p_now timestamp with time zone, OUT verdict verdict, OUT reason text, OUT task_id uuid, OUT ended_runs uuid[])
 RETURNS record
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION claim_submission(p_account text, p_lease interval, p_now timestamp with time zone)
 RETURNS SETOF tasks
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION record_submitted(p_task uuid, p_external text, p_quiet double precision, p_now timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION refuse_submission(p_task uuid, p_submission integer, p_error jsonb, p_retry_at timestamp with time zone, p_now timestamp with time zone)
 RETURNS task_state
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION full_modes(p_account accounts, p_now timestamp with time zone)
 RETURNS text[]
 LANGUAGE sql
AS $function$
    SELECT coalesce(array_agg(mode), '{}')
    FROM jsonb_each(p_account.modes) limits (mode, its)
    WHERE (p_account.mode_next ->> mode)::timestamptz > p_now
       OR (its ->> 'slots')::integer <= (
           SELECT count(*) FROM slots s JOIN tasks t ON t.id = s.task_id
           WHERE s.account = p_account.name AND mode_of(t.params, p_account.default_mode) = mode)
$function$;

CREATE OR REPLACE FUNCTION next_of_modes(p_account accounts, p_full text[], p_now timestamp with time zone)
 RETURNS SETOF tasks
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION deliveries_of(p_run uuid)
 RETURNS SETOF uuid
 LANGUAGE sql
 ROWS 100
 SET enable_seqscan TO 'off'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION note_verdict()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF NEW.verdict NOT IN ('parked', 'rejected', 'late') THEN
        DELETE FROM unheeded WHERE callback_id = NEW.id;
    ELSIF NOT EXISTS (SELECT FROM dismissals WHERE callback_id = NEW.id) THEN
        INSERT INTO unheeded (callback_id, verdict, received_at) VALUES (NEW.id, NEW.verdict, NEW.received_at)
        ON CONFLICT (callback_id) DO UPDATE SET verdict = EXCLUDED.verdict;
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION note_dismissal()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    INSERT INTO heeded (callback_id, received_at)
    SELECT id, received_at FROM callbacks WHERE id = NEW.callback_id FOR SHARE
    ON CONFLICT (callback_id) DO NOTHING;
    DELETE FROM unheeded WHERE callback_id = NEW.callback_id;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION doubt_submission(p_task uuid, p_submission integer, p_reason text, p_wake_at timestamp with time zone, p_now timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
AS $function$
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
END $function$;

CREATE TRIGGER new_verdict AFTER INSERT ON callbacks FOR EACH ROW WHEN ((new.verdict = ANY (ARRAY['parked'::verdict, 'rejected'::verdict, 'late'::verdict]))) EXECUTE FUNCTION note_verdict();

CREATE TRIGGER other_verdict AFTER UPDATE OF verdict ON callbacks FOR EACH ROW WHEN ((new.verdict <> old.verdict)) EXECUTE FUNCTION note_verdict();

CREATE TRIGGER new_dismissal AFTER INSERT ON dismissals FOR EACH ROW EXECUTE FUNCTION note_dismissal();
