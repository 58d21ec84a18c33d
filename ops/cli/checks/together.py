"""The processes of this installation: whether all are there, of one version, and told the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from ops.cli.checks.finding import Finding, Level
from orchestrator import fellows
from orchestrator.config import Config
from orchestrator.core.identity import fingerprint
from orchestrator.errors import DatabaseUnavailable
from orchestrator.store import Connection, processes
from orchestrator.store.pool import Row

LEVELS: Mapping[str, Level] = {"version": "warn", "settings": "warn"}  # the others are failures
ADVICE: Mapping[str, str] = {
    "worker": "start `orchestrator up`, or the Procfile's worker; see its log if it ends at once",
    "queues": "start a worker with -Q advance,submit,media,sweep",
    "beat": "start the Procfile's beat (`orchestrator up` does); see its log if it ends at once",
    "sweep": "is beat running, the broker reachable, and does a worker take jobs from the queue sweep? see their logs",
    "secret": "give all processes the same ORCHESTRATOR_SECRET (the former one second, for a rotation); restart them",
    "version": "go on with the upgrade: restart the processes that are left behind",
    "settings": "give all processes, and this shell, the same settings; restart those that had others",
    "installation": "give each installation a database of its own, and run one beat",
}
SIGNED = timedelta(minutes=1)  # a worker may sign for so long after it was last seen


def check(config: Config) -> Iterator[Finding]:
    if not config.database_url:
        return
    try:
        with processes.alone(config.database_url) as connection:
            rows = processes.list_processes(connection)
            swept = processes.seconds_since_pass(connection, "sweep")
            yield _web(rows)
            for subject, said in fellows.compare(rows, swept, config).items():
                yield _finding(subject, said, rows)
            yield from _own_secret(rows, config)
            yield from _forgotten_secrets(connection, rows, config)
    except DatabaseUnavailable as error:
        yield Finding("worker", "fail", f"it cannot be known: {error.message}", "mend the database first")


def _web(rows: Sequence[Row]) -> Finding:
    if any(row["kind"] == "web" and row["lives"] for row in rows):
        return Finding("web", "ok", _told(rows, "web"))
    advice = "start `orchestrator up`, or the Procfile's web; see its log if it ends at once"
    return Finding("web", "fail", f"none lives{_last(rows, 'web')}", advice)


def _finding(subject: str, said: str, rows: Sequence[Row]) -> Finding:
    if said != fellows.OK:
        return Finding(subject, LEVELS.get(subject, "fail"), said + _last(rows, subject), ADVICE[subject])
    return Finding(subject, "ok", _told(rows, subject) if subject in ("worker", "beat") else _WELL[subject])


_WELL = {
    "queues": "a worker takes jobs from each",
    "sweep": "it passes in time",
    "secret": "receivers know with what the workers sign",
    "version": "one is at work",
    "settings": "all have the same",
    "installation": "one uses this database",
}


def _told(rows: Sequence[Row], kind: str) -> str:
    hosts = Counter(row["host"] for row in rows if row["kind"] == kind and row["lives"])
    return ", ".join(f"{count} on {host}" for host, count in hosts.items())


def _last(rows: Sequence[Row], kind: str) -> str:
    """When and where one of a kind was last seen; the rows are sorted by that."""
    former = next((row for row in rows if row["kind"] == kind), None)
    if former is None or former["lives"]:
        return ""
    how = "has ended" if former["about"].get("ended") else "fell silent"
    return f"; the last, on {former['host']}, {how} {former['silent']:.0f} s ago"


def _own_secret(rows: Sequence[Row], config: Config) -> Iterator[Finding]:
    """Whether the settings here are those of the receivers."""
    known = {one for row in rows if row["kind"] == "web" and row["lives"] for one in row["about"].get("secrets", ())}
    if known and config.secrets and fingerprint(config.secrets[0]) not in known:
        detail = "the receivers at work do not know the secret that is set here"
        yield Finding("secret", "fail", detail, ADVICE["secret"])


def _forgotten_secrets(connection: Connection, rows: Sequence[Row], config: Config) -> Iterator[Finding]:
    """Unfinished tasks whose callback URLs were signed with a secret that is no longer among those that verify."""
    known = {fingerprint(secret) for secret in config.secrets}
    lost = 0
    for row in rows:
        signing = next(iter(row["about"].get("secrets", ())), None)
        if row["kind"] == "worker" and not row["lives"] and signing and signing not in known:
            lost += processes.signed_between(connection, row["started_at"], row["seen_at"] + SIGNED)
    if lost:
        detail = f"the callbacks of {lost} unfinished tasks were signed with a secret that is not configured any more"
        advice = "add the former secret to ORCHESTRATOR_SECRET, after the new one, until they are done; restart web"
        yield Finding("secret", "fail", detail, advice)
