-- name: list_erasures
-- Which of these runs are erased, since when, and by whom.
SELECT run_id, at, by FROM erasures WHERE run_id = ANY(%(run_ids)s::uuid[]);

-- name: note_erasure
-- The first erasure of a run, which its tasks' history tells too; nothing the second time.
WITH noted AS (
    INSERT INTO erasures (run_id, at, by) VALUES (%(run_id)s::uuid, %(now)s, %(by)s)
    ON CONFLICT (run_id) DO NOTHING RETURNING run_id
)
INSERT INTO transitions (task_id, from_state, to_state, cause, at)
SELECT t.id, t.state, t.state, 'erased by ' || %(by)s, %(now)s FROM noted JOIN tasks t USING (run_id);

-- name: erase_run
-- What a client has said, and a digest by which it could be guessed.
UPDATE runs SET inputs = '{}', error = %(error)s, request_digest = NULL WHERE id = %(run_id)s::uuid;

-- name: lock_tasks
-- The tasks of a run, in the order of all locks.
SELECT FROM tasks WHERE run_id = %(run_id)s::uuid ORDER BY id FOR NO KEY UPDATE;

-- name: erase_tasks
-- What was rendered, and what the provider has said; the first part of a cause is ours, what follows a colon is not.
WITH cut AS (
    UPDATE transitions SET cause = split_part(cause, ':', 1)
    WHERE task_id IN (SELECT id FROM tasks WHERE run_id = %(run_id)s::uuid) AND position(':' IN cause) > 0
)
UPDATE tasks SET params = row.params, result = row.result, error = row.error
FROM jsonb_to_recordset(%(rows)s) AS row (id uuid, params jsonb, result jsonb, error jsonb)
WHERE tasks.id = row.id AND tasks.run_id = %(run_id)s::uuid;

-- name: erase_deliveries
-- The bytes, and what was read in them; of a delivery that speaks of other runs' jobs too, what was read of these stays.
UPDATE callbacks c
SET body = '', content_type = NULL, reason = CASE WHEN verdict = 'rejected' THEN 'erased' ELSE reason END,
    events = coalesce((SELECT jsonb_agg(e) FROM jsonb_array_elements(events) e
                       WHERE c.scope = '00000000-0000-0000-0000-000000000000'
                         AND EXISTS (SELECT FROM tasks t WHERE t.external_id = e ->> 'external_id'
                                     AND t.account = c.account AND t.run_id <> %(run_id)s::uuid)), '[]')
WHERE id IN (SELECT id FROM deliveries_of(%(run_id)s::uuid) found (id));

-- name: erase_objects
-- Where archived images once were.
UPDATE objects SET source_url = 'erased' WHERE run_id = %(run_id)s::uuid;

-- name: erase_pause
-- A provider that refused may have repeated the order, and the account still says why it pauses.
UPDATE accounts SET paused_reason = 'erased' WHERE name = %(account)s AND paused_reason = %(reason)s;

-- name: list_pauses
-- Why accounts pause, or did.
SELECT name, paused_reason FROM accounts WHERE paused_reason IS NOT NULL AND name = ANY(%(accounts)s::text[]);

-- name: shared_images
-- Which of these images other runs have archived too.
SELECT DISTINCT sha256 FROM objects WHERE sha256 = ANY(%(hashes)s::text[]) AND run_id <> %(run_id)s::uuid;

-- name: drop_objects
-- These images of a run are no longer in the archive.
DELETE FROM objects WHERE run_id = %(run_id)s::uuid AND sha256 = ANY(%(hashes)s::text[]);
