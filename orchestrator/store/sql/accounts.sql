-- name: put_account
-- Make the row and the slots of an account agree with the configuration; a taken slot above the limit goes when free.
WITH account AS (
    INSERT INTO accounts (name, provider, slots, submits_per_second, modes, default_mode)
    VALUES (%(name)s, %(provider)s, %(slots)s, %(submits_per_second)s, %(modes)s, %(default_mode)s)
    ON CONFLICT (name) DO UPDATE
    SET provider = EXCLUDED.provider, slots = EXCLUDED.slots, submits_per_second = EXCLUDED.submits_per_second,
        modes = EXCLUDED.modes, default_mode = EXCLUDED.default_mode
    RETURNING name
)
INSERT INTO slots (account, number)
SELECT account.name, number FROM account, generate_series(1, %(slots)s) number
ON CONFLICT DO NOTHING;

-- name: drop_free_slots
-- Slots above the limit that nobody holds.
DELETE FROM slots WHERE account = %(name)s AND number > %(slots)s AND task_id IS NULL;

-- name: pause_account
-- Submit nothing more for this account until then.
UPDATE accounts SET paused_until = greatest(paused_until, %(until)s), paused_reason = %(reason)s WHERE name = %(name)s;

-- name: strike_account
-- One more refusal that concerns the account; from the given number in a row on it pauses, each time twice as long.
-- What was sent before such a pause and is refused in it says nothing new: one blip is one pause, whatever was under way.
UPDATE accounts
SET strikes = strikes + 1,
    paused_until = CASE WHEN strikes + 1 < %(most)s THEN paused_until ELSE greatest(paused_until, %(now)s
        + make_interval(secs => least(%(longest)s, %(first)s * 2.0 ^ least(strikes + 1 - %(most)s, 30)))) END,
    paused_reason = CASE WHEN strikes + 1 < %(most)s THEN paused_reason ELSE %(reason)s END
WHERE name = %(name)s AND NOT coalesce(strikes >= %(most)s AND paused_until > %(now)s, false)
RETURNING strikes, strikes >= %(most)s AND paused_until > %(now)s AS paused;

-- name: move_on
-- Ready tasks that may go elsewhere, and whose account refuses, is paused or is full, go to the first of their
-- accounts that can take them now: of each account's so many that would be the next.
WITH open AS (
    SELECT name, provider, default_mode, full_modes(a, %(now)s) AS full_modes FROM accounts a
    WHERE name = ANY(%(configured)s) AND (paused_until IS NULL OR paused_until <= %(now)s)
      AND slots > (SELECT count(task_id) FROM slots s WHERE s.account = a.name)
), stuck AS (
    SELECT t.id, t.account AS former, elsewhere.name, elsewhere.provider
    FROM accounts a CROSS JOIN LATERAL (
        SELECT id, account, params, wake_at, submissions FROM tasks
        WHERE account = a.name AND (state = 'ready') IS TRUE AND kind = 'provider'
          AND params #> '{accounts,1}' IS NOT NULL AND params -> 'parent' = 'null'
        ORDER BY priority DESC, wake_at LIMIT 1000) t
    CROSS JOIN LATERAL (
        SELECT open.name, open.provider
        FROM jsonb_array_elements_text(t.params -> 'accounts') WITH ORDINALITY wanted (name, rank) JOIN open USING (name)
        WHERE wanted.name <> t.account AND mode_of(t.params, default_mode) <> ALL (full_modes)
        ORDER BY rank LIMIT 1) elsewhere
    WHERE EXISTS (SELECT FROM open)
      AND (t.wake_at > %(now)s AND t.submissions > 0
           OR t.account NOT IN (SELECT name FROM open WHERE mode_of(t.params, default_mode) <> ALL (full_modes)))
    LIMIT %(limit)s
), locked AS (
    SELECT stuck.* FROM stuck JOIN tasks t ON t.id = stuck.id AND t.account = stuck.former
    WHERE t.state = 'ready' FOR NO KEY UPDATE OF t SKIP LOCKED
), noted AS (
    INSERT INTO transitions (task_id, from_state, to_state, cause, at)
    SELECT id, 'ready', 'ready', 'from account ' || former || ' to ' || name, %(now)s FROM locked
)
UPDATE tasks SET account = locked.name, provider = locked.provider, wake_at = %(now)s, waiting_for = 'a slot and a worker'
FROM locked WHERE tasks.id = locked.id
RETURNING tasks.account;

-- name: list_accounts
-- Every account with the slots it has in use.
SELECT name, provider, slots, submits_per_second, modes, paused_until, paused_reason, strikes,
       (SELECT count(*) FROM slots s WHERE s.account = a.name AND s.task_id IS NOT NULL) AS in_use
FROM accounts a ORDER BY name;

-- name: leaked_slots
-- Slots held by finished tasks: there must be none.
SELECT s.account, s.number, s.task_id FROM slots s JOIN tasks t ON t.id = s.task_id WHERE t.finished_at IS NOT NULL;

-- name: resume_account
-- End its pause; it is well until it refuses again.
UPDATE accounts SET paused_until = NULL, paused_reason = NULL, strikes = 0 WHERE name = %(name)s;

-- name: release_leaked
-- Give back the slots of an account that finished tasks hold.
UPDATE slots s SET task_id = NULL FROM tasks t
WHERE s.account = %(name)s AND t.id = s.task_id AND t.finished_at IS NOT NULL;
