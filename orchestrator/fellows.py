"""What the processes that work together say about each other: whether all are there, and of one mind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orchestrator.broker.application import QUEUES
from orchestrator.config import Config
from orchestrator.presence import described
from orchestrator.store.pool import Row

LATE = 10  # sweeps that may be left out
LEAST = 30.0  # seconds
OK = "ok"
_SAME = ("public_url", "archive", "accounts")  # settings that every process of an installation has alike


def compare(rows: Sequence[Row], last_sweep: float | None, config: Config) -> dict[str, str]:
    """``ok`` or a sentence for each of worker, queues, beat, sweep, secret, version, settings and installation.

    rows: of the processes table. last_sweep: seconds ago. config: of who asks, which is one of them or beside them.
    """
    alive = [row for row in rows if row["lives"]]
    workers = [row for row in alive if row["kind"] == "worker"]
    beats = [row for row in alive if row["kind"] == "beat"]
    return {
        "worker": OK if workers else "none lives: nothing is submitted, polled or archived",
        "queues": _queues(workers),
        "beat": OK if beats else "none lives: lost messages, silent jobs and deadlines are noticed by nobody",
        "sweep": _sweep(last_sweep, config.sweep_every),
        "secret": _secret(alive, config),
        "version": _version(alive),
        "settings": _settings(alive, config),
        "installation": _installation(alive, beats),
    }


def _queues(workers: Iterable[Row]) -> str:
    taken = [frozenset(row["about"].get("queues", ())) for row in workers]
    without = [name for name in QUEUES if taken and not any(name in some for some in taken)]
    return f"no worker takes jobs from {', '.join(without)}" if without else OK


def _sweep(last: float | None, every: float) -> str:
    if last is None:
        return "none has ever passed"
    return f"the last passed {last:.0f} s ago; one is due every {every:g} s" if last > max(LATE * every, LEAST) else OK


def _secret(alive: Iterable[Row], config: Config) -> str:
    """Whether every receiver takes what every worker signs."""
    receivers = [_secrets(row) for row in alive if row["kind"] == "web"] or [tuple(described(config)["secrets"])]
    signing = {_secrets(row)[0] for row in alive if row["kind"] == "worker" and _secrets(row)}
    unknown = [one for one in signing if any(one not in known for known in receivers)]
    return "a worker signs with a secret that a receiver does not know, which refuses its callbacks" if unknown else OK


def _secrets(row: Row) -> tuple[str, ...]:
    return tuple(row["about"].get("secrets", ()))


def _version(alive: Iterable[Row]) -> str:
    found = {(row["version"], row["about"].get("schema")) for row in alive}
    return f"{len(found)} versions are at work: {_list(f'{v} ({s})' for v, s in found)}" if len(found) > 1 else OK


def _settings(alive: Sequence[Row], config: Config) -> str:
    """Whether those at work were told the same, and the same as who asks."""
    differ = [name for name in _SAME if len({str(row["about"].get(name)) for row in alive}) > 1]
    own = described(config)
    # A shell beside the service need not know the accounts.
    told = [name for name in _SAME if alive and own[name] and name not in differ]
    strange = [name for name in told if alive[0]["about"].get(name) != own[name]]
    if differ:
        return f"processes at work disagree about: {', '.join(differ)}"
    return f"the processes at work have other settings than these here: {', '.join(strange)}" if strange else OK


def _installation(alive: Iterable[Row], beats: Sequence[Row]) -> str:
    """Two installations have no secret in common; two beats are two installations, or a mistake."""
    groups: list[set[str]] = []
    for secrets in (set(_secrets(row)) for row in alive):
        joined = [group for group in groups if group & secrets]
        groups = [group for group in groups if not group & secrets] + [secrets.union(*joined)]
    if len(groups) > 1:
        return f"{len(groups)} installations, with nothing in common, use this database"
    return f"{len(beats)} beats are at work on this database" if len(beats) > 1 else OK


def _list(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))
