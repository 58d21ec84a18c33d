"""What must be true of the tables whatever was delivered."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.states import TASK_ARROWS, TaskState
from orchestrator.store import Connection

# Each finds what must not be; the name says what that is.
_FORBIDDEN = {
    "a task's state is not where its last transition led": """
        SELECT t.id FROM tasks t WHERE t.state <> (
            SELECT to_state FROM transitions x WHERE x.task_id = t.id ORDER BY x.id DESC LIMIT 1)""",
    "a transition does not begin where the one before it ended": """
        SELECT task_id FROM (
            SELECT task_id, from_state, lag(to_state) OVER (PARTITION BY task_id ORDER BY id) AS before
            FROM transitions) x
        WHERE from_state IS DISTINCT FROM before""",
    "a task that is over holds a slot": """
        SELECT t.id FROM slots JOIN tasks t ON t.id = slots.task_id WHERE t.finished_at IS NOT NULL""",
    "a task at the provider holds no slot": """
        SELECT id FROM tasks t WHERE kind = 'provider' AND state IN ('submitting', 'uncertain', 'waiting')
        AND NOT EXISTS (SELECT FROM slots WHERE task_id = t.id)""",
    "a task that was never submitted has a job": """
        SELECT id FROM tasks WHERE kind = 'provider' AND submissions = 0
        AND (external_id IS NOT NULL OR state NOT IN ('ready', 'cancelled'))""",
    "a task succeeded without a result, or failed without a reason": """
        SELECT id FROM tasks WHERE state = 'succeeded' AND (progress <> 100 OR jsonb_typeof(result) <> 'object')
        OR state = 'failed' AND (jsonb_typeof(error -> 'code') <> 'string'
                                 OR jsonb_typeof(error -> 'message') <> 'string') IS NOT FALSE""",
    "an accepted delivery has no task": """
        SELECT id FROM callbacks WHERE verdict = 'accepted' AND task_id IS NULL""",
    "a delivery's task is of another account": """
        SELECT c.id FROM callbacks c JOIN tasks t ON t.id = c.task_id
        WHERE c.account <> t.account AND verdict <> 'rejected'""",
    "a task ended by a delivery that is not there": """
        SELECT task_id FROM transitions x WHERE cause = 'callback' AND to_state IN ('succeeded', 'failed')
        AND NOT EXISTS (SELECT FROM callbacks c JOIN tasks t ON t.id = x.task_id
                        WHERE c.account = t.account AND c.verdict IN ('accepted', 'parked')
                        AND c.events @> jsonb_build_array(jsonb_build_object('kind', x.to_state)))""",
    "a run took no notice of a task's end": """
        SELECT id FROM tasks WHERE finished_at IS NOT NULL AND NOT settled""",
    "a run's state is not what its tasks say": """
        SELECT r.id FROM runs r JOIN tasks t ON t.run_id = r.id AND t.step = 'grid' JOIN transitions x
        ON x.task_id = t.id AND x.cause = 'callback' AND x.to_state IN ('succeeded', 'failed')
        WHERE (x.to_state = 'failed') <> (r.state = 'failed')""",
}
_ARROWS = "SELECT DISTINCT from_state, to_state FROM transitions WHERE from_state IS NOT NULL"


def broken(connection: Connection) -> Iterator[str]:
    """A sentence for each invariant that does not hold."""
    for meaning, statement in _FORBIDDEN.items():
        found = [str(next(iter(row.values()))) for row in connection.execute(statement.encode())]
        if found:
            yield f"{meaning}: {len(found)}, for one {found[0]}"
    for row in connection.execute(_ARROWS.encode()):
        before, after = TaskState(row["from_state"]), TaskState(row["to_state"])
        if after not in TASK_ARROWS[before]:
            yield f"there is no arrow from {before} to {after}"
