-- name: put_pipeline
-- The version of a pipeline with this document: the newest if it is the same, else a new one.
WITH newest AS (
    SELECT version, document FROM pipelines WHERE name = %(name)s ORDER BY version DESC LIMIT 1
), added AS (
    INSERT INTO pipelines (name, version, document, created_at)
    SELECT %(name)s, coalesce((SELECT version FROM newest), 0) + 1, %(document)s, %(now)s
    WHERE NOT EXISTS (SELECT FROM newest WHERE document::jsonb = %(document)s::jsonb)
    ON CONFLICT (name, version) DO NOTHING
    RETURNING version
)
SELECT version FROM added UNION ALL
SELECT version FROM newest WHERE NOT EXISTS (SELECT FROM added) AND document::jsonb = %(document)s::jsonb;

-- name: get_pipeline
-- One version of a pipeline, the newest when none is given.
SELECT * FROM pipelines WHERE name = %(name)s AND (%(version)s::integer IS NULL OR version = %(version)s)
ORDER BY version DESC LIMIT 1;

-- name: list_pipelines
-- The newest version of every pipeline.
SELECT DISTINCT ON (name) * FROM pipelines WHERE name > %(after)s ORDER BY name, version DESC LIMIT %(limit)s;

-- name: newest_version
-- The number of the newest version, 0 when there is none.
SELECT coalesce(max(version), 0) FROM pipelines WHERE name = %(name)s;
