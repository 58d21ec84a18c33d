-- What has ended is removed after a time, and what a person asks to be erased at once. (No table that is there gets a
-- column more: a version that is serving meanwhile reads whole rows.)

-- An archived image outlives its run, and so does its entry: the ids in it are no references any more.
ALTER TABLE objects DROP CONSTRAINT objects_run_id_fkey;
ALTER TABLE objects DROP CONSTRAINT objects_task_id_fkey;

CREATE TABLE removals (
    what text PRIMARY KEY,
    removed bigint NOT NULL DEFAULT 0, -- rows, since ever
    last_at timestamptz NOT NULL       -- when it was last looked for
);
