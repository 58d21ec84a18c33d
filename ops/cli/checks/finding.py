"""What a check has to say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from ops.cli.failures import Failure

Level = Literal["ok", "warn", "fail"]

# What it means when something is not well: a subject each, as in docs/doctor.md.
MEANING: Mapping[str, str] = {
    "configuration": "nothing can start with these settings",
    "program": "it runs on what it was never tried with",
    "embedded servers": "a server or process of this home does not run",
    "home": "secret, spool and embedded servers cannot be kept",
    "disk": "what does not fit is refused: deliveries, images, then everything",
    "spool": "deliveries that were answered 2xx are not in the database yet",
    "secret": "callbacks whose tokens cannot be checked are refused, and their results come late or never",
    "API tokens": "nobody can use the API",
    "accounts": "nothing can be submitted",
    "database": "nothing goes on; deliveries are spooled",
    "durability": "a delivery that was answered 2xx can be lost with the database's machine",
    "connections": "processes will be refused by the database",
    "schema": "program and database do not fit together",
    "indexes": "it works, but ever more slowly; or what must be unique is not",
    "clock": "time-outs, expiries and back-offs happen too early or too late",
    "broker": "every step waits for the sweep: seconds instead of milliseconds",
    "queues": "messages wait and nobody takes them, or they are dropped",
    "archive": "images cannot be stored, and their addresses die",
    "public URL": "providers cannot call back",
    "callbacks": "results come by polling only, later than need be",
    "web": "callbacks have nobody who takes them",
    "worker": "nothing is submitted, polled or archived",
    "beat": "lost messages, silent jobs and deadlines are noticed by nobody",
    "sweep": "lost messages, silent jobs and deadlines are noticed by nobody",
    "version": "an upgrade has stopped half-way",
    "settings": "processes of one installation contradict each other",
    "installation": "each does the other's work with wrong secrets, accounts and archives",
    "risky": "an image will be lost for good",
    "uncertain": "a submission may or may not have been paid for",
    "stray": "a job goes on that nobody can ask about",
    "unwatched": "a task would wait for ever",
    "stranded": "a run would never end",
    "leaked": "the account has fewer slots than it could use",
    "paused": "nothing is submitted to the account",
    "parked": "a result may not have found its task",
    "rejected": "somebody delivers what cannot be read",
    "late": "a provider contradicts itself; a result may have been paid for in vain",
    "provider": "nothing can be submitted to the account, or asked about its jobs",
    "provider's clock": "callbacks seem to come from the future, and addresses to die early",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """subject: what was looked at. detail: what was found. advice: what to do, unless it is well."""

    subject: str
    level: Level
    detail: str
    advice: str | None = None

    @property
    def meaning(self) -> str | None:
        """What it leads to, if it is not well."""
        return None if self.level == "ok" else MEANING.get(self.subject)


def raise_failed(findings: Iterable[Finding]) -> None:
    """Raises Failure when a finding is one."""
    failed = list(dict.fromkeys(finding.subject for finding in findings if finding.level == "fail"))
    if failed:
        raise Failure(f"to be mended: {', '.join(failed)}")
