-- name: receive
-- One delivery, whole: correlate, merge, record.
SELECT * FROM receive(%(id)s, %(account)s, %(task_id)s, %(source)s, %(content_type)s, %(digest)s, %(body)s,
                      %(events)s, %(keep)s, %(now)s);

-- name: insert_rejected
-- Keep what cannot be read, as evidence.
INSERT INTO callbacks AS c (id, account, scope, task_id, source, verdict, reason, content_type, digest, size, body,
                            received_at)
SELECT %(id)s, %(account)s, coalesce(%(task_id)s, '00000000-0000-0000-0000-000000000000'::uuid), %(task_id)s,
       'callback', 'rejected', CASE WHEN erased THEN 'erased' ELSE %(reason)s END,
       CASE WHEN NOT erased THEN %(content_type)s END, %(digest)s, %(size)s,
       CASE WHEN erased THEN ''::bytea ELSE %(body)s END, %(now)s
FROM (SELECT EXISTS (SELECT FROM tasks t JOIN erasures e USING (run_id) WHERE t.id = %(task_id)s) AS erased) run
ON CONFLICT (scope, digest, account) DO UPDATE SET copies = c.copies + (c.id <> EXCLUDED.id)::integer;

-- name: get_callback
-- One delivery with its body.
SELECT c.*, size > 0 AND octet_length(body) = 0 AS stripped,
       (SELECT d.at FROM dismissals d WHERE d.callback_id = c.id) AS dismissed_at
FROM callbacks c WHERE id = %(callback_id)s;

-- name: list_callbacks
-- Deliveries without their bodies, newest first, after a place in the list; those that nobody has dismissed, if that is asked.
-- (A sub-select with a limit is done for each row by itself; else all dismissals may be read first.)
SELECT id, account, task_id, external_id, source, verdict, reason, content_type, digest, size,
       octet_length(body) AS kept, size > 0 AND octet_length(body) = 0 AS stripped, copies, received_at,
       (SELECT d.at FROM dismissals d WHERE d.callback_id = callbacks.id) AS dismissed_at
FROM callbacks
WHERE (%(verdict)s::verdict IS NULL OR verdict = %(verdict)s)
  AND (%(account)s::text IS NULL OR account = %(account)s)
  AND (%(external_id)s::text IS NULL OR external_id = %(external_id)s)
  AND (%(task_id)s::uuid IS NULL OR task_id = %(task_id)s)
  AND (%(dismissed)s::boolean IS NULL
       OR (SELECT true FROM dismissals d WHERE d.callback_id = callbacks.id LIMIT 1) IS NULL)
  AND (%(after_at)s::timestamptz IS NULL OR (received_at, id) < (%(after_at)s, %(after_id)s::uuid))
ORDER BY received_at DESC, id DESC LIMIT %(limit)s;

-- name: list_dismissed
-- The same, of those that a person has dismissed.
SELECT c.id, account, task_id, external_id, source, c.verdict, reason, content_type, digest, size,
       octet_length(body) AS kept, size > 0 AND octet_length(body) = 0 AS stripped, copies, c.received_at,
       (SELECT d.at FROM dismissals d WHERE d.callback_id = c.id) AS dismissed_at
FROM heeded h JOIN callbacks c ON c.id = h.callback_id
WHERE (%(verdict)s::verdict IS NULL OR c.verdict = %(verdict)s)
  AND (%(account)s::text IS NULL OR account = %(account)s)
  AND (%(external_id)s::text IS NULL OR external_id = %(external_id)s)
  AND (%(task_id)s::uuid IS NULL OR task_id = %(task_id)s)
  AND (%(after_at)s::timestamptz IS NULL OR (h.received_at, h.callback_id) < (%(after_at)s, %(after_id)s::uuid))
ORDER BY h.received_at DESC, h.callback_id DESC LIMIT %(limit)s;

-- name: list_unheeded
-- The same, of those with a verdict that wants a person, and that nobody has dismissed.
SELECT c.id, account, task_id, external_id, source, c.verdict, reason, content_type, digest, size,
       octet_length(body) AS kept, size > 0 AND octet_length(body) = 0 AS stripped, copies, c.received_at,
       NULL::timestamptz AS dismissed_at
FROM unheeded u JOIN callbacks c ON c.id = u.callback_id
WHERE u.verdict = %(verdict)s::verdict
  AND (%(account)s::text IS NULL OR account = %(account)s)
  AND (%(external_id)s::text IS NULL OR external_id = %(external_id)s)
  AND (%(task_id)s::uuid IS NULL OR task_id = %(task_id)s)
  AND (%(after_at)s::timestamptz IS NULL OR (u.received_at, u.callback_id) < (%(after_at)s, %(after_id)s::uuid))
ORDER BY u.received_at DESC, u.callback_id DESC LIMIT %(limit)s;

-- name: parked_for
-- Deliveries to an account's one hook that came before anybody knew the job. Those of a task's own URL are not among
-- them: they name a job that the task does not wait for, and a person has to look at them.
SELECT * FROM callbacks
WHERE account = %(account)s AND external_id = %(external_id)s AND verdict = 'parked'
  AND (octet_length(body) > 0 OR size = 0)
  AND scope = '00000000-0000-0000-0000-000000000000'
ORDER BY received_at;

-- name: judge
-- A person or a replay has given a kept delivery a new verdict.
UPDATE callbacks SET verdict = %(verdict)s, reason = %(reason)s, task_id = coalesce(%(task_id)s, task_id)
WHERE id = %(callback_id)s;

-- name: dismiss
-- A person has looked at this one.
INSERT INTO dismissals (callback_id, at) VALUES (%(callback_id)s, %(now)s) ON CONFLICT (callback_id) DO NOTHING;

-- name: dismiss_many
-- A person has done with all of a verdict, those of one account if any, that came before; so many at once. What is being judged or
-- erased at this moment is left: nobody is waited for while many are locked.
INSERT INTO dismissals (callback_id, at)
SELECT u.callback_id, %(now)s FROM unheeded u JOIN callbacks c ON c.id = u.callback_id
WHERE u.verdict = %(verdict)s::verdict AND u.received_at <= %(before)s
  AND (%(account)s::text IS NULL OR c.account = %(account)s)
ORDER BY u.received_at DESC, u.callback_id DESC LIMIT %(limit)s FOR SHARE OF c SKIP LOCKED
ON CONFLICT (callback_id) DO NOTHING;
