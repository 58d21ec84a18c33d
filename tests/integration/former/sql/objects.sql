-- name: insert_object
-- Index one archived image.
INSERT INTO objects (task_id, run_id, source_task_id, uri, sha256, bytes, width, height, content_type, source_url,
                     archived_at)
VALUES (%(task_id)s, %(run_id)s, %(source_task_id)s, %(uri)s, %(sha256)s, %(bytes)s, %(width)s, %(height)s,
        %(content_type)s, %(source_url)s, %(now)s)
ON CONFLICT (task_id) DO NOTHING;
