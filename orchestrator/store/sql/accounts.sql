-- name: put_account
-- Make the row and the slots of an account agree with the configuration; a taken slot above the limit goes when free.
WITH account AS (
    INSERT INTO accounts (name, provider, slots, submits_per_second)
    VALUES (%(name)s, %(provider)s, %(slots)s, %(submits_per_second)s)
    ON CONFLICT (name) DO UPDATE
    SET provider = EXCLUDED.provider, slots = EXCLUDED.slots, submits_per_second = EXCLUDED.submits_per_second
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

-- name: list_accounts
-- Every account with the slots it has in use.
SELECT name, provider, slots, submits_per_second, paused_until, paused_reason,
       (SELECT count(*) FROM slots s WHERE s.account = a.name AND s.task_id IS NOT NULL) AS in_use
FROM accounts a ORDER BY name;

-- name: leaked_slots
-- Slots held by finished tasks: there must be none.
SELECT s.account, s.number, s.task_id FROM slots s JOIN tasks t ON t.id = s.task_id WHERE t.finished_at IS NOT NULL;
