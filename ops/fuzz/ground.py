"""The ground for a batch of bodies: in each account tasks in every state that a delivery can meet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from ops.fuzz.bodies import JOBS
from ops.fuzz.seeds import DIALECTS
from orchestrator import catalog
from orchestrator.config import Account, ApiToken, Config
from orchestrator.core.tokens import account_token, task_token
from orchestrator.services import Services
from orchestrator.store import Connection

SECRET = b"a secret of the fuzzing"
TOKEN = "a token of the fuzzing"  # noqa: S105 - of an application that listens nowhere
# Tasks whose job has a name, and as many whose job's name nobody knows yet: their states, in turn.
_NAMED = ("waiting",) * 6 + ("uncertain", "succeeded", "failed", "cancelled")
_NAMELESS = ("submitting",) * 3 + ("uncertain",) * 2 + ("waiting",) * 3 + ("ready", "never")
TASKS = 2 * JOBS  # in each account

_FORGET = "TRUNCATE callbacks, runs, slots CASCADE"
_OPEN = """
WITH wanted AS (
    SELECT id, n, nullif(state, 'never') AS state, state = 'never' AS never
    FROM unnest(%(ids)s::uuid[], %(states)s::text[]) WITH ORDINALITY x(id, state, n)
), opened AS (
    INSERT INTO runs (id, pipeline, version, inputs, created_at)
    SELECT id, %(pipeline)s, 1, '{"prompt": "a cat"}', now() FROM wanted
), tasked AS (
    INSERT INTO tasks (id, run_id, step, item, attempt, kind, action, state, params, account, provider, external_id,
                       waiting_for, wake_at, deadline_at, timeout, submissions, created_at, submitted_at, finished_at,
                       error, result, progress, settled)
    SELECT id, id, 'grid', 0, 1, 'provider', 'imagine', coalesce(state, 'ready')::task_state,
           '{"with": {"prompt": "a cat"}, "parent": null}', %(account)s, %(account)s,
           CASE WHEN n <= %(jobs)s THEN 'job-' || (n - 1) END, 'the fuzzing',
           CASE WHEN not final THEN now() + '2 min' END, now() + '30 min', 1800, (NOT never)::integer, now(), now(),
           CASE WHEN final THEN now() END, CASE WHEN state = 'failed' THEN '{"code": "c", "message": "m"}'::jsonb END,
           CASE WHEN state = 'succeeded' THEN '{"image_id": "i"}'::jsonb END,
           CASE WHEN state = 'succeeded' THEN 100 ELSE 0 END, final
    FROM (SELECT *, coalesce(state, 'ready') IN ('succeeded', 'failed', 'cancelled') AS final FROM wanted) w
), noted AS (
    INSERT INTO transitions (task_id, to_state, cause, at)
    SELECT id, coalesce(state, 'ready')::task_state, 'ground', now() FROM wanted
)
INSERT INTO slots (account, number, task_id)
SELECT %(account)s, n, id FROM wanted WHERE state IN ('submitting', 'uncertain', 'waiting')
"""


class Nudged:
    """A broker that only notes which runs are to be advanced."""

    def __init__(self) -> None:
        self.runs: dict[UUID, None] = {}

    def advance(self, run_id: UUID) -> None:
        self.runs[run_id] = None

    def submit(self, account: str, ready: int = 1, after: float = 0.0) -> None:
        """Nobody submits."""

    def look(self, account: str, task_ids: list[UUID]) -> None:
        """Nobody looks."""

    def act(self) -> None:
        """Nobody acts."""

    def ping(self, timeout: float) -> None:
        """Always there."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a body goes. account: whose hook. task: whose token, None for the account's own."""

    path: str
    account: str
    task: UUID | None
    ours: bool = True


def services(home: Path, database_url: str, nudged: Nudged) -> Services:
    """The services of a receiver with an account of each dialect, their pipelines stored."""
    accounts = {name: Account(name=name, provider=name, base_url="http://127.0.0.1:9", slots=1) for name in DIALECTS}
    made = Services(
        Config(
            home=home,
            database_url=database_url,
            secrets=(SECRET,),
            archive_url=f"file://{home}/archive",
            api_tokens=(ApiToken.of("fuzz", "admin", TOKEN),),
            accounts=accounts,
            callback_rate=None,
            hook_rate=None,
            api_rate=None,
        ),
        nudge=nudged,
        pool=2,
    )
    made.put_accounts()
    for name in DIALECTS:
        catalog.push(made, _pipeline(name), where=name)
    return made


def renew(connection: Connection, batch: int) -> None:
    """Forget what the last batch left, and open this one's tasks."""
    connection.execute(_FORGET)
    for name in DIALECTS:
        ids = [task_id(batch, name, number) for number in range(TASKS)]
        states = [_state(number) for number in range(TASKS)]
        values = {"ids": ids, "states": states, "account": name, "pipeline": f"fuzz-{name}", "jobs": JOBS}
        connection.execute(_OPEN, values)
    connection.execute("ANALYZE tasks, slots, callbacks")


def task_id(batch: int, account: str, number: int) -> UUID:
    return UUID(int=(batch + 1 << 64) + (DIALECTS.index(account) << 32) + number)


def to_task(account: str, task: UUID) -> Address:
    return Address(f"/callbacks/{account}/{task_token((SECRET,), account, task)}", account, task)


def to_account(account: str) -> Address:
    return Address(f"/callbacks/{account}/{account_token((SECRET,), account)}", account, None)


def to_nobody(account: str, task: UUID) -> Address:
    token = task_token((b"somebody else's secret",), account, task)
    return Address(f"/callbacks/{account}/{token}", account, task, ours=False)


def _state(number: int) -> str:
    states = _NAMED if number < JOBS else _NAMELESS
    return states[number % len(states)]


def _pipeline(account: str) -> dict[str, object]:
    return {
        "pipeline": f"fuzz-{account}",
        "inputs": {"prompt": {"type": "string", "required": True}},
        "account": account,
        "steps": {
            "grid": {"action": "imagine", "with": {"prompt": "${inputs.prompt}"}},
            "best": {"choose": "quadrant", "of": "grid", "by": 1},
            "single": {"action": "upscale", "of": "best"},
            "keep": {"archive": "single", "when": "steps.grid.result.image_id != 'x'", "needs": ["grid"]},
        },
    }
