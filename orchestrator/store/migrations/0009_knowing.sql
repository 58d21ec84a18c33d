-- Who is at work, and what a person has said. Tables of their own: a version that is serving while this is applied reads
-- whole rows of tasks and callbacks, and a column more would be one too many for it.

-- One row for each process, written every few seconds while it lives.
CREATE TABLE processes (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    version text NOT NULL,
    -- What it was configured with, as far as processes have to agree; of secrets short fingerprints.
    about jsonb NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL
);
CREATE INDEX processes_seen ON processes (seen_at);

-- When what has to be done again and again was last done.
CREATE TABLE passes (
    name text PRIMARY KEY,
    at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Deliveries that a person has looked at: kept as evidence, and counted no more.
CREATE TABLE dismissals (
    callback_id uuid PRIMARY KEY,
    at timestamptz NOT NULL
);

-- Jobs that the provider, asked about them, did not know: how often in a row, and since when.
CREATE TABLE absences (
    task_id uuid PRIMARY KEY REFERENCES tasks ON DELETE CASCADE,
    times integer NOT NULL,
    since timestamptz NOT NULL
);
