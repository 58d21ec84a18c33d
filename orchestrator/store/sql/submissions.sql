-- name: claim_submission
-- ready -> submitting, with a slot.
SELECT * FROM claim_submission(%(account)s, make_interval(secs => %(lease)s), %(now)s);

-- name: record_submitted
-- submitting | uncertain -> waiting; the job's id is kept even if a callback was quicker. True: a parked callback waits.
SELECT record_submitted(%(task_id)s, %(external_id)s, %(quiet)s, %(now)s);

-- name: refuse_submission
-- submitting | uncertain -> ready, or -> failed when there is no further try (retry_at null, or past the deadline).
SELECT refuse_submission(%(task_id)s, %(submission)s, %(error)s, %(retry_at)s, %(now)s);

-- name: doubt_submission
-- submitting -> uncertain: the request went out and nobody knows whether it arrived.
SELECT doubt_submission(%(task_id)s, %(submission)s, %(reason)s, %(wake_at)s, %(now)s);

-- name: taken_jobs
-- Which of these jobs are known as other tasks'.
SELECT external_id FROM tasks WHERE account = %(account)s AND external_id = ANY(%(external_ids)s) AND id <> %(but)s;

-- name: note_absence
-- The provider, asked, did not know the job: how often in a row, and since when. Any sign of life begins a new row of
-- them: it sets the count of looks back.
INSERT INTO absences AS a (task_id, times, since)
SELECT id, 1, %(now)s::timestamptz FROM tasks WHERE id = %(task_id)s AND state = 'waiting'
ON CONFLICT (task_id) DO UPDATE
SET times = CASE WHEN a.times <= (SELECT looks FROM tasks WHERE id = a.task_id) THEN a.times + 1 ELSE 1 END,
    since = CASE WHEN a.times <= (SELECT looks FROM tasks WHERE id = a.task_id) THEN a.since ELSE EXCLUDED.since END
RETURNING times, since;

-- name: note_presence
-- The provider knows these jobs.
DELETE FROM absences WHERE task_id = ANY(%(task_ids)s);

-- name: lock_jobs
-- The first of all locks, for who takes others before a statement that takes it by itself.
SELECT lock_jobs(%(account)s, %(external_ids)s::text[]);

-- name: return_to
-- Evidence from an account that refused a task which has moved on, but is not sent there yet: it has the job after all.
WITH moved AS (
    UPDATE tasks t SET account = a.name, provider = a.provider
    FROM accounts a
    WHERE a.name = %(account)s AND t.id = %(task_id)s AND t.account <> a.name AND t.state = 'ready' AND t.submissions > 0
    RETURNING t.id
), noted AS (
    INSERT INTO transitions (task_id, from_state, to_state, cause, at)
    SELECT id, 'ready', 'ready', 'back to account ' || %(account)s || ', which has it', %(now)s FROM moved
)
SELECT count(*) > 0 FROM moved;
