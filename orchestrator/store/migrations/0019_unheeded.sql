-- Deliveries that want a person, and those that one has dismissed, beside all the others: so that who counts or lists the
-- few of the one kind passes over none of the other, and an accepted delivery writes nothing more than it did.
-- (Two tables: an index on part of one keeps its size when a flood has been dismissed, and then the planner reads it all.)
CREATE TABLE unheeded (
    callback_id uuid PRIMARY KEY REFERENCES callbacks ON DELETE CASCADE,
    verdict verdict NOT NULL,
    received_at timestamptz NOT NULL
);
CREATE INDEX unheeded_newest ON unheeded (verdict, received_at DESC, callback_id DESC);
CREATE TABLE heeded (
    callback_id uuid PRIMARY KEY REFERENCES callbacks ON DELETE CASCADE,
    received_at timestamptz NOT NULL
);
CREATE INDEX heeded_newest ON heeded (received_at DESC, callback_id DESC);

-- By triggers, because the version that is serving meanwhile rejects and dismisses with statements of its own. They fire
-- for what is parked, rejected or late, and when a verdict changes: both are rare.
CREATE FUNCTION note_verdict() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.verdict NOT IN ('parked', 'rejected', 'late') THEN
        DELETE FROM unheeded WHERE callback_id = NEW.id;
    ELSIF NOT EXISTS (SELECT FROM dismissals WHERE callback_id = NEW.id) THEN
        INSERT INTO unheeded (callback_id, verdict, received_at) VALUES (NEW.id, NEW.verdict, NEW.received_at)
        ON CONFLICT (callback_id) DO UPDATE SET verdict = EXCLUDED.verdict;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER new_verdict AFTER INSERT ON callbacks FOR EACH ROW
    WHEN (NEW.verdict IN ('parked', 'rejected', 'late')) EXECUTE FUNCTION note_verdict();
CREATE TRIGGER other_verdict AFTER UPDATE OF verdict ON callbacks FOR EACH ROW
    WHEN (NEW.verdict <> OLD.verdict) EXECUTE FUNCTION note_verdict();

-- The delivery is locked first, as who changes its verdict does.
CREATE FUNCTION note_dismissal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO heeded (callback_id, received_at)
    SELECT id, received_at FROM callbacks WHERE id = NEW.callback_id FOR SHARE
    ON CONFLICT (callback_id) DO NOTHING;
    DELETE FROM unheeded WHERE callback_id = NEW.callback_id;
    RETURN NULL;
END $$;
CREATE TRIGGER new_dismissal AFTER INSERT ON dismissals FOR EACH ROW EXECUTE FUNCTION note_dismissal();
