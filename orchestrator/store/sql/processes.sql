-- name: tell
-- This process lives. The time is the database's, so that nobody's clock is believed.
INSERT INTO processes (id, kind, host, pid, version, about, started_at, seen_at)
VALUES (%(id)s, %(kind)s, %(host)s, %(pid)s, %(version)s, %(about)s, clock_timestamp(), clock_timestamp())
ON CONFLICT (id) DO UPDATE SET seen_at = EXCLUDED.seen_at, about = EXCLUDED.about;

-- name: forget
-- What was last seen long ago, and what was said about deliveries that are gone.
WITH old AS (DELETE FROM processes WHERE seen_at < clock_timestamp() - interval '7 days')
DELETE FROM dismissals d WHERE NOT EXISTS (SELECT FROM callbacks c WHERE c.id = d.callback_id);

-- name: list_processes
-- Those seen in the last seven days, the newest first; lives: it has told so lately, and not that it ends.
SELECT id, kind, host, pid, version, about, started_at, seen_at,
       extract(epoch FROM clock_timestamp() - seen_at)::float AS silent,
       seen_at > clock_timestamp() - make_interval(secs => %(patience)s) AND NOT about ? 'ended' AS lives
FROM processes ORDER BY seen_at DESC LIMIT 1000;

-- name: note_pass
-- It has been done once more.
INSERT INTO passes (name, at) VALUES (%(name)s, clock_timestamp())
ON CONFLICT (name) DO UPDATE SET at = EXCLUDED.at;

-- name: seconds_since_pass
-- How long ago it was last done.
SELECT extract(epoch FROM clock_timestamp() - at)::float FROM passes WHERE name = %(name)s;

-- name: signed_between
-- How many unfinished tasks were sent by the one who signed then.
SELECT count(*) FROM (
    SELECT FROM slots s JOIN tasks t ON t.id = s.task_id
    WHERE t.submitted_at BETWEEN %(first)s AND %(last)s AND t.finished_at IS NULL) sent;

-- name: bury
-- These have ended without a word.
UPDATE processes SET about = about || '{"ended": true}' WHERE id = ANY(%(ids)s);
